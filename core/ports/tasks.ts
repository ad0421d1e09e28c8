/**
 * Units of work, as rows and leases in PostgreSQL on PostgreSQL's time. A lease is (task, epoch): the epoch rises
 * with every claim, and whoever comes with an old one is refused (LEASE_LOST), however late it comes.
 */
import type { Json } from '../json.ts'
import type { Receipt } from '../receipt.ts'

/** The conductor's task is the migration itself: its lease says which process runs it. */
export const ROLES = ['conductor', 'scout', 'architect', 'worker', 'validator'] as const

export type Role = (typeof ROLES)[number]

/** A lease lasts 15 s of PostgreSQL's time and is renewed every 5 s. */
export const LEASE_MS = 15_000
export const RENEW_MS = 5_000

/** A task that so many holders died over is leased alone: one of those that it was leased with may be to blame. */
export const SUSPECT_ATTEMPTS = 3

export interface Tasks {
  /** All of them or none; thousands at a time. */
  add(tasks: readonly NewTask[]): Promise<void>
  /**
   * Leases up to `limit` due tasks, lowest `sequence` first, never one that another holds. A task over which several
   * holders died is leased alone, so that it uses up its own attempts only.
   */
  claim(request: ClaimRequest): Promise<readonly LeasedTask[]>
  /** Lengthens the leases by `leaseMs` from now; throws LEASE_LOST when any of them is no longer held. */
  renew(leases: readonly Lease[], leaseMs?: number): Promise<void>
  /** Done, with its receipt, together. Throws LEASE_LOST. */
  finish(lease: Lease, receipt: Receipt | null): Promise<void>
  /** Many at once. A lease that is lost is passed over: its task is somebody else's. Returns the tasks that are done. */
  finishAll(done: readonly FinishedTask[]): Promise<ReadonlySet<string>>
  /** Back to `ready` while attempts are left and `retry` is true, else `failed`; says which. Throws LEASE_LOST. */
  fail(lease: Lease, failure: TaskFailure): Promise<'ready' | 'failed'>
  /**
   * Takes back what a process held, without waiting for its lease. One that died may have died of a task, so the attempts
   * stay used; one that was stopped did not, so its tasks get theirs back.
   */
  release(migrationId: string, owner: string, why?: 'died' | 'stopped'): Promise<number>
  /** Forgets every task of these targets, done or not, whoever holds it (its lease is lost); says how many. */
  discard(migrationId: string, targets: readonly string[]): Promise<number>
  /** How far each target's tasks of one kind are, of these targets when they are named; one without tasks is absent. */
  byTarget(
    migrationId: string,
    kind: string,
    targets?: readonly string[],
  ): Promise<readonly TargetTally[]>
  outstanding(migrationId: string): Promise<Outstanding>
  /** The owners of live leases on tasks of one kind. */
  holders(migrationId: string, kind: string): Promise<readonly string[]>
}

export interface NewTask {
  readonly migrationId: string
  readonly role: Role
  readonly kind: string
  /** Name of the table or step that it is about; null for the whole database. */
  readonly target: string | null
  /** Tasks with a lower number are claimed first. */
  readonly sequence: number
  /** JSON without NUL characters: keys of rows travel encoded. */
  readonly payload: Json
  /** Claims after which a task that never finished is `failed`; 10 unless told. */
  readonly attemptsMax?: number
}

export interface ClaimRequest {
  readonly migrationId: string
  readonly role: Role
  /** Any kind when absent. */
  readonly kinds?: readonly string[]
  readonly owner: string
  readonly limit: number
  readonly leaseMs?: number
}

export interface Lease {
  readonly id: string
  readonly epoch: number
}

export interface FinishedTask {
  readonly lease: Lease
  readonly receipt: Receipt
}

export interface LeasedTask extends Lease, Omit<NewTask, 'attemptsMax'> {
  /** This claim included. */
  readonly attempt: number
}

export interface TaskFailure {
  readonly code: string
  readonly message: string
  readonly retry: boolean
  /** Not claimed again before this much of PostgreSQL's time has passed. */
  readonly delayMs?: number
}

export interface TargetTally {
  readonly target: string
  readonly waiting: number
  readonly done: number
  readonly failed: number
}

export interface Outstanding {
  readonly ready: number
  readonly leased: number
  readonly done: number
  readonly failed: number
  /** Every failed task with its last error. */
  readonly failures: readonly FailedTask[]
}

export interface FailedTask {
  readonly id: string
  readonly kind: string
  readonly target: string | null
  readonly sequence: number
  readonly code: string
  readonly message: string
}
