/**
 * The lifecycle events, in one place. Each transition writes exactly one, in its own transaction: `migration.created`
 * is version 1 of a migration, and version n is its n-th event (docs/events.md is checked against this file).
 */
import type { Phase, State, Transition } from './lifecycle.ts'
import type { Verdict } from './verdict.ts'

/** What an event tells beyond the state: small, never a secret, never data of a row. */
export interface EventPayloads {
  created: { readonly source: string; readonly target: string }
  planning_started: Record<string, never>
  planned: { readonly planVersion: number; readonly planHash: string }
  plan_revised: { readonly planVersion: number; readonly planHash: string }
  approved: {
    readonly planVersion: number
    readonly planHash: string
    readonly acceptedLosses: readonly string[]
  }
  started: { readonly snapshot: string | null }
  taken_over: { readonly owner: string }
  snapshot_replaced: { readonly snapshot: string; readonly reason: string }
  pause_requested: Record<string, never>
  paused: Record<string, never>
  resumed: { readonly owner: string }
  validation_started: Record<string, never>
  completed: { readonly verdict: Verdict }
  failed: { readonly code: string; readonly message: string }
  cancel_requested: { readonly reason: string | null }
  cancelled: { readonly fenceEpoch: number | null }
  rollback_started: Record<string, never>
  rolled_back: { readonly catalogueDigest: string }
  rollback_failed: { readonly code: string; readonly message: string }
}

export type EventName = 'created' | Transition

export interface EventOf<N extends EventName> {
  readonly id: string
  readonly migrationId: string
  /** 1, 2, 3, … without gaps for one migration. */
  readonly version: number
  readonly type: `migration.${N}`
  /** Where the migration stands after this event. */
  readonly state: State
  readonly failedIn: Phase | null
  readonly payload: EventPayloads[N]
  /** Who caused it: a user, a key or an agent. */
  readonly actor: string
  /** ISO 8601 in UTC, PostgreSQL's clock; order comes from `version`, never from here. */
  readonly occurredAt: string
}

/** The union over all events, narrowed by `type`. */
export type LifecycleEvent = { [N in EventName]: EventOf<N> }[EventName]

/** One sentence per event for people who read the stream. */
export const EVENT_MEANINGS: Readonly<Record<EventName, string>> = {
  created: 'The migration exists; nothing was read or written yet.',
  planning_started: 'The scout surveys the source.',
  planned: 'A plan was made and waits for approval.',
  plan_revised: 'The plan was edited; the new version waits for approval.',
  approved: 'A plan version was approved, with the losses that were accepted.',
  started: 'The load began.',
  taken_over: 'Another process goes on where a dead one stopped.',
  snapshot_replaced:
    'The snapshot was lost and a new one taken; what was carried is reconciled to it.',
  pause_requested: 'Workers finish their chunks and stop.',
  paused: 'No worker writes any more.',
  resumed: 'Work goes on in the phase where it stopped.',
  validation_started: 'Everything is loaded; the validator compares both sides.',
  completed: 'The migration is over; the verdict says what the validator found.',
  failed: 'A phase failed; it can be resumed.',
  cancel_requested: 'The migration will be given up.',
  cancelled: 'No row can follow: the fence in the target is raised, where a load had begun.',
  rollback_started: 'What the migration created is being dropped.',
  rolled_back: 'The target is as it was before.',
  rollback_failed: 'Rolling back stopped half-way; it can be tried again.',
}
