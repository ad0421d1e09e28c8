/** Threads that scan ranges of tables and condense them to buckets, each with a witness of its own on the shared snapshot. */
import type { BucketTable } from '../canonical/buckets.ts'
import type { Json } from '../json.ts'
import type { TableMapping } from '../plan.ts'
import type { Snapshot } from '../snapshot.ts'
import type { Aggregate, TargetView } from './witness.ts'

export interface Scanners {
  /** How many ranges are scanned at the same time. */
  readonly threads: number
  /** The buckets of one range; waits while all threads are busy. */
  scan(request: ScanRequest): Promise<BucketTable>
  /** What the engine computes about a whole table; a scan of its own for most engines. */
  aggregates(request: AggregateRequest): Promise<readonly Aggregate[]>
  /** The threads let go of the target's snapshot: afterwards they hold no lock there. */
  release(): Promise<void>
  close(): Promise<void>
}

/** From which point in time of which side. */
export type ScanView =
  | { readonly side: 'source'; readonly snapshot: Snapshot }
  | { readonly side: 'target'; readonly view: Required<TargetView> }

export interface AggregateRequest {
  readonly from: ScanView
  readonly table: TableMapping
}

export interface ScanRequest extends AggregateRequest {
  readonly range: Json
  readonly bits: number
}
