/**
 * `--append`: the tables are there. They have to be empty and to have the planned columns; what would get in the way of
 * the load (triggers that fire, foreign keys between tables that are loaded at the same time) is recorded, set aside,
 * and put back at the end.
 */
import { SenseiError } from '@sensei/core/errors'
import type { TableMapping } from '@sensei/core/plan'
import type { Run } from '@sensei/core/ports/target'
import { quoteIdent, quoteQualified } from '@sensei/core/sql'
import { type Counts, NO_ROWS } from '../ledger.ts'
import type { Session } from '../session.ts'
import { suspend } from '../suspended.ts'

export interface AppendProblem {
  readonly code: 'TARGET_COLUMNS_DIFFER' | 'TARGET_TABLE_NOT_EMPTY'
  readonly message: string
}

/** What forbids loading into the table; null when nothing does. */
export async function appendProblem(
  session: Session,
  schema: string,
  table: TableMapping,
): Promise<AppendProblem | null> {
  const differ = await columnsDiffer(session, schema, table)
  if (differ !== null) return { code: 'TARGET_COLUMNS_DIFFER', message: differ }
  const name = quoteQualified(schema, table.target)
  const { rowCount } = await session.query(`select from only ${name} limit 1`)
  if (rowCount === 0) return null
  const message = `Table ${name} has rows: --append loads into empty tables only`
  return { code: 'TARGET_TABLE_NOT_EMPTY', message }
}

interface Column {
  readonly name: string
  readonly type: string
  /** Of a domain: the type below it. */
  readonly oid: string
}

/**
 * Types count as well as names: COPY BINARY is told no types, and eight bytes of an integer are as good as eight bytes
 * of a timestamp.
 */
async function columnsDiffer(
  session: Session,
  schema: string,
  table: TableMapping,
): Promise<string | null> {
  const name = quoteQualified(schema, table.target)
  const there = await columnsOf(session, schema, table.target)
  if (there === null)
    return `Table ${name} does not exist: --append loads into existing tables only`
  const planned = table.columns.map((column) => column.target)
  const extra = there.map((column) => column.name).filter((column) => !planned.includes(column))
  const missing = planned.filter((column) => !there.some((found) => found.name === column))
  if (extra.length + missing.length > 0) {
    return (
      `The columns of ${name} differ from the plan: ` +
      `extra in the target: ${list(extra)}; missing there: ${list(missing)}`
    )
  }
  const types = await typeOids(session, table)
  const others = there.filter((column) => types.get(column.name)?.oid !== column.oid)
  if (others.length === 0) return null
  const told = others.map(
    (column) =>
      `${quoteIdent(column.name)} is ${column.type} there and ${types.get(column.name)?.type} in the plan`,
  )
  return `The types of ${name} differ: ${told.join('; ')}. Change the types in the plan (--plan)`
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.map(quoteIdent).join(', ')
}

async function columnsOf(
  session: Session,
  schema: string,
  table: string,
): Promise<Column[] | null> {
  const { rows } = await session.query<Column | { name: null }>(
    `select a.attname::text as name, format_type(a.atttypid, a.atttypmod) as type,
       coalesce(nullif(t.typbasetype, 0), t.oid)::bigint::text as oid
     from pg_class c
     left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     left join pg_type t on t.oid = a.atttypid
     where c.relnamespace = (select oid from pg_namespace where nspname = $1)
       and c.relname = $2 and c.relkind in ('r', 'p')`,
    [schema, table],
  )
  if (rows.length === 0) return null
  return rows.filter((row) => row.name !== null)
}

async function typeOids(
  session: Session,
  table: TableMapping,
): Promise<ReadonlyMap<string, { oid: string; type: string }>> {
  const { rows } = await session.query<{ oid: string }>(
    `select coalesce(nullif(t.typbasetype, 0), t.oid)::bigint::text as oid
     from unnest($1::text[]) with ordinality as planned(type, place)
     left join pg_type t on t.oid = to_regtype(planned.type) order by place`,
    [table.columns.map((column) => column.type)],
  )
  return new Map(
    table.columns.map(({ target, type }, at) => [target, { oid: rows[at]?.oid ?? '', type }]),
  )
}

/** The step of an existing table. The lock comes first: nobody fills the table between the look and the commit. */
export async function adoptTable(
  session: Session,
  run: Run,
  schema: string,
  table: TableMapping,
): Promise<Counts> {
  const name = quoteQualified(schema, table.target)
  await session.query(`set local lock_timeout = '30s'`)
  const there = await session.query('select where to_regclass($1) is not null', [name])
  if (there.rowCount === 1) await session.query(`lock table ${name} in share row exclusive mode`)
  const problem = await appendProblem(session, schema, table)
  if (problem !== null) throw new SenseiError(problem.code, problem.message)
  await suspend(session, run.migrationId, name)
  return NO_ROWS
}

/** Triggers that would fire during the load: their names, for the preflight's finding. */
export async function firingTriggers(
  session: Session,
  schema: string,
  table: string,
): Promise<string[]> {
  const { rows } = await session.query<{ name: string }>(
    `select tgname::text as name from pg_trigger
     where tgrelid = to_regclass($1) and not tgisinternal and tgenabled in ('O', 'A')
     order by tgname`,
    [quoteQualified(schema, table)],
  )
  return rows.map((row) => row.name)
}
