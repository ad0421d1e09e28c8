/**
 * The writing half of G2: outbox positions appear in order and without holes, so that a reader who asks
 * `position > cursor` misses nothing, and each migration's events stand in its order.
 *
 * Writers make one to four transitions a transaction, over migrations in any order; some roll back, some reset the
 * tenant before the commit, some commit slowly. A reader follows all partitions meanwhile.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { freshDatabase, type PostgresVersion, server } from '@sensei/contracts/servers'
import { type Client, connect } from '@sensei/postgres/door/connection'
import { provision } from '@sensei/postgres/setup/provision'
import { randomFrom } from './g1/random.ts'
import { Writer } from './g2/writer.ts'
import { writeRecord } from './record.ts'

export interface Options {
  readonly version: PostgresVersion
  readonly events: number
  readonly writers: number
  readonly seed: number
  /** A negative control: what to break in this run's own database. */
  readonly sabotage?: string
}

export interface Result {
  readonly events: number
  readonly read: number
  readonly rolledBack: number
  readonly holes: number
  readonly outOfOrder: number
  readonly seconds: number
}

const PARTITIONS = 12

export async function run(options: Options): Promise<Result> {
  const address = await server(options.version)
  const fresh = await freshDatabase(address)
  const { host, port, user, password } = address
  const admin = { host, port, user, password, database: fresh.name }
  const login = { user: `g2_${fresh.name}`, password: 'proof' }
  const { control, orgId } = await provision(admin, login)
  const client = await connect(admin)
  try {
    const random = randomFrom(options.seed)
    const writers = await Promise.all(
      Array.from({ length: options.writers }, () =>
        Writer.open(control, orgId, randomFrom(random.below(2 ** 32))),
      ),
    )
    if (options.sabotage !== undefined) await client.query(options.sabotage)
    const started = performance.now()
    const reader = await Reader.from(client)
    const reading = reader.follow()
    const share = options.events / options.writers
    const written = await Promise.allSettled(writers.map((writer) => writer.write(share)))
    reader.lastLook()
    await reading
    for (const outcome of written) if (outcome.status === 'rejected') throw outcome.reason
    return {
      events: writers.reduce((sum, writer) => sum + writer.events, 0),
      rolledBack: writers.reduce((sum, writer) => sum + writer.rolledBack, 0),
      ...reader.tally,
      seconds: Math.round((performance.now() - started) / 1000),
    }
  } finally {
    await client.end()
    await fresh.drop()
    const last = await connect({ ...admin, database: 'postgres' })
    await last.query(`drop role ${login.user}`)
    await last.end()
  }
}

class Reader {
  #holes = 0
  #read = 0
  #outOfOrder = 0
  #ending = false
  readonly #client: Client
  readonly #cursors = Array.from({ length: PARTITIONS }, () => 0)
  readonly #versions = new Map<string, number>()

  private constructor(client: Client) {
    this.#client = client
  }

  /** What was written before the run is read first and not counted: nobody may write meanwhile. */
  static async from(client: Client): Promise<Reader> {
    const reader = new Reader(client)
    await reader.#look()
    reader.#read = 0
    return reader
  }

  get tally() {
    return { read: this.#read, holes: this.#holes, outOfOrder: this.#outOfOrder }
  }

  lastLook(): void {
    this.#ending = true
  }

  async follow(): Promise<void> {
    for (;;) {
      const last = this.#ending
      if ((await this.#look()) > 0) continue
      if (last) return
      await sleep(5)
    }
  }

  async #look(): Promise<number> {
    const { rows } = await this.#client.query<Row>(
      `select o.partition, o.position, e.migration_id, e.version
       from outbox o join migration_event e on e.org_id = o.org_id and e.id = o.event_id
       where o.position > ($1::bigint[])[o.partition + 1] order by o.partition, o.position`,
      [this.#cursors],
    )
    for (const { partition, position, migration_id: id, version } of rows) {
      if (Number(position) !== (this.#cursors[partition] ?? 0) + 1) this.#holes++
      this.#cursors[partition] = Number(position)
      if (version !== (this.#versions.get(id) ?? 0) + 1) this.#outOfOrder++
      this.#versions.set(id, version)
    }
    this.#read += rows.length
    return rows.length
  }
}

interface Row {
  readonly partition: number
  readonly position: string
  readonly migration_id: string
  readonly version: number
}

/** Positions from a sequence at insert, as an ordinary outbox has them: the reader must notice. */
export const PLAIN_SEQUENCE = `
  create sequence plain start 500000;
  grant usage on sequence plain to sensei_log_writer;
  create function number_plainly() returns trigger
    language plpgsql security definer set search_path = public, pg_temp as $$ begin
      insert into outbox (org_id, partition, position, event_id)
      values (new.org_id, new.partition, nextval('plain'), new.id);
      return null;
    end $$;
  alter function number_plainly() owner to sensei_log_writer;
  drop trigger number_events on migration_event;
  create trigger number_plainly after insert on migration_event for each row execute function number_plainly()`

/** Without its own rights the trigger fails, and with it every commit. */
export const NOT_DEFINER = 'alter function number_events() security invoker'

async function main(): Promise<void> {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9))
  const startedAt = performance.now()
  const runs: object[] = []
  for (const version of [18, 15] as const) {
    const result = await run({ version, events: 200_000, writers: 16, seed })
    runs.push({ version, ...result })
    const lost = result.events - result.read
    if (result.holes + result.outOfOrder + lost !== 0) process.exitCode = 1
  }
  const control = await run({
    version: 18,
    events: 4_000,
    writers: 8,
    seed,
    sabotage: PLAIN_SEQUENCE,
  })
  writeRecord('g2-positions', startedAt, {
    guarantee: 'G2',
    seed,
    runs,
    with_a_plain_sequence: control,
  })
  if (control.holes === 0) process.exitCode = 1
  process.exit()
}

if (import.meta.main) await main()
