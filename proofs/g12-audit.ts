/**
 * G12: editing, deleting, reordering or truncating audit history is found within 60 s, and a full recompute by a
 * superuser too, where the checkpoints are out of his reach.
 *
 * The attacks are made by a superuser with triggers and foreign keys off, each in a transaction that is verified from
 * within and rolled back, so that hundreds of them meet the same histories. The oracle is a second implementation of
 * the chain, in SQL. Then some attacks of each kind are committed beside a running keeper and the time is taken, and
 * keepers are killed while rows come in.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PostgresVersion } from '@sensei/contracts/servers'
import type { Seal } from '@sensei/core/audit-chain'
import { byOrganization } from '@sensei/postgres/audit/keeper'
import { AuditKeeper, settleAudit } from '@sensei/postgres/audit/keeper'
import type { Query } from '@sensei/postgres/audit/entries'
import { type AuditReport, verifyAudit } from '@sensei/postgres/audit/verify'
import { type Attack, ATTACKS, type Places, placesIn, statementsOf } from './g12/attacks.ts'
import { type History, newHistory } from './g12/history.ts'
import { type Random, randomFrom } from './g1/random.ts'
import { writeRecord } from './record.ts'

export interface Options {
  readonly version: PostgresVersion
  readonly mutations: number
  readonly rows: number
  readonly seed: number
}

export interface Result {
  readonly server: string
  readonly mutations: number
  readonly rows: number
  readonly perKind: Readonly<Record<string, number>>
  readonly findings: readonly string[]
}

const SETTLE_MS = 60_000
const BURSTS = 6
const CHAIN_SQL = readFileSync(path.join(import.meta.dirname, 'g12/chain.sql'), 'utf8')

/** Every attack in turn, at random places, until `mutations` were made. */
export async function run({ version, mutations, rows, seed }: Options): Promise<Result> {
  const history = await newHistory(version)
  try {
    const random = randomFrom(seed)
    const tenants = [await filledTenant(history, rows), await filledTenant(history, rows)]
    await history.client.query(CHAIN_SQL)
    const findings: string[] = []
    for (const tenant of tenants) findings.push(...(await compareWithOracle(history, tenant)))
    const perKind: Record<string, number> = {}
    for (let done = 0; done < mutations; done++) {
      const attack = ATTACKS[done % ATTACKS.length] as Attack
      const tenant = tenants[random.below(tenants.length)] as Tenant
      const places = placesFor(attack, tenant, random)
      const report = await underAttack(history, tenant, { attack, places, seals: tenant.seals })
      const finding = objection(attack, places, report, tenant.seals)
      if (finding !== null) findings.push(finding)
      perKind[attack.kind] = (perKind[attack.kind] ?? 0) + 1
    }
    for (const { orgId, seals } of tenants) {
      const { status } = await verifyAudit(queryOn(history), orgId, seals)
      if (status !== 'intact') findings.push(`without an attack a history is ${status}`)
    }
    return { server: history.serverVersion, mutations, rows, perKind, findings }
  } finally {
    await history.close()
  }
}

interface Tenant {
  readonly orgId: string
  readonly last: number
  readonly seals: readonly Seal[]
}

/** In bursts, each under a checkpoint of its own. */
async function filledTenant(history: History, rows: number): Promise<Tenant> {
  const orgId = await history.newTenant()
  for (let burst = 0; burst < BURSTS; burst++) {
    await history.migrate(orgId)
    await history.write(orgId, Math.ceil(rows / BURSTS) - 2)
    await settleAudit(history.settings, history.sink, SETTLE_MS)
  }
  return sealedTenant(history, orgId)
}

async function sealedTenant(history: History, orgId: string): Promise<Tenant> {
  const { checkpoints } = await history.readCheckpoints()
  const seals = byOrganization(checkpoints).get(orgId) ?? []
  return { orgId, last: Number(seals.at(-1)?.position ?? 0), seals }
}

/** Of a chain that is computed anew, the last rows are no evidence when one fewer is there: so below them. */
function placesFor(attack: Attack, tenant: Tenant, random: Random): Places {
  const high = attack.kind === 'recomputed' ? Number(tenant.seals.at(-2)?.position) : tenant.last
  return placesIn(random, tenant.last, high - 1)
}

async function compareWithOracle(history: History, { orgId }: Tenant): Promise<string[]> {
  const { rows } = await history.client.query(
    `select count(*)::integer as differing from audit_chain c
     full join pg_temp.chain_of($1) o on o.place = c.position
     where coalesce(c.org_id, $1) = $1 and o.link is distinct from c.hash`,
    [orgId],
  )
  return rows[0]?.differing === 0 ? [] : [`the oracle computes ${rows[0]?.differing} other links`]
}

interface Deed {
  readonly attack: Pick<Attack, 'sql'>
  readonly places: Places
  readonly seals: readonly Seal[]
}

export async function underAttack(
  history: History,
  { orgId }: Pick<Tenant, 'orgId'>,
  { attack, places, seals }: Deed,
): Promise<AuditReport> {
  const { client } = history
  await client.query("begin; set local session_replication_role = 'replica'")
  try {
    for (const sql of statementsOf(attack, orgId, places)) await client.query(sql)
    return await verifyAudit(queryOn(history), orgId, seals)
  } finally {
    await client.query('rollback')
  }
}

/** Null when the verification said what it had to say. */
function objection(
  attack: Attack,
  places: Places,
  { broken }: AuditReport,
  seals: readonly Seal[],
): string | null {
  const what = `${attack.name} at ${places.place} (and ${places.other}) of ${places.last}`
  if (broken === null) return `${what}: not found`
  if (broken.kind !== attack.kind) return `${what}: called ${broken.kind} at ${broken.position}`
  const first = attack.first(places)
  if (attack.kind !== 'recomputed')
    return broken.position === first ? null : `${what}: found at ${broken.position}`
  // A chain that is whole shows only where a checkpoint stands: between the last good one and the first bad one.
  const bracket = seals.some(({ position }) => position + 1n === broken.position)
  const within = broken.position !== null && first !== null && broken.position <= first
  const fits = (bracket || broken.position === 1n) && within && first <= (broken.shownAt ?? 0n)
  return fits ? null : `${what}: found between ${broken.position} and ${broken.shownAt}`
}

/** Negative controls: without one of the two mechanisms an attack passes unseen. */
export async function controls(version: PostgresVersion, seed: number) {
  const history = await newHistory(version)
  try {
    const tenant = await filledTenant(history, 60)
    await history.client.query(CHAIN_SQL)
    const find = (name: string): Attack => ATTACKS.find((attack) => attack.name === name) as Attack
    const places = placesIn(randomFrom(seed), tenant.last, 30)
    const recompute = find('edit a row and compute the whole chain anew')
    const edit = find('edit the actor')
    const noChain = 'delete from audit_chain where org_id = :org'
    const deeds = {
      'no checkpoint: a full recompute': { attack: recompute, places, seals: [] },
      'no chain: an edit': { attack: { sql: [noChain, ...edit.sql] }, places, seals: [] },
    }
    const unseen: Record<string, boolean> = {}
    for (const [name, deed] of Object.entries(deeds)) {
      unseen[name] = (await underAttack(history, tenant, deed)).broken === null
    }
    return unseen
  } finally {
    await history.close()
  }
}

/** Committed beside a running keeper with the times of a real one: seconds until it said so, by kind. */
export async function timed(version: PostgresVersion, seed: number, kinds: readonly string[]) {
  const history = await newHistory(version)
  const found = new Map<string, number>()
  const keeper = new AuditKeeper({
    settings: history.settings,
    sink: history.sink,
    checkpoints: async () => (await history.readCheckpoints()).checkpoints,
    onBroken: ({ orgId }) => found.set(orgId, found.get(orgId) ?? performance.now()),
    onTrouble: (error) => process.stderr.write(`keeper: ${String(error)}\n`),
  })
  try {
    const random = randomFrom(seed)
    const targets: { readonly attack: Attack; readonly tenant: Tenant }[] = []
    for (const kind of kinds) {
      const attack = ATTACKS.find((one) => one.kind === kind) as Attack
      targets.push({ attack, tenant: await filledTenant(history, 60) })
    }
    await history.client.query(CHAIN_SQL)
    keeper.start()
    // The first round is over before the first attack: it may not find one by the luck of its start.
    await sleep(2_000)
    const seconds: Record<string, number | null> = {}
    const begun = new Map<string, number>()
    for (const { attack, tenant } of targets) {
      await commitAttack(history, attack, tenant, placesFor(attack, tenant, random))
      begun.set(tenant.orgId, performance.now())
    }
    const deadline = performance.now() + 60_000
    while (found.size < targets.length && performance.now() < deadline) await sleep(100)
    for (const { attack, tenant } of targets) {
      const at = found.get(tenant.orgId)
      const from = begun.get(tenant.orgId) ?? 0
      seconds[attack.kind] = at === undefined ? null : Math.round((at - from) / 100) / 10
    }
    return seconds
  } finally {
    await keeper.stop()
    await history.close()
  }
}

async function commitAttack(history: History, attack: Attack, tenant: Tenant, places: Places) {
  const { client } = history
  await client.query("begin; set local session_replication_role = 'replica'")
  for (const sql of statementsOf(attack, tenant.orgId, places)) await client.query(sql)
  await client.query('commit')
}

/** Keepers are killed and told to go while rows come in; then everything is linked once, signed, and intact. */
export async function kills(version: PostgresVersion, count: number, seed: number) {
  const history = await newHistory(version)
  const random = randomFrom(seed)
  const entry = path.join(import.meta.dirname, 'g12/keeper.ts')
  const { settings, file, keyPem } = history
  const hire = (): ChildProcess =>
    spawn(process.execPath, [entry, JSON.stringify({ settings, file, keyPem })], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
  let crew = [hire(), hire()]
  try {
    const orgId = await history.newTenant()
    let written = 0
    for (let killed = 0; killed < count; killed++) {
      // One that has not chained anything yet is not worth killing. It may die between a link and its checkpoint.
      const before = await chained(history, orgId)
      while ((await chained(history, orgId)) < before + 3) {
        await history.write(orgId, 3)
        written += 3
      }
      await sleep(random.below(40))
      const victim = crew.shift() as ChildProcess
      victim.kill(random.chance(0.7) ? 'SIGKILL' : 'SIGTERM')
      await once(victim, 'exit')
      crew = [...crew, hire()]
    }
    for (const child of crew) child.kill('SIGTERM')
    await Promise.all(crew.map((child) => once(child, 'exit')))
    const { waiting } = await settleAudit(history.settings, history.sink, SETTLE_MS)
    await history.client.query(CHAIN_SQL)
    const tenant = await sealedTenant(history, orgId)
    const { refused, tornLine, checkpoints } = await history.readCheckpoints()
    const { status, sealed } = await verifyAudit(queryOn(history), orgId, tenant.seals)
    const findings = await compareWithOracle(history, tenant)
    const whole = status === 'intact' && sealed === BigInt(written) && waiting === 0n
    if (!whole) findings.push(`${status}, ${sealed} of ${written} rows sealed, ${waiting} waiting`)
    if (refused.length > 0) findings.push(`${refused.length} lines of the file are no checkpoints`)
    return { kills: count, rows: written, checkpoints: checkpoints.length, tornLine, findings }
  } finally {
    for (const child of crew) child.kill('SIGKILL')
    await history.close()
  }
}

async function chained({ client }: History, orgId: string): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    'select count(*)::integer as count from audit_chain where org_id = $1',
    [orgId],
  )
  return rows[0]?.count ?? 0
}

function queryOn(history: History): Query {
  return async <R extends object>(text: string, values: readonly unknown[]) =>
    (await history.client.query(text, [...values])).rows as R[]
}

export const KINDS = [...new Set(ATTACKS.map(({ kind }) => kind))]

async function prove(): Promise<void> {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e9))
  const startedAt = performance.now()
  const runs: Result[] = []
  for (const version of [18, 15] as const) {
    runs.push(await run({ version, mutations: 500, rows: 1_000, seed }))
  }
  const killed = [await kills(18, 15, seed), await kills(15, 5, seed)]
  const seconds = { 18: await timed(18, seed, KINDS), 15: await timed(15, seed, KINDS) }
  const unseen = { 18: await controls(18, seed), 15: await controls(15, seed) }
  const well =
    [...runs, ...killed].every(({ findings }) => findings.length === 0) &&
    Object.values(seconds).every((found) => Object.values(found).every((time) => time !== null)) &&
    Object.values(unseen).every((found) => Object.values(found).every(Boolean))
  if (!well) process.exitCode = 1
  writeRecord('g12-audit', startedAt, {
    guarantee: 'G12',
    seed,
    runs,
    keeper_kills: killed,
    found_after_seconds: seconds,
    passes_unseen_without: unseen,
  })
}

if (import.meta.main) {
  // A test server does not keep its process awake.
  const awake = setInterval(() => undefined, 60_000)
  await prove().finally(() => clearInterval(awake))
}
