/** Parts of SQL that the ways of reading share. */
import type { TableMapping } from '@sensei/core/plan'
import { quoteIdent } from '@sensei/core/sql'

/** SQLite takes this many arguments, less some room. */
const ARGUMENTS_MAX = 900

/** concat() takes all parts at once; a chain of || would be too deep for a wide table. */
export function concatenation(cells: readonly string[]): string {
  if (cells.length === 0) return `''`
  if (cells.length <= ARGUMENTS_MAX) return `concat(${cells.join(', ')})`
  const parts: string[] = []
  for (let at = 0; at < cells.length; at += ARGUMENTS_MAX) {
    parts.push(concatenation(cells.slice(at, at + ARGUMENTS_MAX)))
  }
  return concatenation(parts)
}

export function rowidOf(table: TableMapping, rowid: string | null): string {
  return `${quoteIdent(table.source)}.${rowid}`
}
