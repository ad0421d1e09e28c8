/** The schema and the empty tables, one step each; with `--append` the tables are there and are only made ready. */
import type { Plan, TableMapping } from '@sensei/core/plan'
import type { Run } from '@sensei/core/ports/target'
import type { Receipt } from '@sensei/core/receipt'
import { quoteIdent, quoteQualified } from '@sensei/core/sql'
import { addToManifest, type Counts, NO_ROWS, type Step } from '../ledger.ts'
import type { Session } from '../session.ts'
import type { Writer } from '../writer.ts'
import { adoptTable } from './append.ts'
import { createTableSql } from './table-ddl.ts'

const lockTimeout = `set local lock_timeout = '30s'`

export async function createTables(
  writer: Writer,
  run: Run,
  plan: Plan,
): Promise<readonly Receipt[]> {
  const receipts: Receipt[] = []
  const { schema } = plan.target
  if (!plan.append) {
    const step: Step = { name: `schema ${schema}`, kind: 'schema', table: null }
    receipts.push(await writer.step(step, (session) => createSchema(session, run, schema)))
  }
  for (const table of plan.tables) {
    const step: Step = { name: `table ${table.target}`, kind: 'table', table: table.target }
    receipts.push(
      await writer.step(step, (session) =>
        plan.append
          ? adoptTable(session, run, schema, table)
          : createTable(session, run, schema, table),
      ),
    )
  }
  return receipts
}

async function createSchema(session: Session, run: Run, schema: string): Promise<Counts> {
  const there = await session.query('select from pg_namespace where nspname = $1', [schema])
  if (there.rowCount !== 0) return NO_ROWS
  await session.query(`create schema ${quoteIdent(schema)}`)
  const { rows } = await session.query<{ oid: string }>(
    'select oid::bigint::text as oid from pg_namespace where nspname = $1',
    [schema],
  )
  const entry = { oid: Number(rows[0]?.oid), kind: 'schema', name: quoteIdent(schema) }
  await addToManifest(session, run, entry)
  return NO_ROWS
}

async function createTable(
  session: Session,
  run: Run,
  schema: string,
  table: TableMapping,
): Promise<Counts> {
  await session.query(lockTimeout)
  await useSearchPath(session, schema)
  await session.statement(createTableSql(schema, table))
  const name = quoteQualified(schema, table.target)
  const { rows } = await session.query<{ oid: string; kind: string; name: string }>(
    `select oid::bigint::text as oid, case relkind when 'S' then 'sequence' else 'table' end as kind,
       format('%I.%I', relnamespace::regnamespace::text, relname) as name
     from pg_class where oid = $1::regclass
        or oid in (select objid from pg_depend where classid = 'pg_class'::regclass
                     and refobjid = $1::regclass and deptype in ('a', 'i') and refobjsubid > 0)
       and relkind = 'S'`,
    [name],
  )
  for (const created of rows) {
    await addToManifest(session, run, { ...created, oid: Number(created.oid) })
  }
  return NO_ROWS
}

/** A plan's expressions may name the target schema's own types and functions. */
export async function useSearchPath(session: Session, schema: string): Promise<void> {
  await session.query(`select set_config('search_path', $1, true)`, [quoteIdent(schema)])
}
