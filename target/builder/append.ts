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
  const name = quoteQualified(schema, table.target)
  const there = await columnsOf(session, schema, table.target)
  if (there === null) {
    const message = `Table ${name} does not exist: --append loads into existing tables only`
    return { code: 'TARGET_COLUMNS_DIFFER', message }
  }
  const planned = table.columns.map((column) => column.target)
  const extra = there.filter((column) => !planned.includes(column))
  const missing = planned.filter((column) => !there.includes(column))
  if (extra.length + missing.length > 0) {
    const message =
      `The columns of ${name} differ from the plan: ` +
      `extra in the target: ${list(extra)}; missing there: ${list(missing)}`
    return { code: 'TARGET_COLUMNS_DIFFER', message }
  }
  const { rowCount } = await session.query(`select from only ${name} limit 1`)
  if (rowCount === 0) return null
  const message = `Table ${name} has rows: --append loads into empty tables only`
  return { code: 'TARGET_TABLE_NOT_EMPTY', message }
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.map(quoteIdent).join(', ')
}

async function columnsOf(
  session: Session,
  schema: string,
  table: string,
): Promise<string[] | null> {
  const { rows } = await session.query<{ column: string | null }>(
    `select a.attname::text as column from pg_class c
     left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where c.relnamespace = (select oid from pg_namespace where nspname = $1)
       and c.relname = $2 and c.relkind in ('r', 'p')`,
    [schema, table],
  )
  if (rows.length === 0) return null
  return rows.flatMap(({ column }) => (column === null ? [] : [column]))
}

/** The step of an existing table. The lock keeps others from filling it between the look and the load. */
export async function adoptTable(
  session: Session,
  run: Run,
  schema: string,
  table: TableMapping,
): Promise<Counts> {
  const name = quoteQualified(schema, table.target)
  await session.query(`set local lock_timeout = '30s'`)
  const problem = await appendProblem(session, schema, table)
  if (problem !== null) throw new SenseiError(problem.code, problem.message)
  await session.query(`lock table ${name} in share row exclusive mode`)
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
