/**
 * The order in which a table can be cut into ranges: its rowid, or the primary key of a WITHOUT ROWID table in the
 * index's own order and collation. A range is `after < key <= through`, each end open where it is null, so ranges that
 * were cut from one snapshot cover any other snapshot as well.
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import type { Json } from '@sensei/core/json'
import { quoteIdent } from '@sensei/core/sql'
import { prepared } from '../statements.ts'

export interface KeySpace {
  /** SQL of each key part, with its collation; empty when the table can only be read as a whole. */
  readonly parts: readonly string[]
  readonly descending: boolean
  readonly rowid: boolean
}

export interface KeyRange {
  readonly after: readonly Json[] | null
  readonly through: readonly Json[] | null
}

const WHOLE: KeySpace = { parts: [], descending: false, rowid: false }

export function keySpaceOf(database: DatabaseSync, table: string): KeySpace {
  const primaryKey = withoutRowidKey(database, table)
  const keys = primaryKey === null ? rowidSpace(database, table) : primaryKeySpace(primaryKey)
  return works(database, table, keys) ? keys : WHOLE
}

interface KeyPart {
  readonly cid: number
  readonly name: string
  readonly desc: number
  readonly coll: string
  readonly key: number
}

/**
 * The parts of the primary key that a WITHOUT ROWID table is stored by; null for a table with a rowid, whose primary key
 * index, if it has one, ends with the rowid (cid -1). pragma_table_list says it too, but walks the whole schema.
 */
function withoutRowidKey(database: DatabaseSync, table: string): readonly KeyPart[] | null {
  const list = prepared(database, `select name from pragma_index_list(?) where origin = 'pk'`)
  const index = list.get(table) as { name: string } | undefined
  if (index === undefined) return null
  const info = prepared(
    database,
    'select cid, name, "desc", coll, "key" from pragma_index_xinfo(?) order by seqno',
  )
  const parts = info.all(index.name) as unknown as KeyPart[]
  return parts.some(({ cid }) => cid === -1) ? null : parts.filter(({ key }) => key === 1)
}

/** A column may be called rowid; then one of the other names still means it. */
function rowidSpace(database: DatabaseSync, table: string): KeySpace {
  const info = prepared(database, 'select name from pragma_table_xinfo(?)')
  const taken = new Set(
    (info.all(table) as { name: string }[]).map(({ name }) => name.toLowerCase()),
  )
  const alias = ['rowid', '_rowid_', 'oid'].find((name) => !taken.has(name))
  if (alias !== undefined) return { parts: [alias], descending: false, rowid: true }
  const integerKey = integerPrimaryKey(database, table)
  return integerKey === null
    ? WHOLE
    : { parts: [quoteIdent(integerKey)], descending: false, rowid: true }
}

/** The column that is another name of the rowid. SQLite says so itself: such a key has no index of its own. */
export function integerPrimaryKey(database: DatabaseSync, table: string): string | null {
  const info = prepared(database, 'select name, type from pragma_table_xinfo(?) where pk > 0')
  const parts = info.all(table) as { name: string; type: string }[]
  const indexed = prepared(database, `select 1 from pragma_index_list(?) where origin = 'pk'`).get(
    table,
  )
  const [only] = parts
  if (parts.length !== 1 || only === undefined || indexed !== undefined) return null
  return only.type.toLowerCase() === 'integer' ? only.name : null
}

function primaryKeySpace(parts: readonly KeyPart[]): KeySpace {
  const descending = parts[0]?.desc === 1
  // A row value compares all its parts in one direction.
  if (parts.some(({ desc }) => (desc === 1) !== descending)) return WHOLE
  return {
    parts: parts.map(({ name, coll }) => `${quoteIdent(name)} collate ${quoteIdent(coll)}`),
    descending,
    rowid: false,
  }
}

/** An unknown collation (an application's own) makes a key that we cannot seek by; a rowid has none. */
function works(database: DatabaseSync, table: string, keys: KeySpace): boolean {
  if (keys.rowid || keys.parts.length === 0) return true
  try {
    database.prepare(`select 1 from ${quoteIdent(table)} order by ${orderBy(keys)} limit 0`)
    return true
  } catch {
    return false
  }
}

export function orderBy(keys: KeySpace): string {
  return keys.parts.map((part) => (keys.descending ? `${part} desc` : part)).join(', ')
}

export interface Condition {
  /** `where …`, or nothing. */
  readonly where: string
  readonly values: readonly SQLInputValue[]
}

export function condition(keys: KeySpace, range: KeyRange): Condition {
  const terms: string[] = []
  const values: SQLInputValue[] = []
  const add = (operator: string, bound: readonly Json[] | null): void => {
    if (bound === null) return
    const decoded = bound.map(decodeKey)
    const placeholders = decoded.map(({ text }) => (text ? '+cast(? as text)' : '?'))
    terms.push(`(${keys.parts.join(', ')}) ${operator} (${placeholders.join(', ')})`)
    values.push(...decoded.map(({ value }) => value))
  }
  add(keys.descending ? '<' : '>', range.after)
  add(keys.descending ? '>=' : '<=', range.through)
  return { where: terms.length === 0 ? '' : `where ${terms.join(' and ')}`, values }
}

/**
 * Columns that name a key exactly: class and bytes, because a text may hold any bytes. Two columns for each part.
 */
export function keyColumns(keys: KeySpace): string {
  return keys.parts
    .map((part) => `typeof(${part}), iif(typeof(${part}) = 'text', cast(${part} as blob), ${part})`)
    .join(', ')
}

/** A key as a person reads it: `3`, or `'abc', 7`. */
export function keyText(keys: KeySpace): string {
  const parts = keys.parts.map((part) => (keys.rowid ? `cast(${part} as text)` : `quote(${part})`))
  return parts.join(` || ', ' || `)
}

/** What `keyColumns` selected, as JSON: ["i","12"], ["t", base64], ["b", base64], ["r", "0.1"]. */
export function encodeKeys(cells: readonly unknown[]): readonly Json[] {
  const keys: Json[] = []
  for (let at = 0; at < cells.length; at += 2) {
    const storage = String(cells[at])
    const value = cells[at + 1]
    const plain =
      value instanceof Uint8Array ? Buffer.from(value).toString('base64') : String(value)
    keys.push([storage.charAt(0), Object.is(value, -0) ? '-0' : plain])
  }
  return keys
}

export function rowidKey(rowid: number | bigint): KeyRange['after'] {
  return [['i', String(rowid)]]
}

/** The bound of a range of rowids; a bigint only beyond 2^53. */
export function rowidBound(bound: KeyRange['after']): number | bigint | null {
  if (bound === null) return null
  const value = decodeKey(bound[0]!).value as bigint
  const plain = Number(value)
  return Number.isSafeInteger(plain) ? plain : value
}

function decodeKey(key: Json): { value: SQLInputValue; text: boolean } {
  const [storage, value] = key as [string, string]
  switch (storage) {
    case 'i':
      return { value: BigInt(value), text: false }
    case 'r':
      return { value: Number(value), text: false }
    case 'n':
      return { value: null, text: false }
    default:
      return { value: Buffer.from(value, 'base64'), text: storage === 't' }
  }
}
