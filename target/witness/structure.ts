/** How the target's tables are built, against what the plan asks for. */
import { canonicalType } from '@sensei/core/canonical/types'
import type { ColumnMapping, ForeignKeyMapping, Plan, TableMapping } from '@sensei/core/plan'
import { quoteIdent, quoteQualified } from '@sensei/core/sql'
import type { StructureFinding } from '@sensei/core/verdict'
import type { ClientBase } from 'pg'
import { type CatalogueColumn, type CatalogueTable, readCatalogue } from './catalogue.ts'
import { type Constraint, type Index, readConstraints, readIndexes } from './constraints.ts'
import { sameExpression } from './expressions.ts'
import { readGuards } from './guards.ts'
import { Locks } from './locks.ts'

type Report = (object: string, kind: string, problem: string) => void

export async function compareStructure(
  client: ClientBase,
  schema: string,
  plan: Plan,
): Promise<StructureFinding[]> {
  const findings: StructureFinding[] = []
  const report: Report = (object, kind, problem) => findings.push({ object, kind, problem })
  const catalogue = new Map(
    (await readCatalogue(client, schema)).map((table) => [table.name, table]),
  )
  const locks = new Locks(client, 'sensei_structure')
  try {
    for (const table of plan.tables) {
      await locks.next()
      const actual = catalogue.get(table.target)
      if (actual === undefined || actual.kind === 'v') report(table.target, 'table', 'is missing')
      else await compareTable(client, plan, { table, actual, report })
    }
  } finally {
    await locks.end()
  }
  for (const view of plan.views) {
    if (catalogue.get(view.target)?.kind !== 'v') report(view.target, 'view', 'is missing')
  }
  return findings
}

interface Pair {
  readonly table: TableMapping
  readonly actual: CatalogueTable
  readonly report: Report
}

async function compareTable(client: ClientBase, plan: Plan, pair: Pair): Promise<void> {
  const { schema } = plan.target
  const { table, actual, report } = pair
  // A table that was there before keeps the rules that its owner gave it.
  if (plan.append) return compareAppended(client, schema, pair)
  await compareColumns(client, schema, pair)
  await compareConstraints(client, schema, pair)
  for (const { object, kind, problem } of await readGuards(client, actual.oid))
    report(object, kind, `of ${table.target} ${problem}`)
}

async function compareColumns(
  client: ClientBase,
  schema: string,
  { table, actual, report }: Pair,
): Promise<void> {
  const found = new Map(actual.columns.map((column) => [column.name, column]))
  for (const column of table.columns) {
    const object = `${table.target}.${column.target}`
    const is = found.get(column.target)
    found.delete(column.target)
    if (is === undefined) {
      report(object, 'column', 'is missing')
      continue
    }
    if (!sameType(column.type, is.type))
      report(object, 'column', `is ${is.type}, not ${column.type}`)
    const inPrimaryKey = table.primary_key?.columns.includes(column.target) === true
    if (!column.nullable && is.nullable) report(object, 'column', 'may be NULL')
    if (column.nullable && !is.nullable && !inPrimaryKey)
      report(object, 'column', 'may not be NULL, against the plan')
    await compareDefault(client, quoteQualified(schema, table.target), {
      column,
      is,
      object,
      report,
    })
    await compareIdentity(client, quoteQualified(schema, table.target), {
      column,
      is,
      object,
      report,
    })
  }
  for (const extra of found.keys())
    report(`${table.target}.${extra}`, 'column', 'is not in the plan')
}

/** Of a table that was there before: the columns that were loaded, and that the next key it gives is a free one. */
async function compareAppended(
  client: ClientBase,
  schema: string,
  { table, actual, report }: Pair,
): Promise<void> {
  const found = new Map(actual.columns.map((column) => [column.name, column]))
  for (const column of table.columns) {
    const object = `${table.target}.${column.target}`
    const is = found.get(column.target)
    if (is === undefined) report(object, 'column', 'is missing')
    else if (!sameType(column.type, is.type))
      report(object, 'column', `is ${is.type}, not ${column.type}`)
    else if (is.identity !== '') {
      await compareIdentity(client, quoteQualified(schema, table.target), {
        column,
        is,
        object,
        report,
      })
    }
  }
}

function sameType(planned: string, is: string): boolean {
  const [left, right] = [canonicalType(planned), canonicalType(is)]
  if (left === null || right === null) {
    return planned.replace(/\s|"/g, '').toLowerCase() === is.replace(/\s|"/g, '').toLowerCase()
  }
  return left.name === right.name && left.size === right.size && left.scale === right.scale
}

interface ColumnPair {
  readonly column: ColumnMapping
  readonly is: CatalogueColumn
  readonly object: string
  readonly report: Report
}

async function compareDefault(
  client: ClientBase,
  table: string,
  { column, is, object, report }: ColumnPair,
): Promise<void> {
  if ((column.generated !== null) !== (is.generated !== '')) {
    report(
      object,
      'generated column',
      column.generated === null ? 'is generated, against the plan' : 'is not generated',
    )
    return
  }
  if (
    column.generated !== null &&
    is.default !== null &&
    !(await sameExpression(client, table, column.generated, is.default))
  ) {
    report(object, 'generated column', `is computed as ${is.default}, not as ${column.generated}`)
  }
  if (column.generated !== null || is.identity !== '') return
  if ((column.default === null) !== (is.default === null)) {
    report(
      object,
      'default',
      is.default === null ? 'is missing' : `is ${is.default}, against the plan`,
    )
  } else if (
    column.default !== null &&
    is.default !== null &&
    !(await sameValue(client, column.default, is.default, is.type))
  ) {
    report(object, 'default', `is ${is.default}, not ${column.default}`)
  }
}

/**
 * PostgreSQL rewrites an expression when it stores it, so the two texts are evaluated instead, in one transaction
 * (in which the time stands still). Expressions that cannot be evaluated here are taken as they are.
 */
async function sameValue(
  client: ClientBase,
  planned: string,
  is: string,
  type: string,
): Promise<boolean> {
  if (planned === is) return true
  await client.query('savepoint sensei_default')
  try {
    const { rows } = await client.query<{ same: boolean }>({
      text: `select (${planned})::${type}::text is not distinct from (${is})::${type}::text as same`,
      values: [],
      queryMode: 'extended',
    } as never)
    return rows[0]?.same === true
  } catch {
    return true
  } finally {
    await client.query('rollback to savepoint sensei_default')
  }
}

async function compareIdentity(
  client: ClientBase,
  table: string,
  { column, is, object, report }: ColumnPair,
): Promise<void> {
  if (column.identity === null) return
  if (is.identity === '') {
    report(object, 'identity', 'is missing')
    return
  }
  const { rows } = await client.query<{ sequence: string }>(
    'select pg_get_serial_sequence($1, $2) as sequence',
    [table, is.name],
  )
  const sequence = rows[0]?.sequence
  if (sequence === undefined) return
  const state = await client.query<{ next: string }>(
    `select case when is_called then last_value::numeric + 1 else last_value end as next from ${sequence}`,
  )
  const next = BigInt(state.rows[0]?.next ?? '0')
  if (next < BigInt(column.identity.next))
    report(object, 'identity', `would give ${next} next, not ${column.identity.next}`)
}

async function compareConstraints(
  client: ClientBase,
  schema: string,
  { table, actual, report }: Pair,
): Promise<void> {
  const same: Same = (planned, is) =>
    sameExpression(client, quoteQualified(schema, table.target), planned, is)
  const constraints = await readConstraints(client, actual.oid)
  const indexes = await readIndexes(client, actual.oid)
  if (
    table.primary_key !== null &&
    !indexes.some((index) => index.primary && sameNames(index.columns, table.primary_key?.columns))
  ) {
    report(
      table.primary_key.name,
      'primary key',
      `of ${table.target} is missing or has other columns`,
    )
  }
  for (const unique of table.uniques) {
    const there = indexes.some(
      (index) => index.unique && index.whole && sameNames(index.columns, unique.columns),
    )
    if (!there) report(unique.name, 'unique', `of ${table.target} is missing or has other columns`)
  }
  for (const index of table.indexes) {
    const is = indexes.find((candidate) => candidate.name === index.name)
    const problem = await indexProblem(is, index, same)
    if (problem !== null) report(index.name, 'index', `of ${table.target} ${problem}`)
  }
  for (const key of table.foreign_keys) {
    const problem = foreignKeyProblem(
      constraints.find((is) => is.kind === 'f' && is.name === key.name),
      key,
    )
    if (problem !== null) report(key.name, 'foreign key', `of ${table.target} ${problem}`)
  }
  for (const check of table.checks) {
    const is = constraints.find(
      (candidate) => candidate.kind === 'c' && candidate.name === check.name,
    )
    if (is === undefined) report(check.name, 'check', `of ${table.target} is missing`)
    else if (!is.validated) report(check.name, 'check', `of ${table.target} is NOT VALID`)
    else if (!(await same(check.expression, is.expression ?? ''))) {
      report(
        check.name,
        'check',
        `of ${table.target} asks for ${is.expression}, not for ${check.expression}`,
      )
    }
  }
}

type Same = (planned: string, is: string) => Promise<boolean>

const DESCENDING = /\s+desc(?=$|\s+nulls\s+(?:first|last)$)/i
const ORDER = /(?:\s+(?:asc|desc))?(?:\s+nulls\s+(?:first|last))?$/i

async function indexProblem(
  is: Index | undefined,
  wanted: { unique: boolean; parts: readonly string[]; where: string | null },
  same: Same,
): Promise<string | null> {
  if (is === undefined) return 'is missing'
  if (!is.valid) return 'is not valid'
  if (is.unique !== wanted.unique)
    return wanted.unique ? 'is not unique' : 'is unique, against the plan'
  if (is.parts.length !== wanted.parts.length)
    return `has ${is.parts.length} parts instead of ${wanted.parts.length}`
  for (const [place, part] of wanted.parts.entries()) {
    const there = is.parts[place] ?? ''
    if (!(await same(part.replace(ORDER, ''), there))) return `is over ${there}, not over ${part}`
    if (DESCENDING.test(part) !== is.descending[place]) return `has ${there} in the other order`
  }
  if ((is.where !== null) !== (wanted.where !== null))
    return `is ${is.where === null ? 'not ' : ''}partial, against the plan`
  if (is.where === null || wanted.where === null || (await same(wanted.where, is.where)))
    return null
  return `is where ${is.where}, not where ${wanted.where}`
}

function foreignKeyProblem(is: Constraint | undefined, key: ForeignKeyMapping): string | null {
  if (is === undefined) return 'is missing'
  if (!sameNames(is.columns, key.columns) || is.references !== key.references.table)
    return 'connects other columns or tables'
  if (!sameNames(is.referenced, key.references.columns)) return 'refers to other columns'
  if (is.onDelete !== key.on_delete.toLowerCase() || is.onUpdate !== key.on_update.toLowerCase()) {
    return `acts otherwise: on delete ${is.onDelete}, on update ${is.onUpdate}`
  }
  if (is.deferrable !== key.deferrable)
    return key.deferrable ? 'is not deferrable' : 'is deferrable, against the plan'
  return is.validated === !key.not_valid
    ? null
    : is.validated
      ? 'is valid, against the plan'
      : 'is NOT VALID'
}

function sameNames(left: readonly string[], right: readonly string[] | undefined): boolean {
  return right !== undefined && left.map(quoteIdent).join() === right.map(quoteIdent).join()
}
