/**
 * The store half of G14: a retried create makes one migration.
 *
 * Server processes are asked for migrations and killed with SIGKILL at the COMMIT: before PostgreSQL has it, or after it
 * and before anybody heard of it. Whoever asked asks the next process again, with the same key. In the end an oracle in
 * SQL finds for each key one migration, one event, one audit row, and the answer that names it.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import path from 'node:path'
import { type Proxy, startProxy, type Verdict } from '@sensei/contracts/proxy'
import { freshDatabase, type PostgresVersion, server } from '@sensei/contracts/servers'
import { SenseiError } from '@sensei/core/errors'
import { type Client, connect } from '@sensei/postgres/door/connection'
import { type ControlDatabase, provision } from '@sensei/postgres/setup/provision'
import { type Random, randomFrom } from './g1/random.ts'
import type { Answered, Asked } from './g14/client.ts'
import { writeRecord } from './record.ts'

export interface Options {
  readonly version: PostgresVersion
  readonly kills: number
  readonly seed: number
  readonly lanes?: number
  /** The negative control: the effect commits by itself, its answer afterwards. */
  readonly apart?: boolean
}

export interface Result {
  readonly kills: number
  readonly killedBeforeCommit: number
  readonly killedAfterCommit: number
  /** Answers that the second process had from the first one's transaction. */
  readonly replayed: number
  /** The same key with another body, each refused. */
  readonly refused: number
  readonly findings: readonly string[]
}

const CLIENT = path.join(import.meta.dirname, 'g14/client.ts')

export async function run(options: Options): Promise<Result> {
  const address = await server(options.version)
  const fresh = await freshDatabase(address)
  const { host, port, user, password } = address
  const admin = { host, port, user, password, database: fresh.name }
  const login = { user: `g14_${fresh.name}`, password: 'proof' }
  const plane = await provision(admin, login)
  const client = await connect(admin)
  try {
    const random = randomFrom(options.seed)
    const lanes = Array.from(
      { length: options.lanes ?? 2 },
      () => new Lane(plane, randomFrom(random.below(2 ** 32)), options.apart ?? false),
    )
    const share = Math.ceil(options.kills / lanes.length)
    await Promise.all(lanes.map((lane) => lane.work(share)))
    const sum = (of: (lane: Lane) => number): number =>
      lanes.reduce((all, lane) => all + of(lane), 0)
    const answers = new Map(lanes.flatMap((lane) => [...lane.answers]))
    return {
      kills: sum((lane) => lane.before + lane.after),
      killedBeforeCommit: sum((lane) => lane.before),
      killedAfterCommit: sum((lane) => lane.after),
      replayed: sum((lane) => lane.replayed),
      refused: sum((lane) => lane.refused),
      findings: [...lanes.flatMap((lane) => lane.findings), ...(await judge(client, answers))],
    }
  } finally {
    await client.end()
    await fresh.drop()
    const last = await connect({ ...admin, database: 'postgres' })
    await last.query(`drop role ${login.user}`)
    await last.end()
  }
}

/** One client that asks, and the servers that die on it, one after the other. */
class Lane {
  readonly answers = new Map<string, string>()
  readonly findings: string[] = []
  before = 0
  after = 0
  replayed = 0
  refused = 0
  readonly #plane: ControlDatabase
  readonly #random: Random
  readonly #apart: boolean

  constructor(plane: ControlDatabase, random: Random, apart: boolean) {
    this.#plane = plane
    this.#random = random
    this.#apart = apart
  }

  async work(kills: number): Promise<void> {
    let pending: { key: string; committed: boolean } | null = null
    for (let kill = 0; kill <= kills; kill++) {
      const station = await Station.open(this.#plane, this.#apart)
      if (pending !== null) await this.#again(station, pending)
      if (kill < kills) {
        const committed = this.#random.chance(0.7)
        const key = randomUUID()
        await station.dieOn({ key, body: 'first' }, committed ? 'forward and cut' : 'cut')
        if (committed) this.after++
        else this.before++
        pending = { key, committed }
      }
      await station.close()
    }
  }

  async #again(
    station: Station,
    { key, committed }: { key: string; committed: boolean },
  ): Promise<void> {
    const answer = await station.ask({ key, body: 'first' })
    if (answer.id === undefined) this.findings.push(`${key} was answered with ${answer.code}`)
    else this.answers.set(key, answer.id)
    if (answer.replayed === true) this.replayed++
    if (answer.replayed === true && !committed) this.findings.push(`${key} was never committed`)
    if (!this.#random.chance(0.2)) return
    const other = await station.ask({ key, body: 'other' })
    if (other.code === 'IDEMPOTENCY_KEY_REUSED') this.refused++
    else this.findings.push(`${key} with another body was answered with ${JSON.stringify(other)}`)
  }
}

/** A server process behind a proxy that sees its COMMITs. */
class Station {
  readonly #proxy: Proxy
  readonly #child: ChildProcess
  #onCommit: () => Verdict

  private constructor(proxy: Proxy, child: ChildProcess, onCommit: () => Verdict) {
    this.#proxy = proxy
    this.#child = child
    this.#onCommit = onCommit
  }

  static async open({ control, orgId }: ControlDatabase, apart: boolean): Promise<Station> {
    const judged: { station?: Station } = {}
    const proxy = await startProxy(control, ({ sql }) =>
      sql === 'commit' ? (judged.station?.commit() ?? 'forward') : 'forward',
    )
    const settings = { ...control, host: proxy.host, port: proxy.port }
    const child = fork(CLIENT, [JSON.stringify({ control: settings, orgId, apart })])
    const station = new Station(proxy, child, () => 'forward')
    judged.station = station
    return station
  }

  commit(): Verdict {
    return this.#onCommit()
  }

  async ask(asked: Asked): Promise<Answered> {
    const answered = once(this.#child, 'message')
    this.#child.send(asked)
    const died = once(this.#child, 'exit').then(() => {
      throw new SenseiError('WORKER_DIED', 'a server died of itself')
    })
    return ((await Promise.race([answered, died])) as [Answered])[0]
  }

  async dieOn(asked: Asked, verdict: Verdict): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#onCommit = () => {
      this.#onCommit = () => verdict
      this.#child.kill('SIGKILL')
      return verdict
    }
    this.#child.send(asked)
    await exited
  }

  async close(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#proxy.close()
  }
}

async function judge(client: Client, answers: ReadonlyMap<string, string>): Promise<string[]> {
  // A transaction whose client was killed may still be ending.
  await client.query(
    `do $$ begin
      while exists (select from pg_stat_activity where datname = current_database() and state <> 'idle'
        and pid <> pg_backend_pid()) loop perform pg_sleep(0.05), pg_stat_clear_snapshot(); end loop; end $$`,
  )
  const { rows } = await client.query<{
    key: string
    ids: string[]
    events: number
    audits: number
  }>(
    `select m.options ->> 'key' as key, array_agg(distinct m.id) as ids, count(distinct e.id)::int as events,
       count(distinct a.id)::int as audits
     from migration m left join migration_event e on e.org_id = m.org_id and e.migration_id = m.id
       left join audit_log a on a.org_id = m.org_id and a.migration_id = m.id group by 1`,
  )
  const found = new Map(rows.map((row) => [row.key, row]))
  const findings = rows
    .filter(({ key }) => !answers.has(key))
    .map(({ key }) => `${key} was never answered`)
  for (const [key, id] of answers) {
    const { ids, events, audits } = found.get(key) ?? { ids: [], events: 0, audits: 0 }
    if (ids.length === 1 && ids[0] === id && events === 1 && audits === 1) continue
    findings.push(
      `${key}: answer ${id}, migrations ${ids.join(' ')}, ${events} events, ${audits} audit rows`,
    )
  }
  return findings
}

async function main(): Promise<void> {
  // A test server does not keep its process awake.
  const awake = setInterval(() => undefined, 60_000)
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9))
  const startedAt = performance.now()
  const runs: object[] = []
  for (const version of [18, 15] as const) {
    const result = await run({ version, kills: version === 18 ? 1_000 : 100, seed, lanes: 4 })
    runs.push({ version, ...result })
    if (result.findings.length > 0) process.exitCode = 1
  }
  const control = await run({ version: 18, kills: 10, seed, apart: true })
  writeRecord('g14-idempotency', startedAt, {
    guarantee: 'G14',
    seed,
    runs,
    with_the_answer_in_another_transaction: control.findings[0] ?? 'none',
  })
  if (control.findings.length === 0) process.exitCode = 1
  clearInterval(awake)
  process.exit()
}

if (import.meta.main) await main()
