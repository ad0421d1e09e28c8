/** Ranges of rowids that cover a table. */
import type { DatabaseSync } from 'node:sqlite'
import type { Json } from '@sensei/core/json'
import { quoteIdent } from '@sensei/core/sql'
import { prepared } from '../statements.ts'

const ALIASES = ['rowid', '_rowid_', 'oid'] as const
export type RowidAlias = (typeof ALIASES)[number]

const ROWS_PER_RANGE_MIN = 20_000

/** The name by which a table's rowid can be read; null for WITHOUT ROWID, views and tables whose columns hide it. */
export function rowidAlias(database: DatabaseSync, table: string): RowidAlias | null {
  const columns = prepared(database, 'select name from pragma_table_xinfo(?)').all(table)
  const taken = new Set(columns.map(({ name }) => String(name).toLowerCase()))
  const alias = ALIASES.find((name) => !taken.has(name))
  if (alias === undefined) return null
  return rowidTables(database).has(table) ? alias : null
}

const listed = new WeakMap<DatabaseSync, ReadonlySet<string>>()

/** Read once for each connection: SQLite walks the whole schema for it, and the private copy's never changes. */
function rowidTables(database: DatabaseSync): ReadonlySet<string> {
  const known = listed.get(database)
  if (known !== undefined) return known
  const rows = database
    .prepare(
      `select name from pragma_table_list where schema = 'main' and wr = 0 and type = 'table'`,
    )
    .all()
  const tables = new Set(rows.map(({ name }) => String(name)))
  listed.set(database, tables)
  return tables
}

/** The span between the lowest and the highest rowid, in equal parts: where rowids have gaps, ranges hold fewer rows. */
export function splitRowids(
  database: DatabaseSync,
  table: string,
  rowid: string | null,
  options: { parts: number; rows: number },
): Json[] {
  const count = BigInt(Math.min(options.parts, Math.floor(options.rows / ROWS_PER_RANGE_MIN)))
  // One range needs no bounds. Of thousands of small tables each statement would be kept until the next collection.
  if (rowid === null || count <= 1n) return [null]
  const id = `${quoteIdent(table)}.${rowid}`
  const from = quoteIdent(table)
  // Each by itself, or SQLite would not look at the ends of the tree but at every row.
  const ends = database
    .prepare(
      `select cast((select min(${id}) from ${from}) as text) as low, cast((select max(${id}) from ${from}) as text) as high`,
    )
    .get()
  if (ends?.['low'] == null) return [null]
  const [low, high] = [BigInt(String(ends['low'])), BigInt(String(ends['high']))]
  const span = high - low + 1n
  const bounds = Array.from(
    { length: Number(count) },
    (_, part) => low + (span * BigInt(part)) / count,
  )
  return bounds.map((from, part) => ({
    from: String(from),
    to: String(part + 1 < bounds.length ? (bounds[part + 1] as bigint) - 1n : high),
  }))
}
