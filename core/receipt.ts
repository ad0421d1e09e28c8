/** What a worker proves about a step: the ledger row in the target, as recorded in the control plane. */
export interface Receipt {
  readonly migrationId: string
  /** Target table, or null for a step of the whole database. */
  readonly table: string | null
  /** Unique in the migration: `chunk 12 of orders`, `index orders_by_day`, … as kind and number or name. */
  readonly step: string
  readonly kind: StepKind
  readonly rowsRead: number
  readonly rowsWritten: number
  readonly rowsRejected: number
  readonly snapshot: string
  readonly epoch: number
}

export const STEP_KINDS = [
  'schema',
  'table',
  'chunk',
  'index',
  'constraint',
  'foreign key',
  'sequence',
  'view',
  'analyze',
] as const

export type StepKind = (typeof STEP_KINDS)[number]

/** A row that the target refused, or that the plan's conversion could not represent. */
export interface Reject {
  readonly table: string
  readonly step: string
  /** The key's values as text, or the row's number in its chunk where there is no key. */
  readonly key: string
  readonly column: string | null
  /** SQLSTATE of the refusal, or the conversion that failed. */
  readonly code: string
  readonly reason: string
  /** The source row, one cell for each source column. */
  readonly raw: readonly RawCell[]
}

/** A source value as it is stored: its class and its bytes in base64 (integers and reals as text). */
export interface RawCell {
  readonly column: string
  readonly class: 'null' | 'integer' | 'real' | 'text' | 'blob'
  readonly value: string | null
}
