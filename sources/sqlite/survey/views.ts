/** Views: what each reads, and whether it can be run at all. SQLite creates views on tables that are not there, and circular ones. */
import { constants, type DatabaseSync } from 'node:sqlite'
import { quoteIdent } from '@sensei/core/sql'
import type { SurveyObject } from '@sensei/core/survey'
import type { CatalogueObject } from './catalogue.ts'
import { tokens } from './tokens.ts'

/** `database` is open with double-quoted texts allowed, as SQLite reads the views of old schemas. */
export function viewReader(database: DatabaseSync, names: ReadonlyMap<string, string>) {
  return (view: CatalogueObject): SurveyObject => {
    // SQLite tells of every column that is read; where only rows are counted, the text has to tell.
    const reads = new Set(namedSources(view.sql ?? '', names))
    // Called for each column that the statement will read; the last argument names the view that asks for it.
    database.setAuthorizer((action, table, _column, _database, asking) => {
      if (action === constants.SQLITE_READ && asking === view.name && table !== null)
        reads.add(table)
      return constants.SQLITE_OK
    })
    try {
      database.prepare(`select * from ${quoteIdent(view.name)}`)
      return {
        kind: 'view',
        name: view.name,
        table: null,
        sql: view.sql,
        reads: [...reads],
        broken: null,
      }
    } catch (error) {
      const broken = error instanceof Error ? error.message : String(error)
      return { kind: 'view', name: view.name, table: null, sql: view.sql, reads: null, broken }
    } finally {
      database.setAuthorizer(null)
    }
  }
}

/** Tables and views that stand behind FROM or JOIN, by their names in lower case. */
function namedSources(sql: string, names: ReadonlyMap<string, string>): readonly string[] {
  const found: string[] = []
  let previous = ''
  for (const token of tokens(sql)) {
    const known = token.kind === 'sign' ? undefined : names.get(token.text.toLowerCase())
    if (known !== undefined && (previous === 'FROM' || previous === 'JOIN')) found.push(known)
    previous = token.kind === 'word' ? token.text.toUpperCase() : ''
  }
  return found
}
