/**
 * Applies the SQL files of ./migrations, each in one transaction, forward only, and records them where Prisma's tools
 * look (`_prisma_migrations`). A file that was applied is never edited: its checksum is compared each time.
 */
import { createHash, randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SenseiError } from '@sensei/core/errors'
import type { Client } from 'pg'

const DIRECTORY = join(import.meta.dirname, 'migrations')

/** Prisma's own number, so that its tools and this runner never migrate at the same time. */
const ADVISORY_LOCK = 72_707_369

const LOCK_TIMEOUT = '60s'

const HISTORY = `create table if not exists _prisma_migrations (
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

/** Returns the names of the migrations that it applied. `client` is the database's administrator. */
export async function migrate(
  client: Client,
  files?: readonly MigrationFile[],
): Promise<readonly string[]> {
  const wanted = files ?? (await readMigrations())
  await client.query(`set lock_timeout = '${LOCK_TIMEOUT}'`)
  await client.query('select pg_advisory_lock($1)', [ADVISORY_LOCK])
  try {
    await client.query(HISTORY)
    const due = await pending(client, wanted)
    for (const file of due) await apply(client, file)
    return due.map((file) => file.name)
  } finally {
    await client.query('select pg_advisory_unlock($1)', [ADVISORY_LOCK])
    await client.query('reset lock_timeout')
  }
}

async function pending(
  client: Client,
  wanted: readonly MigrationFile[],
): Promise<readonly MigrationFile[]> {
  const { rows } = await client.query<{ migration_name: string; checksum: string }>(
    `select migration_name, checksum from _prisma_migrations
     where finished_at is not null and rolled_back_at is null order by migration_name`,
  )
  for (const [index, row] of rows.entries()) {
    const file = wanted[index]
    if (file?.name !== row.migration_name) {
      throw new SenseiError(
        'CONTROL_VERSION',
        `the control database holds migration ${row.migration_name}, which this Sensei does not know: ` +
          'it was made by another version; use that version or a new data directory',
      )
    }
    if (file.checksum !== row.checksum) {
      throw new SenseiError(
        'CONTROL_VERSION',
        `migration ${file.name} was edited after it was applied: put the file back and write a new migration`,
      )
    }
  }
  return wanted.slice(rows.length)
}

async function apply(client: Client, file: MigrationFile): Promise<void> {
  await client.query('begin')
  try {
    await client.query(file.sql)
    await client.query('reset role')
    await client.query(
      `insert into _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count)
       values ($1, $2, $3, clock_timestamp(), 1)`,
      [randomUUID(), file.checksum, file.name],
    )
    await client.query('commit')
  } catch (error) {
    await client.query('rollback')
    throw new SenseiError(
      'CONTROL_VERSION',
      `migration ${file.name} of the control database failed`,
      {
        cause: error,
      },
    )
  }
}
