/** A row of migration_event as the event that it is. */
import type { LifecycleEvent } from '@sensei/core/events'

export interface LifecycleRow {
  readonly id: string
  readonly migration_id: string
  readonly version: number
  readonly type: string
  readonly status: string
  readonly failed_in: string | null
  readonly payload: unknown
  readonly actor: string
  readonly occurred_at: Date
}

/** The schema keeps types, states and payloads to what transition() writes. */
export function lifecycleEvent(row: LifecycleRow): LifecycleEvent {
  return {
    id: row.id,
    migrationId: row.migration_id,
    version: row.version,
    type: row.type,
    state: row.status,
    failedIn: row.failed_in,
    payload: row.payload,
    actor: row.actor,
    occurredAt: row.occurred_at.toISOString(),
  } as LifecycleEvent
}
