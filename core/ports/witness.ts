/**
 * The validator's view of one side. Both sides answer the same questions, each with decoders of its own, which no
 * code that writes may share. Rows come in the canonical encoding (docs/canonical.md).
 */
import type { Json } from '../json.ts'
import type { TableMapping } from '../plan.ts'
import type { RawCell } from '../receipt.ts'

export interface Witness {
  /** Names the point in time that is read; a second witness opened with it, in another thread, sees the same. */
  readonly snapshot: string
  /** Ranges that together cover the table, so that several threads may scan it; at most `parts`, at least one. */
  split(table: TableMapping, parts: number): Promise<readonly Json[]>
  /** Every row of one range, in any order, as canonical rows of `comparedColumns(table)`. */
  scan(table: TableMapping, range: Json): AsyncIterable<CanonicalBatch>
  /** What the engine itself computes: counts, exact sums, min and max of exact types, byte lengths. */
  aggregates(table: TableMapping): Promise<readonly Aggregate[]>
  /** Runs one read-only query under a time limit; every value as text the engine's own way, typed by `kind`. */
  query(sql: string, limits: QueryLimits): Promise<QueryResult>
  close(): Promise<void>
}

/** The source's witness can also tell which of its rows a reject is. */
export interface SourceWitness extends Witness {
  /**
   * The canonical row of the stored cells that a reject keeps, or null where the plan's conversion rejects them. Exact in
   * its key; elsewhere only as exact as the cells were kept.
   */
  rowOf(table: TableMapping, cells: readonly RawCell[]): Uint8Array | null
}

export interface CanonicalBatch {
  /** Complete rows, one behind the other. The buffer may be reused after the next batch is asked for. */
  readonly bytes: Uint8Array
  readonly rows: number
  /**
   * Rows that the planned conversion cannot represent and which the plan rejects: they are not in `bytes`. The copy
   * must have rejected just as many.
   */
  readonly rejected: number
}

export interface Aggregate {
  /** Target column; null for the table itself. */
  readonly column: string | null
  /** `rows`, `not null`, `sum`, `min`, `max`, `bytes`, `true`, … */
  readonly name: string
  /** Canonical text, so that both sides can be compared as strings; null for none. */
  readonly value: string | null
}

export interface QueryLimits {
  readonly timeoutMs: number
  readonly rowsMax: number
}

export interface QueryResult {
  readonly columns: readonly string[]
  /** One canonical row for each row; numbers by value (tag `d`), so that engines with other types compare. */
  readonly rows: readonly Uint8Array[]
  /** True when rowsMax cut it short: the comparison is then inconclusive. */
  readonly cut: boolean
}

/** Which tables a target's witness looks at, and from which point in time. */
export interface TargetView {
  readonly schema: string
  /** Of another session's witness that is still open; its own new one when absent. */
  readonly snapshot?: string
}
