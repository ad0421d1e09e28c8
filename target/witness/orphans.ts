/** Rows whose foreign key names a parent that is not there, counted whatever the constraint itself claims. */
import type { ForeignKeyMapping, Plan } from '@sensei/core/plan'
import { quoteIdent, quoteQualified } from '@sensei/core/sql'
import type { ClientBase } from 'pg'
import { Locks } from './locks.ts'

export interface Orphans {
  readonly table: string
  readonly name: string
  readonly orphans: number
}

/** A column that is not there must fail this question only: whatever is asked next needs the same transaction. */
export async function countOrphans(
  client: ClientBase,
  schema: string,
  plan: Plan,
): Promise<Orphans[]> {
  const found: Orphans[] = []
  const locks = new Locks(client, 'sensei_orphans')
  try {
    for (const table of plan.tables) {
      for (const key of table.foreign_keys) {
        await locks.next()
        const { rows } = await client.query<{ orphans: string }>(query(schema, table.target, key))
        found.push({ table: table.target, name: key.name, orphans: Number(rows[0]?.orphans ?? 0) })
      }
    }
    return found
  } finally {
    await locks.end()
  }
}

/** MATCH SIMPLE: a key with a NULL in it refers to nothing. */
function query(schema: string, table: string, key: ForeignKeyMapping): string {
  const set = key.columns.map((column) => `child.${quoteIdent(column)} is not null`)
  const pairs = key.columns.map(
    (column, place) =>
      `child.${quoteIdent(column)} = parent.${quoteIdent(key.references.columns[place] ?? '')}`,
  )
  return `select count(*) as orphans from ${quoteQualified(schema, table)} child
    where ${set.join(' and ')} and not exists (
      select from ${quoteQualified(schema, key.references.table)} parent where ${pairs.join(' and ')})`
}
