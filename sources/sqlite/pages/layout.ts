/** Where a table's columns stand in its records. */
import type { DatabaseSync } from 'node:sqlite'
import { integerPrimaryKey } from '../reader/key-space.ts'
import { prepared } from '../statements.ts'

/** The place of a column that is another name of the rowid: its value in the record is NULL. */
export const ROWID = -1

export interface StoredColumn {
  /** Its number among the values of a record, or ROWID. */
  readonly place: number
  /** By its affinity every number in it is a floating point one; whole ones are stored as integers to save room. */
  readonly real: boolean
  /** A record that is older than the column has not its value; then it is NULL, unless the column has a default. */
  readonly nullWhereAbsent: boolean
}

export interface TableLayout {
  readonly root: number
  readonly columns: readonly StoredColumn[]
  /** How many values a record has at most. */
  readonly values: number
}

interface ColumnInfo {
  readonly name: string
  readonly type: string
  readonly hidden: number
  readonly dflt_value: string | null
}

const HIDDEN = 1
const COMPUTED_WHEN_READ = 2

/** Null where one of the columns is not in the records. `table` is a table with a rowid. */
export function layoutOf(
  database: DatabaseSync,
  table: string,
  names: readonly string[],
): TableLayout | null {
  const root = rootsOf(database).get(table) ?? 0
  const info = prepared(
    database,
    'select name, type, hidden, dflt_value from pragma_table_xinfo(?) order by cid',
  ).all(table) as unknown as ColumnInfo[]
  if (root === 0 || info.some(({ hidden }) => hidden === HIDDEN)) return null
  const stored = info.filter(({ hidden }) => hidden !== COMPUTED_WHEN_READ)
  const alias = integerPrimaryKey(database, table)
  const columns: StoredColumn[] = []
  for (const name of names) {
    const place = stored.findIndex((column) => column.name === name)
    const found = stored[place]
    if (found === undefined) return null
    columns.push({
      place: name === alias ? ROWID : place,
      real: isReal(found.type),
      nullWhereAbsent: found.dflt_value === null,
    })
  }
  return { root, columns, values: stored.length }
}

const roots = new WeakMap<DatabaseSync, ReadonlyMap<string, number>>()

/** Read once for each connection: the schema is a table without an index, and that of a private copy never changes. */
function rootsOf(database: DatabaseSync): ReadonlyMap<string, number> {
  const known = roots.get(database)
  if (known !== undefined) return known
  const rows = database
    .prepare(`select name, rootpage from sqlite_schema where type = 'table'`)
    .all() as { name: string; rootpage: number }[]
  const found = new Map(rows.map(({ name, rootpage }) => [name, rootpage]))
  roots.set(database, found)
  return found
}

/** https://sqlite.org/datatype3.html section 3.1, as far as it makes REAL. */
function isReal(declared: string): boolean {
  return /real|floa|doub/i.test(declared) && !/char|clob|text|blob|int/i.test(declared)
}
