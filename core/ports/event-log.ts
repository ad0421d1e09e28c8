/**
 * The history of all migrations, which many readers follow at their own pace. PostgreSQL is its source: a transition's
 * own transaction writes its event, so nothing is published here. (An adapter on another store is fed by the relay, which
 * is itself a group of the embedded log.)
 *
 * Glossary. The log has 12 *partitions*; a migration's events all lie in one, by the hash of its id. A *position* is an
 * event's place in its partition: 1, 2, 3, … without holes. A *group* is a name under which any number of consumers
 * share the partitions: each partition has one consumer at a time, and the group's *cursor* in it says up to where events
 * were handled. Groups know nothing of each other.
 *
 * What holds: a migration's events arrive in the order of their versions; none is skipped; each is handed over at least
 * once, and again whenever it is not certain that its handler had finished. Whoever needs an effect once writes it
 * together with the event's row in the inbox.
 */
import type { SenseiError } from '../errors.ts'
import type { LifecycleEvent } from '../events.ts'

/** Fixed for ever: another number would break the order of every migration that lives across the change. */
export const PARTITIONS = 12

/** Events of a batch at most, and so what a consumer holds of one partition. */
export const BATCH_EVENTS_MAX = 1_000

export interface EventLog {
  /**
   * Takes part in the group until it is stopped. A group that is new begins at `from` in every partition; one that is
   * known goes on where it stopped, wherever `from` points.
   */
  consume(group: string, handler: Handler, options?: ConsumeOptions): Promise<Consumption>
  /**
   * Sets the group's cursors so that it goes on from there: what lies behind that point is delivered again, under a new
   * generation, and a point ahead of a cursor skips what lies between. A batch that is being handled meanwhile does not
   * move its cursor any more. Throws EVENT_GROUP_UNKNOWN, and REPLAY_RUNNING where a replay of one migration would meet
   * another one in its partition.
   */
  replay(group: string, options: ReplayOptions): Promise<void>
  /** How far the group is, partition by partition. Throws EVENT_GROUP_UNKNOWN. */
  lag(group: string): Promise<readonly PartitionLag[]>
  /** Stops every consumption of this process, then lets go of the store. */
  close(): Promise<void>
}

/** One batch of one partition, in order. When this resolves, its events count as handled; when it rejects, none does. */
export type Handler = (delivery: Delivery) => Promise<void>

export interface Delivery {
  readonly group: string
  readonly partition: number
  /** 1 to BATCH_EVENTS_MAX of them. After a failure they come one by one, until the one to blame has passed. */
  readonly events: readonly LoggedEvent[]
  /** How often the first event has been handed to this consumer, this time included. */
  readonly attempt: number
  /** Aborted once the partition belongs to somebody else, who then gets the same events. */
  readonly signal: AbortSignal
}

export interface LoggedEvent {
  readonly orgId: string
  readonly partition: number
  /** Null for an event that is too old for the log and was read from the migration's own history. */
  readonly position: number | null
  /** 1, and more for what a replay delivers again: part of the key under which an effect is remembered. */
  readonly generation: number
  readonly event: LifecycleEvent
}

export type From =
  | 'earliest'
  | 'now'
  /** That position of every partition, or of one. */
  | { readonly position: number; readonly partition?: number }
  /** Events that happened then or later; ISO 8601. */
  | { readonly time: string }

export interface ConsumeOptions {
  /** `earliest` unless told, so that a new group misses nothing. */
  readonly from?: From
  readonly batchEventsMax?: number
  /** A consumer that is not heard of for so long loses its partitions. */
  readonly leaseMs?: number
  /**
   * Hears what went wrong and how: EVENT_REFUSED (the handler rejected; it gets the event again), LEASE_LOST (a successor
   * has the partition), OUTBOX_HOLE (positions are missing; the partition stands still until somebody looked),
   * OUTBOX_SHORTENED (the group had fallen behind what the log keeps and reads on from the migrations' own history),
   * CONTROL_UNREACHABLE. None of them ends the consumption.
   */
  readonly onTrouble?: (trouble: SenseiError) => void
}

export interface Consumption {
  /** Lets handlers that run finish, moves their cursors and gives the partitions up. May be called again. */
  stop(): Promise<void>
}

export interface ReplayOptions {
  readonly from: From
  /** Only this migration's events are delivered again; everything else goes on as it was. */
  readonly migrationId?: string
}

export interface PartitionLag {
  readonly partition: number
  /** Everything up to here was handled. */
  readonly position: number
  /** The last event there is. */
  readonly head: number
  /** Whether a live consumer has it. */
  readonly held: boolean
}
