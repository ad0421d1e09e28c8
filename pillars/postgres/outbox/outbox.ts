/**
 * Reads the outbox in the order of its positions. `position > cursor` is enough, because positions appear in order and
 * without holes (0003); one that is missing is therefore an alarm and never a reason to go on. Not the snapshot's xmin:
 * one long transaction anywhere in the cluster would hold every reader back.
 *
 * For logins that may see events of all tenants (sensei_consumer, sensei_relay), never for the application's.
 */
import { SenseiError } from '@sensei/core/errors'
import { type LoggedEvent, PARTITIONS } from '@sensei/core/ports/event-log'
import { type Cursor, generationAt, historyFrom, movedTo } from './group-cursor.ts'
import { lifecycleEvent, type LifecycleRow } from '../record/lifecycle-event.ts'
import type { Statements } from '../door/statements.ts'

export interface Page {
  readonly events: readonly LoggedEvent[]
  /** Where the cursor stands once they are handled. */
  readonly next: Cursor
  /** There may be more at once. */
  readonly more: boolean
  readonly trouble?: SenseiError
}

/** As lifecycleEvent() takes them. */
export const EVENT = `e.org_id, e.id, e.migration_id, e.version, e.type, e.status, e.failed_in, e.payload, e.actor,
  e.occurred_at`

const READ = `
select o.position, ${EVENT}
from outbox o join migration_event e on e.org_id = o.org_id and e.id = o.event_id
where o.partition = $1 and o.position > $2
order by o.position limit $3`

const READ_ONE_MIGRATION = `
select o.position, ${EVENT}
from migration_event e join outbox o on o.org_id = e.org_id and o.event_id = e.id
where e.partition = $1 and o.position > $2 and o.position <= $4 and e.migration_id = $5
order by o.position limit $3`

/** What has no place in the outbox any more. The pair (migration, version) is the place where the next page begins. */
const READ_HISTORY = `
select null as position, ${EVENT}
from migration m join migration_event e on e.org_id = m.org_id and e.migration_id = m.id
where m.partition = $1 and m.id >= $2 and (m.id > $2 or e.version > $3)
  and ($5::timestamptz is null or e.occurred_at >= $5) and ($6::uuid is null or m.id = $6)
  and not exists (select from outbox o where o.org_id = e.org_id and o.event_id = e.id)
order by m.id, e.version limit $4`

export const DROPPED_TO = `
select coalesce(max((number + 1) * outbox_range_size()), 0) as dropped_to
from outbox_range where dropped_at is not null`

export class OutboxReader {
  readonly #statements: Pick<Statements, 'query'>

  constructor(statements: Pick<Statements, 'query'>) {
    this.#statements = statements
  }

  /** The last position of every partition. Whatever is read later than this holds all of them. */
  async heads(): Promise<readonly number[]> {
    const rows = await this.#statements.query<{ partition: number; last_position: string }>(
      'select partition, last_position from outbox_partition',
    )
    const heads = Array.from({ length: PARTITIONS }, () => 0)
    for (const row of rows) heads[row.partition] = Number(row.last_position)
    return heads
  }

  /** The next events of a group in one partition. `head` was asked for before. */
  async page(cursor: Cursor, head: number, limit: number): Promise<Page> {
    if (cursor.history !== null) return this.#history(cursor, cursor.history, limit)
    if (cursor.replayOnly !== null && cursor.position < cursor.replayUntil) {
      return this.#oneMigration(cursor, cursor.replayOnly, limit)
    }
    const rows = await this.#statements.query<EventRow>(READ, [
      cursor.partition,
      cursor.position,
      limit,
    ])
    const whole = unbroken(rows, cursor.position)
    const last = cursor.position + whole
    const next = movedTo(cursor, last)
    const events = rows.slice(0, whole).map((row) => logged(row, cursor))
    if (whole === rows.length && (whole === limit || last >= head)) {
      return { events, next, more: whole === limit }
    }
    const droppedTo = await this.#droppedTo()
    if (last < droppedTo) return shortened(cursor, droppedTo)
    const found = whole < rows.length ? Number(rows[whole]?.position) : null
    return { events, next, more: false, trouble: hole(cursor.partition, last + 1, found) }
  }

  async #oneMigration(cursor: Cursor, migrationId: string, limit: number): Promise<Page> {
    const droppedTo = await this.#droppedTo()
    if (cursor.position < droppedTo) return shortened(cursor, droppedTo)
    const { partition, position, replayUntil } = cursor
    const values = [partition, position, limit, replayUntil, migrationId]
    const rows = await this.#statements.query<EventRow>(READ_ONE_MIGRATION, values)
    const full = rows.length === limit
    const next = movedTo(cursor, full ? Number(rows.at(-1)?.position) : replayUntil)
    return { events: rows.map((row) => logged(row, cursor)), next, more: true }
  }

  async #history(
    cursor: Cursor,
    history: NonNullable<Cursor['history']>,
    limit: number,
  ): Promise<Page> {
    const { upTo, since, migrationId, version } = history
    const values = [cursor.partition, migrationId, version, limit, since, cursor.replayOnly]
    const rows = await this.#statements.query<EventRow>(READ_HISTORY, values)
    const last = rows.at(-1)
    const next =
      last === undefined || rows.length < limit
        ? movedTo(cursor, Math.max(upTo, cursor.position))
        : {
            ...cursor,
            history: { ...history, migrationId: last.migration_id, version: last.version },
          }
    return { events: rows.map((row) => logged(row, cursor)), next, more: true }
  }

  async #droppedTo(): Promise<number> {
    const rows = await this.#statements.query<{ dropped_to: string }>(DROPPED_TO)
    return Number(rows[0]?.dropped_to ?? 0)
  }
}

export interface EventRow extends LifecycleRow {
  readonly position: string | null
  readonly org_id: string
}

/** How many of the rows follow on `position` without a hole. */
function unbroken(rows: readonly EventRow[], position: number): number {
  let count = 0
  while (count < rows.length && Number(rows[count]?.position) === position + count + 1) count++
  return count
}

function logged(row: EventRow, cursor: Cursor): LoggedEvent {
  const position = row.position === null ? null : Number(row.position)
  return {
    orgId: row.org_id,
    partition: cursor.partition,
    position,
    generation: generationAt(cursor, position),
    event: lifecycleEvent(row),
  }
}

function shortened(cursor: Cursor, droppedTo: number): Page {
  const { partition, position } = cursor
  const trouble = new SenseiError(
    'OUTBOX_SHORTENED',
    `the outbox has dropped positions ${position + 1} to ${droppedTo} of partition ${partition}: ` +
      "the group reads their events from the migrations' own history, and may meet some again",
    { details: { partition, from: position + 1, to: droppedTo } },
  )
  return { events: [], next: { ...cursor, history: historyFrom(droppedTo) }, more: true, trouble }
}

function hole(partition: number, from: number, found: number | null): SenseiError {
  const what = found === null ? `position ${from} is` : `positions ${from} to ${found - 1} are`
  return new SenseiError(
    'OUTBOX_HOLE',
    `${what} missing in partition ${partition} of the outbox: rows were removed by hand or the database was ` +
      'restored wrongly; the partition stands still until "sensei events replay" sets the group elsewhere',
    { details: { partition, from, ...(found === null ? {} : { to: found - 1 }) } },
  )
}
