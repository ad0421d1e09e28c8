/**
 * What the scout found in a source: every object of it, and for every column a profile taken by full scan where
 * a type decision depends on the values. Counts are exact and refer to one snapshot.
 *
 * Values that may exceed 2^53 travel as decimal strings.
 */

export const ENGINES = ['sqlite', 'mysql', 'mariadb', 'postgres'] as const
export type Engine = (typeof ENGINES)[number]

export interface Survey {
  readonly engine: Engine
  /** Version of the source's engine or library that read it. */
  readonly version: string
  /** URL without secrets. */
  readonly url: string
  /** Text encoding of the source as it names it, for example `UTF-8` or `UTF-16le`. */
  readonly encoding: string
  /** Digest of the source's catalogue: equal schema, equal fingerprint. */
  readonly schemaFingerprint: string
  readonly tables: readonly SurveyTable[]
  /** Everything that is not an ordinary table: views, triggers, virtual and shadow tables, … */
  readonly objects: readonly SurveyObject[]
}

export interface SurveyTable {
  readonly name: string
  readonly rows: number
  /** Bytes of the longest row's values, and of all rows together; they size chunks and memory. */
  readonly bytesMax: number
  readonly bytesTotal: number
  readonly withoutRowid: boolean
  readonly strict: boolean
  readonly columns: readonly SurveyColumn[]
  readonly primaryKey: SurveyKey | null
  readonly uniques: readonly SurveyKey[]
  readonly indexes: readonly SurveyIndex[]
  readonly foreignKeys: readonly SurveyForeignKey[]
  readonly checks: readonly SurveyCheck[]
  /** Constraints that do something else than refuse the statement that breaks them (SQLite's ON CONFLICT). */
  readonly conflicts?: readonly { readonly column: string | null; readonly clause: string }[]
  /** Set where the engine hands out keys by itself; `next` is the value it would give next. */
  readonly autoincrement: { readonly column: string; readonly next: string } | null
  readonly comment: string | null
  /** The statement that made the table, as the source keeps it. */
  readonly sql: string | null
}

export interface SurveyColumn {
  readonly name: string
  readonly declared: string
  readonly notNull: boolean
  /** Source text of the default expression. */
  readonly default: string | null
  readonly collation: string | null
  readonly generated: { readonly kind: 'stored' | 'virtual'; readonly expression: string } | null
  readonly profile: ColumnProfile
}

/** Storage classes, for engines whose columns may mix them (SQLite). */
export interface Census {
  readonly null: number
  readonly integer: number
  readonly real: number
  readonly text: number
  readonly blob: number
}

/** Ways in which a text can be written that a type decision asks about. All are tested on every text value. */
export const TEXT_FORMATS = [
  'date-iso', // 2024-01-31, a date that exists
  'date-dmy-slash', // 31/01/2024
  'date-mdy-slash', // 01/31/2024
  'date-dmy-dot', // 31.01.2024
  'date-ymd-slash', // 2024/01/31
  'date-compact', // 20240131
  'timestamp-iso', // 2024-01-31 10:20:30[.ffffff], blank or T, no zone, a moment that exists
  'timestamp-zone', // the same with Z or an offset
  'time-iso', // 10:20[:30[.ffffff]]
  'uuid', // 36 characters, lower case
  'decimal', // -12.50, no exponent
  'json', // an object or an array, valid
] as const

export type TextFormat = (typeof TEXT_FORMATS)[number]

export interface ColumnProfile {
  readonly census: Census
  readonly integer: {
    readonly min: string
    readonly max: string
    readonly zeroOrOne: number
  } | null
  readonly real: {
    /** Values equal to the number their 15-digit text spells: they are decimals as written. */
    readonly roundTrips: number
    /** Most digits after the point, and before it, over the values that round-trip. */
    readonly scale: number
    readonly precision: number
    /** Zeros with a sign, which no decimal has. Absent where they were not counted. */
    readonly negativeZeros?: number
    readonly infinite: number
    readonly nan: number
  } | null
  readonly text: {
    readonly bytesMax: number
    readonly empty: number
    readonly nul: number
    readonly invalidUtf8: number
    /** How many values match each format; a value may match several. Formats that match none may be absent. */
    readonly formats: Readonly<Partial<Record<TextFormat, number>>>
    /** Values that match none of the date and timestamp formats, the empty text included. */
    readonly dateless: number
    /** Of those that match `timestamp-zone`, how many are written with Z; absent where it was not counted. */
    readonly timestampsUtc?: number
    /**
     * Of those that match `timestamp-iso`, how many are written as PostgreSQL writes a timestamp (a blank, seconds, no
     * zeros at the end of a fraction): a view may show them. Absent where it was not counted.
     */
    readonly timestampsPlain?: number
    /**
     * The most values of a format that one way of writing explains, in which every moment has one text only: with T or
     * with a blank, with so many digits of a second. Of `timestamp-zone` those with Z. Formats not counted are absent.
     */
    readonly oneWay?: Readonly<Partial<Record<TextFormat, number>>>
    /** JSON texts that jsonb would change or refuse (duplicate keys, \u0000, renormalised numbers). */
    readonly jsonbUnfit: number
    readonly decimal: { readonly scale: number; readonly precision: number } | null
  } | null
  readonly blob: { readonly bytesMax: number; readonly uuidSized: number } | null
  /** First few keys or row numbers of values that stand out, for messages: problem -> examples. */
  readonly examples: Readonly<Record<string, readonly string[]>>
}

export interface SurveyKey {
  readonly name: string | null
  readonly columns: readonly string[]
  readonly collations: readonly (string | null)[]
  /** Rows that hold a NULL in the key (SQLite allows them in a primary key too). */
  readonly rowsWithNull: number
}

export interface SurveyIndex {
  readonly name: string
  readonly unique: boolean
  readonly parts: readonly {
    readonly column: string | null
    readonly expression: string | null
    readonly descending: boolean
    readonly collation: string | null
  }[]
  /** The predicate of a partial index, as source text. */
  readonly where: string | null
  readonly sql: string | null
}

export interface SurveyForeignKey {
  readonly name: string | null
  readonly columns: readonly string[]
  readonly references: { readonly table: string; readonly columns: readonly string[] }
  readonly onUpdate: string
  readonly onDelete: string
  readonly deferred: boolean
  /** Rows whose parent is missing; null when the parent table itself is. */
  readonly orphans: number | null
  readonly examples: readonly string[]
}

export interface SurveyCheck {
  readonly name: string | null
  readonly expression: string
}

export interface SurveyObject {
  readonly kind:
    | 'view'
    | 'trigger'
    | 'virtual table'
    | 'shadow table'
    | 'internal table'
    | 'routine'
    | 'sequence'
    | 'other'
  readonly name: string
  /** The table that it belongs to, if any. */
  readonly table: string | null
  readonly sql: string | null
  /** Tables and views that a view reads; null when it cannot be run in the source. */
  readonly reads: readonly string[] | null
  /** Why it cannot be used even in the source (a view on a missing table, a circular view). */
  readonly broken: string | null
  /** Rows that are nowhere else: what a virtual table keeps for itself. */
  readonly rows?: number
}
