/**
 * Applies the SQL files of ./migrations, each in one transaction, forward only, and records them where Prisma's tools
 * look (`_prisma_migrations`). A file that was applied is never edited: its checksum is compared each time.
 *
 * The platform may be running meanwhile. A migration therefore waits for a lock only briefly, because whoever comes
 * after it in the lock's queue waits with it, and tries again a few times; then it says who is in the way.
 */
import { createHash, randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SenseiError } from '@sensei/core/errors'
import { type Client, type ConnectionSettings, connect } from '../door/connection.ts'

const DIRECTORY = join(import.meta.dirname, '../migrations')

/** Prisma's own number, so that its tools and this runner never migrate at the same time. */
const ADVISORY_LOCK = 72_707_369

/** How long another start may take to migrate before this one gives up. */
const OTHERS_MS_MAX = 120_000

const HISTORY = `create table _prisma_migrations (
  id varchar(36) primary key not null,
  checksum varchar(64) not null,
  finished_at timestamptz,
  migration_name varchar(255) not null,
  logs text,
  rolled_back_at timestamptz,
  started_at timestamptz not null default now(),
  applied_steps_count integer not null default 0
)`

export interface MigrationFile {
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

export interface MigrateOptions {
  readonly files?: readonly MigrationFile[]
  /** Where a second connection looks who is in the way. */
  readonly settings?: ConnectionSettings
  readonly lockTimeoutMs?: number
  readonly triesMax?: number
}

/** What a control database has of the migrations that this Sensei knows. */
export interface History {
  readonly due: readonly MigrationFile[]
  readonly edited: readonly string[]
  readonly unknown: readonly string[]
}

export async function readMigrations(directory = DIRECTORY): Promise<readonly MigrationFile[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.sql')).sort()
  return Promise.all(
    names.map(async (name) => {
      const bytes = await readFile(join(directory, name))
      const checksum = createHash('sha256').update(bytes).digest('hex')
      return { name: name.slice(0, -'.sql'.length), sql: bytes.toString('utf8'), checksum }
    }),
  )
}

/** Returns the names of the migrations that it applied. `client` may own what they make (roles.ts). */
export async function migrate(
  client: Client,
  options: MigrateOptions = {},
): Promise<readonly string[]> {
  const files = options.files ?? (await readMigrations())
  await takeTurn(client)
  try {
    const history = await readHistory(client, files)
    refuseStrange(history)
    for (const file of history.due) await applyPatiently(client, file, options)
    return history.due.map((file) => file.name)
  } finally {
    await client.query('select pg_advisory_unlock($1)', [ADVISORY_LOCK])
  }
}

export async function readHistory(
  client: Client,
  files: readonly MigrationFile[],
): Promise<History> {
  const known = await client.query("select to_regclass('_prisma_migrations') is not null as there")
  if (!known.rows[0]?.there) return { due: files, edited: [], unknown: [] }
  const { rows } = await client.query<{ migration_name: string; checksum: string }>(
    `select migration_name, checksum from _prisma_migrations
     where finished_at is not null and rolled_back_at is null order by migration_name`,
  )
  const applied = new Map(rows.map((row) => [row.migration_name, row.checksum]))
  const names = new Set(files.map((file) => file.name))
  return {
    due: files.filter((file) => !applied.has(file.name)),
    edited: files
      .filter((file) => (applied.get(file.name) ?? file.checksum) !== file.checksum)
      .map((file) => file.name),
    unknown: [...applied.keys()].filter((name) => !names.has(name)),
  }
}

function refuseStrange({ edited, unknown }: History): void {
  if (unknown.length > 0) {
    throw new SenseiError(
      'CONTROL_VERSION',
      `the control database holds ${unknown.join(', ')}, which this Sensei does not know: it was made by a newer one. ` +
        'Update Sensei here, or use another control database (another DATABASE_URL or SENSEI_DATA_DIR)',
    )
  }
  if (edited.length > 0) {
    throw new SenseiError(
      'CONTROL_VERSION',
      `${edited.join(', ')} was edited after it was applied: put the file back and write a new migration`,
    )
  }
}

/** One process migrates at a time; the others find the work done. */
async function takeTurn(client: Client): Promise<void> {
  const deadline = performance.now() + OTHERS_MS_MAX
  for (;;) {
    const { rows } = await client.query<{ mine: boolean }>(
      'select pg_try_advisory_lock($1) as mine',
      [ADVISORY_LOCK],
    )
    if (rows[0]?.mine) return
    if (performance.now() > deadline) {
      throw new SenseiError(
        'CONTROL_BUSY',
        'another process has been migrating the control database for two minutes: look at pg_stat_activity there, then start again',
      )
    }
    await sleep(50)
  }
}

async function applyPatiently(
  client: Client,
  file: MigrationFile,
  { settings, lockTimeoutMs = 3_000, triesMax = 6 }: MigrateOptions,
): Promise<void> {
  let watch: Watch | null = null
  try {
    for (let tries = 1; ; tries++) {
      try {
        return await apply(client, file, lockTimeoutMs)
      } catch (error) {
        if (stateOf(error) !== '55P03') throw failed(file, error)
        const inTheWay = watch?.seen ?? null
        if (tries >= triesMax) throw blocked(file, inTheWay, error)
        // Only from now on: a migration that is not blocked needs no second connection.
        if (settings !== undefined) watch ??= await Watch.open(settings, client)
        await sleep(100 * 2 ** tries)
      }
    }
  } finally {
    await watch?.close()
  }
}

async function apply(client: Client, file: MigrationFile, lockTimeoutMs: number): Promise<void> {
  await client.query('begin')
  try {
    await client.query("select set_config('lock_timeout', $1, true)", [`${lockTimeoutMs}ms`])
    const { rows } = await client.query("select to_regclass('_prisma_migrations') is null as first")
    if (rows[0]?.first) await client.query(HISTORY)
    await client.query(file.sql)
    await client.query('reset role')
    await client.query(
      `insert into _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count)
       values ($1, $2, $3, clock_timestamp(), 1)`,
      [randomUUID(), file.checksum, file.name],
    )
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  }
}

/** Looks, on a connection of its own, who holds what the migration waits for. */
class Watch {
  #seen: string | null = null
  #over = false
  readonly #looking: Promise<void>

  private constructor(client: Client, pid: number) {
    this.#looking = this.#look(client, pid)
  }

  static async open(settings: ConnectionSettings, migrating: Client): Promise<Watch> {
    const { rows } = await migrating.query<{ pid: number }>('select pg_backend_pid() as pid')
    return new Watch(await connect(settings, 'sensei-migrate-watch'), rows[0]?.pid ?? 0)
  }

  get seen(): string | null {
    return this.#seen
  }

  async close(): Promise<void> {
    this.#over = true
    await this.#looking
  }

  async #look(client: Client, pid: number): Promise<void> {
    while (!this.#over) {
      const found = await client.query<{ who: string }>(IN_THE_WAY, [pid]).catch(() => null)
      if (found !== null && found.rows.length > 0)
        this.#seen = found.rows.map(({ who }) => who).join('; ')
      await sleep(50)
    }
    await client.end().catch(() => undefined)
  }
}

const IN_THE_WAY = `
select format('pid %s (role %s, application %s, %s, its transaction runs for %s s)', pid, usename,
  coalesce(nullif(application_name, ''), 'unnamed'), coalesce(state, backend_type),
  coalesce(round(extract(epoch from clock_timestamp() - xact_start))::text, '0')) as who
from pg_stat_activity where pid = any (pg_blocking_pids($1)) order by pid`

function blocked(file: MigrationFile, inTheWay: string | null, cause: unknown): SenseiError {
  return new SenseiError(
    'CONTROL_BUSY',
    `migration ${file.name} of the control database did not get a lock, which ${inTheWay ?? 'another transaction'} holds: ` +
      'let it end, or end it with SELECT pg_terminate_backend(PID), then start again. Nothing was changed',
    { cause },
  )
}

function failed(file: MigrationFile, cause: unknown): SenseiError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new SenseiError(
    'CONTROL_VERSION',
    `migration ${file.name} of the control database failed: ${reason}`,
    { cause },
  )
}

function stateOf(error: unknown): unknown {
  return (error as { code?: unknown }).code
}
