/**
 * G2, the reading half: no event is skipped, each migration's events arrive in order, each at least once and with its
 * effect once, while consumers are killed and stalled; and a stranger's open transaction stalls nobody.
 *
 * Writers as in g2-positions; three consumer processes of one group, killed with SIGKILL or stopped past their lease as
 * the events go by. Beside them, in the same run and on the same events, the two ordinary pollers: one has to lose, the
 * other to stand still. An oracle in SQL judges what the consumers left.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freshDatabase, type PostgresVersion, server } from '@sensei/contracts/servers'
import { type Client, type ConnectionSettings, connect } from '@sensei/postgres/door/connection'
import { provision } from '@sensei/postgres/setup/provision'
import { provisionService } from '@sensei/postgres/door/services'
import { type Random, randomFrom } from './g1/random.ts'
import type { ConsumerTask, Control } from './g2/consumer.ts'
import { type Judgement, judge, TABLES } from './g2/oracle.ts'
import { Poller, SEQUENCE } from './g2/pollers.ts'
import { Writer } from './g2/writer.ts'
import { writeRecord } from './record.ts'

export interface Options {
  readonly version: PostgresVersion
  readonly events: number
  readonly writers: number
  readonly kills: number
  readonly seed: number
  readonly control?: Control
}

export interface Result extends Judgement {
  readonly rolledBack: number
  readonly kills: number
  readonly stalls: number
  /** What consumers complained of, by code. */
  readonly troubles: Readonly<Record<string, number>>
  readonly plainPoller: { readonly missed: number; readonly outOfOrder: number }
  readonly xminPoller: { readonly missed: number; readonly outOfOrder: number }
  /** What each handed over while a transaction in another database was open. */
  readonly whileAStrangerWaited: Readonly<Record<'ms' | 'ours' | 'plain' | 'xmin', number>>
  readonly seconds: number
}

const CONSUMER = join(import.meta.dirname, 'g2/consumer.ts')
const CONSUMERS = 3
const LEASE_MS = 1_000
const STRANGER_MS = 2_000

/** The last consumer may have to wait for a lease and to start; after that long something stands still. */
const DRAIN_MS_MAX = 120_000

export async function run(options: Options): Promise<Result> {
  const address = await server(options.version)
  const fresh = await freshDatabase(address)
  const { host, port, user, password } = address
  const admin = { host, port, user, password, database: fresh.name }
  const logins = { app: `g2_${fresh.name}`, consumer: `g2c_${fresh.name}` }
  const { control, orgId } = await provision(admin, { user: logins.app, password: 'proof' })
  const login = { user: logins.consumer, password: 'proof' }
  const settings = await provisionService(admin, 'consumer', login)
  const client = await connect(admin)
  try {
    await client.query(`${TABLES};${SEQUENCE}`)
    return await prove({ options, admin, control, settings, orgId, client })
  } finally {
    await client.end()
    await fresh.drop()
    const last = await connect({ ...admin, database: 'postgres' })
    for (const role of Object.values(logins)) await last.query(`drop role ${role}`)
    await last.end()
  }
}

interface Place {
  readonly options: Options
  readonly admin: ConnectionSettings
  readonly control: ConnectionSettings
  readonly settings: ConnectionSettings
  readonly orgId: string
  readonly client: Client
}

async function prove(place: Place): Promise<Result> {
  const { options, admin, control, settings, orgId, client } = place
  const started = performance.now()
  const random = randomFrom(options.seed)
  const writers = await Promise.all(
    Array.from({ length: options.writers }, () =>
      Writer.open(control, orgId, randomFrom(random.below(2 ** 32))),
    ),
  )
  const clients = await Promise.all([connect(admin), connect(admin), connect(admin)])
  const plain = new Poller(clients[0], 'plain')
  const xmin = new Poller(clients[1], 'below xmin')
  const polling = Promise.all([plain.follow(), xmin.follow()])
  const task = { settings, group: 'proof', leaseMs: LEASE_MS }
  const crowd = new Crowd(options.control ? { ...task, control: options.control } : task, random)
  const harassment = crowd.harass(client, options)
  const stranger = waitAsAStranger({ ...place, client: clients[2] }, { plain, xmin })
  const share = options.events / options.writers
  const written = await Promise.allSettled(writers.map((writer) => writer.write(share)))
  for (const outcome of written) if (outcome.status === 'rejected') throw outcome.reason
  const whileAStrangerWaited = await stranger
  await harassment
  await drained(client)
  await crowd.dismiss()
  plain.end()
  xmin.end()
  await polling
  for (const one of clients) await one.end()
  const judgement = await judge(client)
  return {
    ...judgement,
    rolledBack: writers.reduce((sum, writer) => sum + writer.rolledBack, 0),
    kills: crowd.kills,
    stalls: crowd.stalls,
    troubles: crowd.troubles,
    plainPoller: { missed: judgement.events - plain.seen.size, outOfOrder: plain.outOfOrder },
    xminPoller: { missed: judgement.events - xmin.seen.size, outOfOrder: xmin.outOfOrder },
    whileAStrangerWaited,
    seconds: Math.round((performance.now() - started) / 1000),
  }
}

/** Events that have had their effect so far, roughly: the identity counts rollbacks, too. */
async function effects(client: Client): Promise<number> {
  const { rows } = await client.query<{ last: string | null }>(
    "select pg_sequence_last_value('proof_effect_seq_seq') as last",
  )
  return Number(rows[0]?.last ?? 0)
}

async function drained(client: Client): Promise<void> {
  const deadline = performance.now() + DRAIN_MS_MAX
  for (;;) {
    const { rows } = await client.query<{ lag: string }>(
      `select sum(p.last_position - c.position) as lag
       from consumer_cursor c join outbox_partition p using (partition)`,
    )
    if (Number(rows[0]?.lag) === 0 || performance.now() > deadline) return
    await sleep(50)
  }
}

/** Holds a transaction id open in another database once a third of the events is through. */
async function waitAsAStranger(
  { admin, client, options }: Place,
  pollers: { plain: Poller; xmin: Poller },
): Promise<Result['whileAStrangerWaited']> {
  while ((await effects(client)) < options.events * 0.3) await sleep(20)
  const stranger = await connect({ ...admin, database: 'postgres' })
  try {
    await stranger.query('begin')
    await stranger.query('select pg_current_xact_id()')
    // What had its id before the stranger came may still pass.
    await sleep(300)
    const counts = async () => ({
      ours: await effects(client),
      plain: pollers.plain.seen.size,
      xmin: pollers.xmin.seen.size,
    })
    const before = await counts()
    await sleep(STRANGER_MS)
    const after = await counts()
    await stranger.query('rollback')
    return {
      ms: STRANGER_MS,
      ours: after.ours - before.ours,
      plain: after.plain - before.plain,
      xmin: after.xmin - before.xmin,
    }
  } finally {
    await stranger.end()
  }
}

/** The consumers: replaced as they are killed. */
class Crowd {
  kills = 0
  stalls = 0
  readonly troubles: Record<string, number> = {}
  readonly #living: ChildProcess[] = []
  readonly #task: ConsumerTask
  readonly #random: Random

  constructor(task: ConsumerTask, random: Random) {
    this.#task = task
    this.#random = random
    for (let consumer = 0; consumer < CONSUMERS; consumer++) this.#hire()
  }

  /** Spread over the events; every fourth time one is stopped past its lease instead, and goes on then. */
  async harass(client: Client, { events, kills }: Options): Promise<void> {
    let done = 0
    const stalled: Promise<void>[] = []
    while (done < kills) {
      if ((await effects(client)) * (kills + 1) >= events * (done + 1)) {
        if (done % 4 === 3) stalled.push(this.#stall())
        else this.#kill()
        done++
      }
      await sleep(10)
    }
    await Promise.all(stalled)
  }

  async dismiss(): Promise<void> {
    const leaving = this.#living.splice(0)
    const gone = leaving.map((child) => once(child, 'exit'))
    for (const child of leaving) child.kill('SIGKILL')
    await Promise.all(gone)
  }

  #hire(): void {
    const child = spawn(process.execPath, [CONSUMER, JSON.stringify(this.#task)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    child.on('message', ({ code }: { code: string }) => {
      this.troubles[code] = (this.troubles[code] ?? 0) + 1
    })
    this.#living.push(child)
  }

  #kill(): void {
    const [victim] = this.#living.splice(this.#random.below(this.#living.length), 1)
    victim?.kill('SIGKILL')
    this.kills++
    this.#hire()
  }

  async #stall(): Promise<void> {
    const victim = this.#living[this.#random.below(this.#living.length)]
    victim?.kill('SIGSTOP')
    this.stalls++
    await sleep(LEASE_MS * 1.5)
    victim?.kill('SIGCONT')
  }
}

/** What a run has to show: the promise kept, and both ordinary pollers failing at it. */
export function findings(result: Result): readonly string[] {
  const { skipped, twice, outOfOrder, holes, plainPoller, whileAStrangerWaited: waited } = result
  const found: string[] = []
  if (skipped > 0) found.push(`${skipped} events skipped`)
  if (twice > 0) found.push(`${twice} effects twice`)
  if (outOfOrder > 0) found.push(`${outOfOrder} out of order`)
  if (holes > 0) found.push(`${holes} holes`)
  if (waited.ours === 0) found.push('stood still while a stranger waited')
  if (plainPoller.missed === 0) found.push('the plain poller lost nothing: the run was too tame')
  if (waited.xmin > 0) found.push('the xmin poller did not stand still: the run was too tame')
  return found
}

async function main(): Promise<void> {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9))
  const startedAt = performance.now()
  const runs: object[] = []
  for (const version of [18, 15] as const) {
    const part = (version === 18 ? 1 : 0.1) * Number(process.env.SHARE ?? 1)
    const size = { events: 200_000 * part, writers: 16, kills: Math.round(300 * part) }
    const result = await run({ version, ...size, seed })
    runs.push({ version, ...result, findings: findings(result) })
    process.stdout.write(`${JSON.stringify(runs.at(-1))}\n`)
    if (findings(result).length > 0) process.exitCode = 1
  }
  const without: Record<string, readonly string[]> = {}
  for (const control of ['no inbox', 'effect afterwards'] as const) {
    const result = await run({ version: 18, events: 8_000, writers: 8, kills: 8, seed, control })
    without[control] = findings(result)
    if (result.skipped + result.twice === 0) process.exitCode = 1
  }
  writeRecord('g2-outbox', startedAt, { guarantee: 'G2', seed, runs, controls: without })
  process.exit()
}

if (import.meta.main) await main()
