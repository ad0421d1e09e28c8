/**
 * The plan: what becomes of every object of the source. It is data with a published JSON Schema
 * (docs/schemas/plan.schema.json), so that a person can edit it; its content hash names it in the certificate.
 * Field names are those of the JSON.
 */
import type { DeclaredLoss } from './losses.ts'
import type { Engine, TextFormat } from './survey.ts'

export interface Plan {
  readonly plan_version: 1
  readonly source: {
    readonly engine: Engine
    readonly url: string
    readonly schema_fingerprint: string
  }
  readonly target: { readonly schema: string }
  readonly append: boolean
  /** In an order in which every table can be created. */
  readonly tables: readonly TableMapping[]
  readonly views: readonly ViewMapping[]
  /** Everything that is not carried, with the reason and its source text. */
  readonly skipped: readonly SkippedObject[]
  /** Carried, but not as it was: one line of prose each (a renamed table, a check that was translated, …). */
  readonly converted: readonly ConvertedObject[]
  readonly losses: readonly DeclaredLoss[]
  /** Observations a person should know which change no value. */
  readonly findings: readonly Finding[]
}

export interface TableMapping {
  readonly source: string
  readonly target: string
  /** Exact at the time of the survey; sizes chunks and buckets, never a check. */
  readonly rows: number
  readonly bytes: number
  readonly bytes_max: number
  /** In target order. A column that is not carried is in `skipped`. */
  readonly columns: readonly ColumnMapping[]
  /** Target columns that identify a row (NOT NULL and unique there), or null: then a row is its whole content. */
  readonly key: readonly string[] | null
  readonly primary_key: KeyMapping | null
  readonly uniques: readonly KeyMapping[]
  readonly indexes: readonly IndexMapping[]
  readonly foreign_keys: readonly ForeignKeyMapping[]
  readonly checks: readonly CheckMapping[]
  /** True where a column's values need the exact reader; the others may be formatted by the source engine. */
  readonly hostile: boolean
}

/**
 * How a source value becomes the planned target value. Each name is implemented twice, once by the reader that
 * feeds the copy and once by the witness that checks it; docs/canonical.md describes each.
 */
export const CONVERSIONS = [
  'integer',
  'boolean',
  'real',
  'decimal',
  'text',
  'text-strip-nul',
  'text-replace-invalid',
  'any-as-text',
  'bytes',
  'any-as-bytes',
  'date',
  'timestamp',
  'timestamptz',
  'time',
  'json',
  'jsonb',
  'uuid',
] as const

export type Conversion = (typeof CONVERSIONS)[number]

export type Fidelity = 'exact' | 'converted' | 'lossy'

export interface ColumnMapping {
  /** Source column; null for a column that only the target has (a surrogate key). */
  readonly source: string | null
  readonly target: string
  /** PostgreSQL type as written in DDL: `bigint`, `numeric(10,2)`, `text`, … */
  readonly type: string
  readonly conversion: Conversion
  readonly fidelity: Fidelity
  /** Text formats that the conversion accepts, in the order in which they are tried (dates only). */
  readonly formats?: readonly TextFormat[]
  /** What becomes of a value that the conversion cannot represent: the row is rejected, or the cell is NULL. */
  readonly unfit: 'reject' | 'null'
  readonly nullable: boolean
  /** PostgreSQL expression. */
  readonly default: string | null
  readonly identity: { readonly next: string } | null
  /** PostgreSQL expression of a GENERATED ALWAYS … STORED column: not copied, but compared. */
  readonly generated: string | null
  /** One scalar SQL expression which the source evaluates instead of reading the column (only by an edited plan). */
  readonly expression?: string
}

export interface KeyMapping {
  readonly name: string
  readonly columns: readonly string[]
}

export interface IndexMapping {
  readonly name: string
  readonly unique: boolean
  /** PostgreSQL text of each part, quoted and complete: `"a"`, `lower("b")`, `"c" DESC`. */
  readonly parts: readonly string[]
  readonly where: string | null
}

export interface ForeignKeyMapping {
  readonly name: string
  readonly columns: readonly string[]
  readonly references: { readonly table: string; readonly columns: readonly string[] }
  readonly on_update: string
  readonly on_delete: string
  readonly deferrable: boolean
  /** Created NOT VALID and left so: the loss `orphans-not-valid`. */
  readonly not_valid: boolean
}

export interface CheckMapping {
  readonly name: string
  readonly expression: string
}

export interface ViewMapping {
  readonly source: string
  readonly target: string
  /** The SELECT in the source's dialect, and in PostgreSQL's. */
  readonly source_sql: string
  readonly target_sql: string
  /** The source tables that it reads, also through other views. */
  readonly reads: readonly string[]
}

export interface SkippedObject {
  readonly kind: string
  readonly name: string
  readonly table: string | null
  readonly reason: string
  readonly sql: string | null
}

export interface ConvertedObject {
  readonly kind: string
  readonly name: string
  readonly note: string
}

export interface Finding {
  readonly code: string
  readonly table: string | null
  readonly column: string | null
  readonly message: string
}

/** The columns whose values are copied: neither generated by the target nor unknown to the source. */
export function copiedColumns(table: TableMapping): readonly ColumnMapping[] {
  return table.columns.filter((column) => column.source !== null && column.generated === null)
}

/**
 * The columns that are compared, in canonical order: the key first, in key order, then the others in plan order.
 * Columns that only the target has are not compared; generated ones are.
 */
export function comparedColumns(table: TableMapping): readonly ColumnMapping[] {
  const key = table.key ?? []
  const compared = table.columns.filter((column) => column.source !== null)
  const keyed = key.flatMap((name) => compared.filter((column) => column.target === name))
  return [...keyed, ...compared.filter((column) => !key.includes(column.target))]
}
