/**
 * G1: no committed transition without exactly one durable event and one audit row, and none of those without the
 * transition. Also the writing half of G2: outbox positions without holes, in each migration's order.
 *
 * 16 client processes make random legal and illegal transitions; clients and PostgreSQL are killed with SIGKILL while
 * they do. Then an oracle in SQL compares what stands there with itself and with what the clients were promised.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { type OwnServer, type PostgresVersion, startPostgres } from '@sensei/contracts/servers'
import { type ConnectionSettings, connect } from '@sensei/postgres/door/connection'
import { type ControlDatabase, provision } from '@sensei/postgres/setup/provision'
import { judge, type Promised } from './g1/oracle.ts'
import { type Random, randomFrom } from './g1/random.ts'
import { writeRecord } from './record.ts'

export interface Options {
  readonly version: PostgresVersion
  readonly transitions: number
  readonly clientKills: number
  readonly serverKills: number
  readonly seed: number
  readonly clients?: number
  /** A negative control: what to break in this run's own database, before the clients begin. */
  readonly sabotage?: string
}

export interface Result {
  readonly server: string
  readonly transitions: number
  readonly clientKills: number
  readonly serverKills: number
  readonly seconds: number
  readonly findings: readonly string[]
}

const CLIENT = join(import.meta.dirname, 'g1/client.ts')

export async function run(options: Options): Promise<Result> {
  const server = await startPostgres({ version: options.version })
  try {
    const admin = await newControlDatabase(server)
    const login = { user: 'proof_app', password: 'proof' }
    const plane = await provision(admin, login)
    if (options.sabotage !== undefined) await sabotage(admin, options.sabotage)
    const started = performance.now()
    const crowd = new Crowd(plane, await newTenants(admin), randomFrom(options.seed))
    const done = await crowd.work(options, server)
    const client = await connect(admin)
    const version = await client.query('show server_version')
    const findings = await judge(client, crowd.promises)
    await client.end()
    const seconds = Math.round((performance.now() - started) / 1000)
    return { server: version.rows[0]?.server_version, ...done, seconds, findings }
  } finally {
    await server.remove()
  }
}

async function newControlDatabase(server: OwnServer): Promise<ConnectionSettings> {
  const { host, port, user, password } = server
  const settings = { host, port, user, password, database: 'postgres' }
  const client = await connect(settings)
  await client.query('create database control template template0')
  await client.end()
  return { ...settings, database: 'control' }
}

async function newTenants(admin: ConnectionSettings): Promise<readonly string[]> {
  const client = await connect(admin)
  const { rows } = await client.query<{ id: string }>(
    "insert into organization (slug, name) select 'tenant-' || n, 'T' from generate_series(1, 4) n returning id",
  )
  await client.end()
  return rows.map((row) => row.id)
}

async function sabotage(admin: ConnectionSettings, sql: string): Promise<void> {
  const client = await connect(admin)
  await client.query(sql)
  await client.end()
}

/** The clients, replaced as they are killed, and everything that any of them was ever promised. */
class Crowd {
  readonly promises: Promised[] = []
  readonly #living: ChildProcess[] = []
  readonly #plane: ControlDatabase
  readonly #tenants: readonly string[]
  readonly #random: Random
  #ending = false

  constructor(plane: ControlDatabase, tenants: readonly string[], random: Random) {
    this.#plane = plane
    this.#tenants = tenants
    this.#random = random
  }

  async work(options: Options, server: OwnServer) {
    const { transitions } = options
    for (let client = 0; client < (options.clients ?? 16); client++) this.#hire()
    let clientKills = 0
    let serverKills = 0
    while (this.promises.length < transitions) {
      const share = this.promises.length / transitions
      if (
        clientKills < options.clientKills &&
        share * (options.clientKills + 1) >= clientKills + 1
      ) {
        this.#killOne()
        clientKills++
      }
      if (
        serverKills < options.serverKills &&
        share * (options.serverKills + 1) >= serverKills + 1
      ) {
        await server.kill9()
        await server.start()
        serverKills++
      }
      await sleep(5)
    }
    await this.#dismiss()
    return { transitions: this.promises.length, clientKills, serverKills }
  }

  #hire(): void {
    const { control } = this.#plane
    const orgId = this.#tenants[this.#random.below(this.#tenants.length)]
    const seed = this.#random.below(4_294_967_296)
    const child = spawn(process.execPath, [CLIENT, JSON.stringify({ control, orgId, seed })], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#living.push(child)
    const lines = createInterface({ input: child.stdout as NonNullable<typeof child.stdout> })
    lines.on('line', (line) => {
      const [migrationId = '', version, event = ''] = line.split(' ')
      // A line cut by SIGKILL promises nothing.
      if (event !== '') this.promises.push({ migrationId, version: Number(version), event })
    })
    child.once('exit', (code) => {
      this.#living.splice(this.#living.indexOf(child), 1)
      if (this.#ending) return
      if (code !== null) process.stderr.write(`a client ended by itself with ${code}\n`)
      this.#hire()
    })
  }

  #killOne(): void {
    this.#living[this.#random.below(this.#living.length)]?.kill('SIGKILL')
  }

  async #dismiss(): Promise<void> {
    this.#ending = true
    const leaving = [...this.#living]
    const gone = leaving.map((child) => once(child, 'close'))
    for (const child of leaving) child.kill('SIGKILL')
    await Promise.all(gone)
  }
}

/** Each removes one mechanism in the run's own database; the oracle must then object. */
export const CONTROLS: readonly { readonly name: string; readonly sabotage: string }[] = [
  {
    name: 'the event row',
    sabotage: `create or replace function log_transition(
      moved migration, event_id uuid, event text, payload jsonb, actor text) returns void
      language plpgsql set search_path = public, pg_temp as 'begin end'`,
  },
  {
    name: 'the audit row',
    sabotage: `create or replace function log_transition(
      moved migration, event_id uuid, event text, payload jsonb, actor text) returns void
      language plpgsql set search_path = public, pg_temp as $body$ begin
        insert into migration_event (org_id, id, migration_id, version, type, status, failed_in, payload, actor, partition)
        values (moved.org_id, event_id, moved.id, moved.version, 'migration.' || event, moved.status, moved.failed_in,
          payload, actor, moved.partition);
      end $body$`,
  },
  { name: 'the numbering of events', sabotage: 'drop trigger number_events on migration_event' },
  { name: 'the numbering of audit rows', sabotage: 'drop trigger number_audit on audit_log' },
  {
    name: 'the refusals of the lifecycle',
    sabotage: `update lifecycle_transition set next = 'running' where next is null`,
  },
]

async function main(): Promise<void> {
  // A test server does not keep its process awake, and while one is stopped nothing else might.
  const awake = setInterval(() => undefined, 60_000)
  try {
    await prove()
  } finally {
    clearInterval(awake)
  }
}

async function prove(): Promise<void> {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9))
  const startedAt = performance.now()
  const runs: Result[] = []
  const objections: Record<string, string> = {}
  for (const version of [18, 15] as const) {
    const share = (version === 18 ? 1 : 0.1) * Number(process.env.SHARE ?? 1)
    const result = await run({
      version,
      transitions: 100_000 * share,
      clientKills: Math.round(200 * share),
      serverKills: Math.round(50 * share),
      seed,
    })
    process.stdout.write(`${JSON.stringify(result)}\n`)
    runs.push(result)
    if (result.findings.length > 0) process.exitCode = 1
  }
  for (const { name, sabotage } of CONTROLS) {
    const broken = {
      version: 18,
      transitions: 300,
      clientKills: 1,
      serverKills: 0,
      seed,
      sabotage,
    } as const
    const { findings } = await run(broken)
    objections[name] = findings[0] ?? 'none'
    if (findings.length === 0) process.exitCode = 1
  }
  writeRecord('g1', startedAt, { guarantee: 'G1', seed, runs, objections_without: objections })
}

if (import.meta.main) await main()
