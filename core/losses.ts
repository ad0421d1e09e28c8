/**
 * Every rule under which a value or a constraint arrives other than it left. A plan that needs one is refused
 * until a person accepts it by name (`--accept-loss rule:table.column`).
 */
export const LOSS_RULES = {
  'mixed-to-text':
    'values of several storage classes become text; 1 and "1" can no longer be told apart',
  'mixed-to-bytes':
    'texts in a column of blobs become their bytes; text and blob can no longer be told apart',
  'strip-nul': 'the NUL characters in a text are left out; PostgreSQL cannot hold them',
  'replace-invalid-utf8': 'bytes that are not UTF-8 become U+FFFD',
  'invalid-date-to-null': 'a text that is no date of the calendar becomes NULL',
  'date-formats-unified':
    'dates, moments or times written in several ways become values; the way each was written is not kept',
  'timestamp-offset': 'the instant is kept, the offset that it was written with is not',
  'not-a-number-to-null': 'a text in a column of numbers becomes NULL',
  'json-to-jsonb': 'key order, white space and repeated keys of the JSON text are not kept',
  'orphans-not-valid': 'the foreign key is created NOT VALID because these rows have no parent',
  'virtual-rows-left':
    'the rows that a virtual table keeps for itself stay behind; only SQLite has its module',
  'real-to-decimal': 'a floating point value is rounded to the decimal digits of its column',
} as const

export type LossRule = keyof typeof LOSS_RULES

export interface DeclaredLoss {
  readonly rule: LossRule
  /** Source table and column (or constraint, for rules about keys). */
  readonly table: string
  readonly column: string
  /** Rows touched, exact. */
  readonly rows: number
  /** First few keys of such rows, for the person who decides. */
  readonly examples: readonly string[]
}

/** The name that `plan` prints and `--accept-loss` takes. */
export function lossName(loss: Pick<DeclaredLoss, 'rule' | 'table' | 'column'>): string {
  return `${loss.rule}:${loss.table}.${loss.column}`
}
