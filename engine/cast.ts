/** Everything the engine works with, behind ports. apps/pillars.ts chooses who plays which part. */
import type { Statement } from '@sensei/core/certificate/statement'
import type { Plan } from '@sensei/core/plan'
import type { Doorbell } from '@sensei/core/ports/doorbell'
import type { Journal } from '@sensei/core/ports/journal'
import type { Progress } from '@sensei/core/ports/progress'
import type { Scanners } from '@sensei/core/ports/scanners'
import type { Source } from '@sensei/core/ports/source'
import type { Run, Target } from '@sensei/core/ports/target'
import type { Tasks } from '@sensei/core/ports/tasks'
import type { Snapshot } from '@sensei/core/snapshot'

export interface Cast {
  readonly journal: Journal
  readonly tasks: Tasks
  readonly doorbell: Doorbell
  readonly source: Source
  readonly target: Target
  readonly crew: Crew
  readonly scanners: Scanners
  readonly progress: Progress
  readonly signer: Signer
  /** Where private copies go: a 0700 folder. */
  readonly copies: string
  readonly tool: { readonly name: string; readonly version: string }
}

/** From this size on, workers are made ready before there is work: what is smaller is soon carried. */
export const MUSTER_BYTES = 32 * 1024 * 1024

/** Worker processes of this machine. A dead one is replaced, its leases are given back at once. */
export interface Crew {
  /** Has so many processes ready for a `start` to come; each loads its code and opens nothing. */
  muster(count: number): void
  /** `rowsDone`: rows in already, by source table, so that progress never begins at zero after a resume. */
  start(
    assignment: Assignment,
    count: number,
    rowsDone: ReadonlyMap<string, number>,
  ): Promise<Hands>
  /** Ends those that were mustered and never started. */
  disband(): Promise<void>
  /** True for a process of this machine that is no more: what it held need not be waited for. */
  gone(owner: string): boolean
}

export interface Hands {
  /** Rejects when workers keep dying without finishing a chunk, or cannot work for a reason that concerns them all. */
  readonly trouble: Promise<never>
  /** Each worker ends after the chunk in its hands. */
  dismiss(): Promise<void>
}

export interface Assignment {
  readonly run: Run
  readonly plan: Plan
  readonly snapshot: Snapshot
}

export interface Signer {
  sign(statement: Statement): Promise<{ readonly envelope: string; readonly keyId: string }>
}
