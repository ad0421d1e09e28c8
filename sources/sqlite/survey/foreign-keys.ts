/** Foreign keys, and the rows whose parent is missing, counted by SQLite. */
import type { DatabaseSync } from 'node:sqlite'
import { quoteIdent } from '@sensei/core/sql'
import type { SurveyForeignKey } from '@sensei/core/survey'
import { isSqlError } from '../open.ts'
import type { TableFacts } from './catalogue.ts'

const EXAMPLES_MAX = 3

interface ForeignKeyRow {
  readonly id: number
  readonly table: string
  readonly from: string
  readonly to: string | null
  readonly on_update: string
  readonly on_delete: string
}

export function foreignKeyReader(database: DatabaseSync, tableNames: ReadonlyMap<string, string>) {
  const list = database.prepare(
    'select id, "table", "from", "to", on_update, on_delete from pragma_foreign_key_list(?) order by id, seq',
  )
  const keyOf = database.prepare('select name from pragma_table_xinfo(?) where pk > 0 order by pk')

  return (child: TableFacts): readonly SurveyForeignKey[] => {
    const rows = list.all(child.name) as unknown as ForeignKeyRow[]
    if (rows.length === 0) return []
    const ids = [...new Set(rows.map(({ id }) => id))].sort((left, right) => right - left)
    // SQLite numbers them backwards: the first one written has the highest id.
    return ids.map((id, place) => {
      const parts = rows.filter((row) => row.id === id)
      const written = child.definition.foreignKeys[place]
      return foreignKey(child, parts, written ?? { name: null, deferred: false })
    })
  }

  function foreignKey(
    child: TableFacts,
    parts: readonly ForeignKeyRow[],
    written: { readonly name: string | null; readonly deferred: boolean },
  ): SurveyForeignKey {
    const first = parts[0]!
    const parent = tableNames.get(first.table.toLowerCase()) ?? null
    const columns = parts.map(({ from }) => from)
    const named = parts.flatMap(({ to }) => (to === null ? [] : [to]))
    const referenced =
      named.length > 0 || parent === null
        ? named
        : (keyOf.all(parent) as { name: string }[]).map(({ name }) => name)
    const orphans = parent === null ? null : countOrphans(child, columns, parent, referenced)
    return {
      name: written.name,
      columns,
      references: { table: parent ?? first.table, columns: referenced },
      onUpdate: first.on_update,
      onDelete: first.on_delete,
      deferred: written.deferred,
      orphans: orphans?.count ?? null,
      examples: orphans?.examples ?? [],
    }
  }

  /** Null where the key names columns that the parent does not have: SQLite cannot enforce it either. */
  function countOrphans(
    child: TableFacts,
    columns: readonly string[],
    parent: string,
    referenced: readonly string[],
  ): { count: number; examples: string[] } | null {
    if (referenced.length !== columns.length) return null
    const present = columns.map((column) => `c.${quoteIdent(column)} is not null`).join(' and ')
    // The parent's column stands on the left: its collation and affinity decide, as in SQLite's own check.
    const equal = columns.map(
      (column, at) => `p.${quoteIdent(referenced[at]!)} = c.${quoteIdent(column)}`,
    )
    const orphan = `from ${quoteIdent(child.name)} as c where ${present} and not exists (select 1 from ${quoteIdent(parent)} as p where ${equal.join(' and ')})`
    try {
      const counted = database.prepare(`select count(*) as count ${orphan}`).get() as {
        count: number
      }
      if (counted.count === 0) return { count: 0, examples: [] }
      const shown = exampleColumns(child)
        .map((sql) => `quote(${sql})`)
        .join(` || ', ' || `)
      const rows = database
        .prepare(`select ${shown} as example ${orphan} limit ${EXAMPLES_MAX}`)
        .all()
      return {
        count: counted.count,
        examples: (rows as { example: string }[]).map(({ example }) => example),
      }
    } catch (error) {
      if (!isSqlError(error)) throw error
      return null
    }
  }
}

/** What names a row for a person: its key, or its rowid. */
function exampleColumns(child: TableFacts): readonly string[] {
  const key = child.primaryKey?.columns.map((column) => `c.${quoteIdent(column)}`)
  return key ?? ['c.rowid']
}
