/** The Journal on PostgreSQL: transitions by the one SQL function, everything else through the tenant's door. */
import { randomUUID } from 'node:crypto'
import type { LifecycleEvent } from '@sensei/core/events'
import type { Phase, State, Transition } from '@sensei/core/lifecycle'
import type {
  Endpoint,
  EntryKind,
  EntryOf,
  Journal,
  JournalEntry,
  ListOptions,
  MigrationRecord,
  NewMigration,
  TransitionStep,
} from '@sensei/core/ports/journal'
import { SenseiError } from '@sensei/core/errors'
import type { TenantDoor, Tx } from '../door/door.ts'
import { readEntries, writeEntries } from './entries.ts'
import { inOurWords } from '../door/errors.ts'
import { lifecycleEvent } from './lifecycle-event.ts'
import { typed } from '../door/typed.ts'

const LIST_MAX = 1_000
const LEAST_ID = '00000000-0000-0000-0000-000000000000'
const GREATEST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

/** The row that a function made or moved, with what its connections say. */
const described = (call: string): string => `
select m.id, m.options, m.status, m.failed_in, m.version, m.created_at, m.updated_at,
  s.engine as source_engine, s.url as source_url, t.engine as target_engine, t.url as target_url
from ${call} m
join connection s on s.org_id = m.org_id and s.id = m.source_id
join connection t on t.org_id = m.org_id and t.id = m.target_id`

const CREATE = described('create_migration($1, $2, $3, $4, $5, $6, $7)')
const TRANSITION = described('transition($1, $2, $3, $4, $5, $6)')

export class PostgresJournal implements Journal {
  readonly #door: TenantDoor
  readonly #orgId: string

  constructor(door: TenantDoor, orgId: string) {
    this.#door = door
    this.#orgId = orgId
  }

  async create(migration: NewMigration): Promise<MigrationRecord> {
    const eventId = randomUUID()
    const { id, source, target, options, actor } = migration
    const payload = { source: source.url, target: target.url }
    return this.#write(async (tx) => {
      const sourceId = await connectionId(tx, this.#orgId, source)
      const targetId = await connectionId(tx, this.#orgId, target)
      const settings = JSON.stringify(options)
      const values = [id, sourceId, targetId, settings, eventId, eventPayload(payload), actor]
      const rows = await tx.query<MigrationRow>(CREATE, values)
      return toRecord(rows[0] as MigrationRow)
    })
  }

  async transition<T extends Transition>(step: TransitionStep<T>): Promise<MigrationRecord> {
    const eventId = randomUUID()
    const { migrationId, event, expectedVersion, payload, actor } = step
    const values = [migrationId, event, expectedVersion, eventId, eventPayload(payload), actor]
    return this.#write(async (tx) => {
      const rows = await tx.query<MigrationRow>(TRANSITION, values)
      return toRecord(rows[0] as MigrationRow)
    })
  }

  async get(migrationId: string): Promise<MigrationRecord> {
    return this.#read((tx) => recordOf(tx, migrationId))
  }

  async list(options: ListOptions = {}): Promise<readonly MigrationRecord[]> {
    const { idPrefix = '' } = options
    return this.#read(async (tx) => {
      const rows = await migrations(tx)
        .where('m.id', '>=', idPrefix + LEAST_ID.slice(idPrefix.length))
        .where('m.id', '<=', idPrefix + GREATEST_ID.slice(idPrefix.length))
        .orderBy('m.created_at', 'desc')
        .orderBy('m.id')
        .limit(Math.min(options.limit ?? 100, LIST_MAX))
        .execute()
      return rows.map(toRecord)
    })
  }

  async record(migrationId: string, entries: readonly JournalEntry[]): Promise<void> {
    await this.#write((tx) => writeEntries(tx, this.#orgId, migrationId, entries))
  }

  async entries<K extends EntryKind>(migrationId: string, kind: K): Promise<readonly EntryOf<K>[]> {
    return this.#read((tx) => readEntries(tx, migrationId, kind))
  }

  async events(migrationId: string): Promise<readonly LifecycleEvent[]> {
    const rows = await this.#read((tx) =>
      typed(tx)
        .selectFrom('migration_event')
        .selectAll()
        .where('migration_id', '=', migrationId)
        .orderBy('version')
        .execute(),
    )
    return rows.map(lifecycleEvent)
  }

  #read<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return inOurWords(() => this.#door.read(this.#orgId, work))
  }

  #write<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return inOurWords(() => this.#door.write(this.#orgId, work))
  }
}

type MigrationRow = Awaited<ReturnType<ReturnType<typeof migrations>['execute']>>[number]

/** A message from elsewhere may hold what jsonb refuses; in an event it is for people, so its picture will do. */
function eventPayload(payload: object): string {
  return JSON.stringify(payload, (_, value: unknown) =>
    typeof value === 'string' ? value.replaceAll('\0', '\u2400').toWellFormed() : value,
  )
}

function migrations(tx: Tx) {
  return typed(tx)
    .selectFrom('migration as m')
    .innerJoin('connection as s', (join) =>
      join.onRef('s.org_id', '=', 'm.org_id').onRef('s.id', '=', 'm.source_id'),
    )
    .innerJoin('connection as t', (join) =>
      join.onRef('t.org_id', '=', 'm.org_id').onRef('t.id', '=', 'm.target_id'),
    )
    .select([
      'm.id',
      'm.options',
      'm.status',
      'm.failed_in',
      'm.version',
      'm.created_at',
      'm.updated_at',
    ])
    .select(['s.engine as source_engine', 's.url as source_url'])
    .select(['t.engine as target_engine', 't.url as target_url'])
}

async function recordOf(tx: Tx, migrationId: string): Promise<MigrationRecord> {
  const row = await migrations(tx).where('m.id', '=', migrationId).executeTakeFirst()
  if (row !== undefined) return toRecord(row)
  throw new SenseiError(
    'MIGRATION_NOT_FOUND',
    `there is no migration ${migrationId}: "sensei migrations list" shows those there are`,
  )
}

function toRecord(row: MigrationRow): MigrationRecord {
  return {
    id: row.id,
    source: { engine: row.source_engine, url: row.source_url },
    target: { engine: row.target_engine, url: row.target_url },
    options: row.options as NewMigration['options'],
    state: row.status as State,
    failedIn: row.failed_in as Phase | null,
    version: row.version,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  }
}

async function connectionId(tx: Tx, orgId: string, endpoint: Endpoint): Promise<string> {
  await typed(tx)
    .insertInto('connection')
    .values({ org_id: orgId, engine: endpoint.engine, url: endpoint.url })
    .onConflict((conflict) =>
      conflict.columns(['org_id', 'engine', 'url']).where('name', 'is', null).doNothing(),
    )
    .execute()
  const { id } = await typed(tx)
    .selectFrom('connection')
    .select('id')
    .where('engine', '=', endpoint.engine)
    .where('url', '=', endpoint.url)
    .where('name', 'is', null)
    .executeTakeFirstOrThrow()
  return id
}
