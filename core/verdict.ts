/** What the validator found. Only the first two verdicts get a certificate; nothing undecided is ever a pass. */
export const VERDICTS = [
  'equivalent',
  'equivalent_except_declared',
  'different',
  'inconclusive',
  'not_validated',
] as const

export type Verdict = (typeof VERDICTS)[number]

export interface Verification {
  readonly verdict: Verdict
  readonly tables: readonly TableVerification[]
  readonly structure: readonly StructureFinding[]
  readonly views: readonly QueryVerification[]
  readonly queries: readonly QueryVerification[]
  readonly foreignKeys: readonly ReferentialVerification[]
  readonly mutation: MutationScore
  /** Everything that was not compared, with the reason; a silent gap would be a lie. */
  readonly notChecked: readonly NotChecked[]
  /** Of these, what makes a verdict inconclusive: it should have been compared. */
  readonly undecided?: readonly NotChecked[]
  /** Hex of the RFC 6962 root over the tables. */
  readonly databaseRoot: string
}

export interface TableVerification {
  readonly source: string
  readonly target: string
  readonly key: readonly string[] | null
  readonly rowsSource: number
  readonly rowsTarget: number
  readonly rowsRejected: number
  readonly bucketBits: number
  /** Hex roots of both sides; equal when the verdict is a pass (the source's with the rejects subtracted). */
  readonly rootSource: string
  readonly rootTarget: string
  readonly aggregates: readonly AggregateComparison[]
  readonly differences: DifferenceReport
}

export interface DifferenceReport {
  /** At most the configured number, in detail. */
  readonly details: readonly RowDifference[]
  readonly rowsMissing: number
  readonly rowsExtra: number
  readonly rowsChanged: number
}

export interface RowDifference {
  readonly kind: 'missing' | 'extra' | 'changed'
  /** The key as text, `a, b` for a composite one; a digest of the row where there is no key. */
  readonly key: string
  /** One entry per column that differs; of a missing or extra row every one. Long values are cut, binary ones are hex. */
  readonly columns: readonly {
    readonly column: string
    readonly source: string | null
    readonly target: string | null
  }[]
  /** How often, for tables without a key. */
  readonly times: number
}

export interface AggregateComparison {
  readonly column: string | null
  readonly name: string
  readonly source: string | null
  readonly target: string | null
  readonly equal: boolean
}

export interface StructureFinding {
  readonly object: string
  readonly kind: string
  readonly problem: string
}

export interface QueryVerification {
  readonly name: string
  readonly rowsSource: number
  readonly rowsTarget: number
  readonly ordered: boolean
  readonly equal: boolean | null
  /** Set when `equal` is null: why it could not be decided. */
  readonly reason: string | null
}

export interface ReferentialVerification {
  readonly table: string
  readonly name: string
  readonly orphans: number
  readonly declared: number
}

export interface MutationScore {
  readonly status: 'run' | 'not run'
  readonly reason: string | null
  /** Mutants that PostgreSQL itself calls different, and those of them that the comparison caught. */
  readonly mutants: number
  readonly caught: number
  readonly operators: Readonly<
    Record<string, { readonly mutants: number; readonly caught: number }>
  >
}

export interface NotChecked {
  readonly what: string
  readonly reason: string
}
