/**
 * The truth about migrations. One implementation, PostgreSQL, always real. Every write is idempotent under the ids
 * that the caller chose, so a lost reply to COMMIT is settled by running the same write again.
 *
 * A journal speaks for one organization; nothing here can name another's row.
 */
import type { EventPayloads, LifecycleEvent } from '../events.ts'
import type { Json } from '../json.ts'
import type { Phase, State, Transition } from '../lifecycle.ts'
import type { Plan } from '../plan.ts'
import type { Receipt, Reject } from '../receipt.ts'
import type { Verdict, Verification } from '../verdict.ts'
import type { ManifestEntry } from './target.ts'
import type { Role } from './tasks.ts'

export interface Journal {
  /** Creates the migration with its event `migration.created` (version 1). Again with the same id: the same answer. */
  create(migration: NewMigration): Promise<MigrationRecord>
  /**
   * Moves the state, writes the event and the audit row, in one transaction or not at all. Throws VERSION_CONFLICT
   * when `expectedVersion` is not the present one, TRANSITION_REFUSED when the lifecycle does not allow it.
   */
  transition<T extends Transition>(step: TransitionStep<T>): Promise<MigrationRecord>
  /** Throws MIGRATION_NOT_FOUND. */
  get(migrationId: string): Promise<MigrationRecord>
  /** Newest first; of those only whose ids begin so, when that is given. */
  list(options?: ListOptions): Promise<readonly MigrationRecord[]>
  /** Writes entries of one migration together; the same id or key again overwrites only what may change. */
  record(migrationId: string, entries: readonly JournalEntry[]): Promise<void>
  /** All entries of one kind, in the order they were made. */
  entries<K extends EntryKind>(migrationId: string, kind: K): Promise<readonly EntryOf<K>[]>
  /** The lifecycle events of one migration, version 1 first. */
  events(migrationId: string): Promise<readonly LifecycleEvent[]>
}

export interface ListOptions {
  readonly limit?: number
  /** The first characters of a uuid, in lower case with its dashes. */
  readonly idPrefix?: string
}

export interface NewMigration {
  /** A uuid. */
  readonly id: string
  readonly source: Endpoint
  readonly target: Endpoint
  /** What the user asked for, so that resuming needs the id alone. Never a secret. */
  readonly options: { readonly [name: string]: Json }
  readonly actor: string
}

export interface Endpoint {
  readonly engine: string
  /** Without its secrets; the database itself refuses a URL that holds one. */
  readonly url: string
}

export interface MigrationRecord extends Omit<NewMigration, 'actor'> {
  readonly state: State
  readonly failedIn: Phase | null
  /** The number of its events. */
  readonly version: number
  /** ISO 8601 in UTC. */
  readonly createdAt: string
  readonly updatedAt: string
}

export interface TransitionStep<T extends Transition = Transition> {
  readonly migrationId: string
  readonly event: T
  readonly expectedVersion: number
  readonly payload: EventPayloads[T]
  readonly actor: string
}

/** What a migration leaves behind, beside its events. */
export type JournalEntry =
  | PlanEntry
  | ReceiptEntry
  | AgentEntry
  | VerificationEntry
  | CertificateEntry
  | ArchiveEntry

export type EntryKind = JournalEntry['kind']
export type EntryOf<K extends EntryKind> = Extract<JournalEntry, { kind: K }>

/** A plan version never changes once it is written. */
export interface PlanEntry {
  readonly kind: 'plan'
  readonly version: number
  readonly hash: string
  readonly plan: Plan
}

/** The ledger row of a step; a step done again (after a new snapshot) replaces its receipt. */
export interface ReceiptEntry {
  readonly kind: 'receipt'
  readonly receipt: Receipt
}

/** One process of one role at work; recorded when it starts, and again as its state changes or it ends. */
export interface AgentEntry {
  readonly kind: 'agent'
  readonly id: string
  readonly role: Role
  /** Host and pid. */
  readonly owner: string
  readonly state: Json
  readonly outcome: 'working' | 'done' | 'failed' | 'killed'
}

export interface VerificationEntry {
  readonly kind: 'verification'
  readonly id: string
  readonly verdict: Verdict
  readonly verification: Verification
}

export interface CertificateEntry {
  readonly kind: 'certificate'
  readonly id: string
  readonly verificationId: string
  readonly keyId: string
  /** The signed file, byte for byte. */
  readonly envelope: string
}

/** What the target's ledger alone knew, kept when a migration is cleaned. */
export interface ArchiveEntry {
  readonly kind: 'archive'
  readonly manifest: readonly ManifestEntry[]
  readonly rejects: readonly Reject[]
  /** Rejects there were; more than are kept only beyond the cleaner's bound. */
  readonly rejectsTotal: number
}
