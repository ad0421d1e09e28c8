/** Constraints and indexes of one table, from pg_catalog. */
import type { ClientBase } from 'pg'

export interface Constraint {
  readonly name: string
  /** pg_constraint.contype */
  readonly kind: string
  readonly validated: boolean
  readonly deferrable: boolean
  readonly columns: readonly string[]
  readonly references: string | null
  readonly referenced: readonly string[]
  /** Of a check. */
  readonly expression: string | null
  /** Spelled as in DDL, lower case. */
  readonly onDelete: string
  readonly onUpdate: string
}

export interface Index {
  readonly name: string
  readonly primary: boolean
  readonly unique: boolean
  readonly valid: boolean
  readonly where: string | null
  /** Over whole columns, of all rows. */
  readonly whole: boolean
  /** Columns and expressions, without order and collation of their own. */
  readonly parts: readonly string[]
  readonly descending: readonly boolean[]
  /** Names of the columns; expressions have none. */
  readonly columns: readonly string[]
}

const action = (column: string): string =>
  `case ${column} when 'a' then 'no action' when 'r' then 'restrict' when 'c' then 'cascade'
     when 'n' then 'set null' when 'd' then 'set default' else '' end`

const names = (relation: string, numbers: string): string =>
  `array(select a.attname::text from unnest(${numbers}) with ordinality as k(attnum, place)
     join pg_attribute a on a.attrelid = ${relation} and a.attnum = k.attnum order by k.place)`

export async function readConstraints(client: ClientBase, table: number): Promise<Constraint[]> {
  const { rows } = await client.query<Constraint>(
    `select c.conname as name, c.contype as kind, c.convalidated as validated, c.condeferrable as deferrable,
       ${names('c.conrelid', 'c.conkey')} as columns, f.relname as references,
       ${names('c.confrelid', 'c.confkey')} as referenced, pg_get_expr(c.conbin, c.conrelid) as expression,
       ${action('c.confdeltype')} as "onDelete", ${action('c.confupdtype')} as "onUpdate"
     from pg_constraint c left join pg_class f on f.oid = c.confrelid where c.conrelid = $1`,
    [table],
  )
  return rows
}

export async function readIndexes(client: ClientBase, table: number): Promise<Index[]> {
  const { rows } = await client.query<Index>(
    `select c.relname as name, i.indisprimary as primary, i.indisunique as unique,
       i.indisvalid and i.indisready as valid, pg_get_expr(i.indpred, i.indrelid) as where,
       i.indpred is null and i.indexprs is null as whole,
       array(select pg_get_indexdef(i.indexrelid, place, false) from generate_series(1, i.indnkeyatts::int) place) as parts,
       array(select i.indoption[place - 1] & 1 = 1 from generate_series(1, i.indnkeyatts::int) place) as descending,
       ${names('i.indrelid', '(i.indkey::int2[])[0:i.indnkeyatts - 1]')} as columns
     from pg_index i join pg_class c on c.oid = i.indexrelid where i.indrelid = $1`,
    [table],
  )
  return rows
}
