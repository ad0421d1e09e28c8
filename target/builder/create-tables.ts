/** The schema and the empty tables, a step each; with `--append` the tables are there and are only made ready. */
import type { Plan, TableMapping } from '@sensei/core/plan'
import type { Run } from '@sensei/core/ports/target'
import type { Receipt } from '@sensei/core/receipt'
import { quoteIdent } from '@sensei/core/sql'
import { addToManifest, type Counts, NO_ROWS, type Step } from '../ledger.ts'
import type { Session } from '../session.ts'
import { type Writer, worthOneByOne } from '../writer.ts'
import { adoptTable } from './append.ts'
import { createTableSql } from './table-ddl.ts'

const lockTimeout = `set local lock_timeout = '30s'`
/** Each new table takes about five locks until the COMMIT: itself, its TOAST table and index, its sequence. */
const TABLES_TOGETHER = 25

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
  for (let at = 0; at < plan.tables.length; at += TABLES_TOGETHER) {
    const some = plan.tables.slice(at, at + TABLES_TOGETHER)
    receipts.push(...(await createSome(writer, run, plan, some)))
  }
  return receipts
}

/** In one transaction; one by one where something of one of them is refused, so that the others stand. */
async function createSome(
  writer: Writer,
  run: Run,
  plan: Plan,
  tables: readonly TableMapping[],
): Promise<readonly Receipt[]> {
  const { schema } = plan.target
  if (!plan.append && tables.length > 1) {
    try {
      return await writer.together(tables.map(stepOf), async (session, fresh) => {
        const names = new Set(fresh.map((step) => step.table))
        const missing = tables.filter((table) => names.has(table.target))
        await createEach(session, run, schema, missing)
        return fresh.map(() => NO_ROWS)
      })
    } catch (error) {
      if (!worthOneByOne(error)) throw error
    }
  }
  const receipts: Receipt[] = []
  for (const table of tables) {
    const work = async (session: Session): Promise<Counts> => {
      if (plan.append) return adoptTable(session, run, schema, table)
      await createEach(session, run, schema, [table])
      return NO_ROWS
    }
    receipts.push(await writer.step(stepOf(table), work))
  }
  return receipts
}

function stepOf(table: TableMapping): Step {
  return { name: `table ${table.target}`, kind: 'table', table: table.target }
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

async function createEach(
  session: Session,
  run: Run,
  schema: string,
  tables: readonly TableMapping[],
): Promise<void> {
  await session.query(lockTimeout)
  await useSearchPath(session, schema)
  for (const table of tables) await session.statement(createTableSql(schema, table))
  const { rows } = await session.query<{ oid: string; kind: string; name: string }>(
    `with made as (
       select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where n.nspname = $1 and c.relname = any ($2::text[])
     ), owned as (
       select d.objid as oid from made join pg_depend d on d.refobjid = made.oid
       where d.refclassid = 'pg_class'::regclass and d.classid = 'pg_class'::regclass
         and d.deptype in ('a', 'i') and d.refobjsubid > 0
     )
     select oid::bigint::text as oid, case relkind when 'S' then 'sequence' else 'table' end as kind,
       format('%I.%I', relnamespace::regnamespace::text, relname) as name
     from pg_class join (select oid from made union select oid from owned) new using (oid)
     where oid in (select oid from made) or relkind = 'S'`,
    [schema, tables.map((table) => table.target)],
  )
  await addToManifest(session, run, ...rows.map((row) => ({ ...row, oid: Number(row.oid) })))
}

/** A plan's expressions may name the target schema's own types and functions. */
export async function useSearchPath(session: Session, schema: string): Promise<void> {
  await session.query(`select set_config('search_path', $1, true)`, [quoteIdent(schema)])
}
