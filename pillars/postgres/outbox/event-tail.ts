/** The end of the log as one tenant sees it, through the tenant's door: without a group, and without a cursor kept. */
import type { LifecycleEvent } from '@sensei/core/events'
import { PARTITIONS } from '@sensei/core/ports/event-log'
import type { Door } from '../door/door.ts'
import { lifecycleEvent } from '../record/lifecycle-event.ts'
import { EVENT, type EventRow } from './outbox.ts'

export interface TailPlace {
  /** The last position seen in each partition. */
  readonly positions: readonly number[]
  /** Of one migration: its last version seen. */
  readonly version: number
}

export interface TailPage {
  readonly events: readonly LifecycleEvent[]
  readonly next: TailPlace
}

const PAGE_EVENTS = 1_000

const places = (where: string, order: string) => `
select o.partition, o.position, ${EVENT}
from generate_series(0, ${PARTITIONS - 1}) as p cross join lateral (
  select * from outbox where outbox.partition = p ${where} order by outbox.position ${order} limit $1
) o join migration_event e on e.org_id = o.org_id and e.id = o.event_id`

const LAST = places('', 'desc')
const AFTER = places('and outbox.position > ($2::bigint[])[p + 1]', 'asc')

const LAST_OF_MIGRATION = `
select e.partition, null as position, ${EVENT}
from migration_event e where e.migration_id = $2 order by e.version desc limit $1`

const AFTER_OF_MIGRATION = `
select e.partition, null as position, ${EVENT}
from migration_event e where e.migration_id = $2 and e.version > $3 order by e.version limit $1`

type Row = EventRow & { readonly partition: number }

export class EventTail {
  readonly #door: Door
  readonly #orgId: string
  readonly #migrationId: string | undefined

  constructor(door: Door, orgId: string, migrationId?: string) {
    this.#door = door
    this.#orgId = orgId
    this.#migrationId = migrationId
  }

  /** The last events there are, oldest first. */
  async last(count: number): Promise<TailPage> {
    const id = this.#migrationId
    const rows =
      id === undefined
        ? await this.#read(LAST, [count])
        : await this.#read(LAST_OF_MIGRATION, [count, id])
    const next = seen({ positions: Array.from({ length: PARTITIONS }, () => 0), version: 0 }, rows)
    return { events: inTime(rows).slice(-count), next }
  }

  /** What came since, of each migration in order. */
  async after(place: TailPlace): Promise<TailPage> {
    const id = this.#migrationId
    const rows =
      id === undefined
        ? await this.#read(AFTER, [PAGE_EVENTS, place.positions])
        : await this.#read(AFTER_OF_MIGRATION, [PAGE_EVENTS, id, place.version])
    return { events: inTime(rows), next: seen(place, rows) }
  }

  #read(sql: string, values: readonly unknown[]): Promise<readonly Row[]> {
    return this.#door.read(this.#orgId, (tx) => tx.query<Row>(sql, values))
  }
}

function seen(place: TailPlace, rows: readonly Row[]): TailPlace {
  const positions = [...place.positions]
  for (const { partition, position } of rows) {
    positions[partition] = Math.max(positions[partition] ?? 0, Number(position ?? 0))
  }
  return { positions, version: Math.max(place.version, ...rows.map(({ version }) => version)) }
}

/** By the clock between migrations, by version within one. */
function inTime(rows: readonly Row[]): readonly LifecycleEvent[] {
  return rows
    .toSorted(
      (a, b) =>
        (a.migration_id === b.migration_id ? a.version - b.version : 0) ||
        a.occurred_at.getTime() - b.occurred_at.getTime(),
    )
    .map(lifecycleEvent)
}
