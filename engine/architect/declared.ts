/**
 * What a column's declared type says. SQLite keeps any text there and derives only an affinity from it; the families
 * below add the names that people and their tools use on purpose.
 */
export type Family =
  | 'boolean'
  | 'integer'
  | 'real'
  | 'decimal'
  | 'text'
  | 'blob'
  | 'date'
  | 'timestamp'
  | 'timestamptz'
  | 'time'
  | 'uuid'
  | 'json'
  | 'jsonb'
  | 'none'

export interface Declared {
  readonly family: Family
  /** The numbers in parentheses, if they are plain: `decimal(10,2)`. */
  readonly precision: number | null
  readonly scale: number | null
}

const NAMED: Readonly<Record<string, Family>> = {
  BOOL: 'boolean',
  BOOLEAN: 'boolean',
  DATE: 'date',
  DATETIME: 'timestamp',
  DATETIME2: 'timestamp',
  SMALLDATETIME: 'timestamp',
  TIMESTAMP: 'timestamp',
  'TIMESTAMP WITHOUT TIME ZONE': 'timestamp',
  TIMESTAMPTZ: 'timestamptz',
  'TIMESTAMP WITH TIME ZONE': 'timestamptz',
  DATETIMEOFFSET: 'timestamptz',
  TIME: 'time',
  UUID: 'uuid',
  GUID: 'uuid',
  UNIQUEIDENTIFIER: 'uuid',
  JSON: 'json',
  JSONB: 'jsonb',
  STRING: 'text',
  ANY: 'none',
  BIT: 'boolean',
}

export function readDeclared(declared: string): Declared {
  const upper = declared.toUpperCase().trim()
  const bare = upper
    .replace(/\([^)]*\)/, '')
    .replace(/\s+/g, ' ')
    .trim()
  const [precision, scale] = numbersOf(upper)
  const family =
    bare === 'TINYINT' && precision === 1 ? 'boolean' : (NAMED[bare] ?? affinity(upper))
  return { family, precision, scale }
}

function numbersOf(upper: string): [number | null, number | null] {
  const match = /\(\s*(\d{1,4})\s*(?:,\s*(\d{1,4})\s*)?\)/.exec(upper)
  if (match === null) return [null, null]
  return [Number(match[1]), match[2] === undefined ? null : Number(match[2])]
}

/** SQLite's own five rules, in its order. */
function affinity(upper: string): Family {
  if (upper.includes('INT')) return 'integer'
  if (/CHAR|CLOB|TEXT/.test(upper)) return 'text'
  if (upper.includes('BLOB')) return 'blob'
  if (upper === '') return 'none'
  if (/REAL|FLOA|DOUB/.test(upper)) return 'real'
  return 'decimal'
}
