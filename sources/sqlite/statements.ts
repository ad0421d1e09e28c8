/** Statements with the same text for every table are prepared once for each connection. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'

const known = new WeakMap<DatabaseSync, Map<string, StatementSync>>()

/** Only for texts that hold no name of a table, so that the map stays small. */
export function prepared(database: DatabaseSync, sql: string): StatementSync {
  let statements = known.get(database)
  if (statements === undefined) {
    statements = new Map()
    known.set(database, statements)
  }
  let statement = statements.get(sql)
  if (statement === undefined) {
    statement = database.prepare(sql)
    statements.set(sql, statement)
  }
  return statement
}
