/** A view's SELECT in PostgreSQL's words. */
import { quoteIdent } from '@sensei/core/sql'
import { isBinary } from './aggregates.ts'
import { bindFrom, type Relation, type Scope } from './from.ts'
import { attempt, refuse } from './refuse.ts'
import type { Expression, Select, SelectItem } from './syntax.ts'
import { translate } from './translate.ts'
import { asBoolean, type Context, type Value } from './value.ts'

export interface OutputColumn {
  readonly name: string
  readonly value: Value
}

export interface TranslatedSelect {
  readonly columns: readonly OutputColumn[]
  /** Everything behind the list of columns. */
  readonly tail: string
  readonly distinct: boolean
}

export function translateSelect(
  select: Select,
  lookUp: (table: string) => Relation | null,
): TranslatedSelect {
  const scope = bindFrom(select.from, lookUp)
  const plain: Context = { column: scope.column, strict: false, aggregates: false }
  const grouped: Context = { ...plain, aggregates: true }
  const items = select.items.flatMap((item) => expand(item, scope))
  const columns = named(items, select.names).map(({ name, expression }) => ({
    name,
    value: shown(translate(expression, grouped), name),
  }))
  const aliases = aliasContext(grouped, items)
  const groups = select.groupBy.map((group) =>
    translate(positional(group, items), { ...aliases, aggregates: false }),
  )
  checkGrouping(select, columns, groups)
  const where = select.where === null ? null : asBoolean(translate(select.where, plain))
  const having = select.having === null ? null : asBoolean(translate(select.having, aliases))
  const ordered = select.orderBy.map((item) =>
    translate(orderTarget(item.expression, items), grouped),
  )
  const order = select.orderBy.map((item, place) =>
    orderPart(item, ordered[place] as Value, select),
  )
  if (select.limit !== null && ordered.length > 0) checkLimit(ordered, columns, groups, scope)
  const clauses = [
    scope.sql === '' ? '' : `from ${scope.sql}`,
    where === null ? '' : `where ${where}`,
    groups.length === 0 ? '' : `group by ${groups.map((group) => group.sql).join(', ')}`,
    having === null ? '' : `having ${having}`,
    order.length === 0 ? '' : `order by ${order.join(', ')}`,
    limitClause(select),
  ]
  return {
    columns,
    tail: clauses.filter((clause) => clause !== '').join(' '),
    distinct: select.distinct,
  }
}

interface NamedItem {
  readonly expression: Expression
  readonly alias: string | null
  readonly text: string
}

function expand(item: SelectItem, scope: Scope): readonly NamedItem[] {
  if (item.kind === 'expression') return [item]
  return scope.star(item.table).map(({ table, name }) => ({
    expression: { kind: 'column', table, name, doubtful: false },
    alias: name,
    text: name,
  }))
}

/** SQLite's names for a view's columns. */
function named(items: readonly NamedItem[], names: readonly string[] | null) {
  if (names !== null && names.length !== items.length)
    return refuse('it names another number of columns than it has')
  const taken = new Set<string>()
  return items.map(({ expression, alias, text }, at) => {
    const name = names?.[at] ?? alias ?? (expression.kind === 'column' ? expression.name : text)
    if (taken.has(name.toLowerCase())) return refuse(`two of its columns have the name ${name}`)
    taken.add(name.toLowerCase())
    return { name, expression }
  })
}

/** What a view shows must be alike on both sides, or comparing it would only find what the migration changed on purpose. */
function shown(output: Value, name: string): Value {
  if (output.kind === 'other') return refuse(`it shows ${name}, whose values the migration changes`)
  return output
}

/** `group by` and `having` may name a column of the result, where the tables have none of that name. */
function aliasContext(context: Context, items: readonly NamedItem[]): Context {
  return {
    ...context,
    column: (table, name, doubtful) => {
      const { value, reason } = attempt(() => context.column(table, name, doubtful))
      if (value !== null) return value
      const alias =
        table === null
          ? items.find((item) => item.alias?.toLowerCase() === name.toLowerCase())
          : undefined
      return alias === undefined ? refuse(reason) : translate(alias.expression, context)
    },
  }
}

function positional(expression: Expression, items: readonly NamedItem[]): Expression {
  if (expression.kind !== 'integer') return expression
  return (
    items[Number(expression.text) - 1]?.expression ??
    refuse('it groups or orders by a column that it has not')
  )
}

/** `order by` prefers the columns of the result. */
function orderTarget(expression: Expression, items: readonly NamedItem[]): Expression {
  if (expression.kind !== 'column' || expression.table !== null)
    return positional(expression, items)
  const name = expression.name.toLowerCase()
  return items.find((item) => item.alias?.toLowerCase() === name)?.expression ?? expression
}

/** SQLite picks some row's value for a column that is neither grouped nor aggregated; PostgreSQL refuses it. */
function checkGrouping(
  select: Select,
  columns: readonly OutputColumn[],
  groups: readonly Value[],
): void {
  for (const group of groups) {
    if (!isBinary(group) || ['json', 'other', 'float'].includes(group.kind)) {
      refuse(`it groups by a ${group.kind} that PostgreSQL groups in another way`)
    }
  }
  if (select.distinct) {
    for (const { value } of columns) {
      if (!isBinary(value) || ['json', 'float'].includes(value.kind)) {
        refuse(
          `it wants distinct values of a ${value.kind} that PostgreSQL tells apart in another way`,
        )
      }
    }
  }
  const sqls = new Set(groups.map((group) => group.sql))
  const aggregating =
    groups.length > 0 || columns.some(({ value }) => value.aggregated && isAggregateSql(value))
  if (!aggregating && select.having === null) return
  for (const { name, value } of columns) {
    if (!value.aggregated && !sqls.has(value.sql)) refuse(`it shows ${name} without grouping by it`)
  }
}

function isAggregateSql(output: Value): boolean {
  return output.literal === null && output.kind !== 'null'
}

function orderPart(item: Select['orderBy'][number], target: Value, select: Select): string {
  if (['other', 'json'].includes(target.kind)) return refuse(`it orders by a ${target.kind}`)
  if (target.kind === 'text' && !isBinary(target) && target.collation !== 'NOCASE') {
    return refuse(`it orders under the collation ${target.collation}`)
  }
  if (select.distinct && target.kind === 'text') return refuse('it orders distinct texts')
  const text =
    target.collation === 'NOCASE' && target.kind === 'text'
      ? `lower(${target.sql} collate "C")`
      : `${target.sql} collate "C"`
  const sql = target.kind === 'text' ? text : target.sql
  // SQLite counts NULL as the smallest value, PostgreSQL as the largest.
  const nulls = item.nulls ?? (item.descending ? 'last' : 'first')
  return `${sql}${item.descending ? ' desc' : ''} nulls ${nulls}`
}

/** Between rows that the order does not tell apart each engine may cut elsewhere. */
function checkLimit(
  ordered: readonly Value[],
  columns: readonly OutputColumn[],
  groups: readonly Value[],
  scope: Scope,
): void {
  const exact = ordered.filter((value) => value.kind !== 'text' || isBinary(value))
  const told = new Set(exact.map(({ sql }) => sql))
  const shown = columns.map(({ value }) => value.sql)
  const key = groups.length > 0 ? groups.map(({ sql }) => sql) : scope.key
  for (const telling of [shown, key]) if (telling?.every((sql) => told.has(sql)) === true) return
  refuse('it limits rows that its order does not all tell apart')
}

function limitClause(select: Select): string {
  const parts: string[] = []
  for (const [word, expression] of [
    ['limit', select.limit],
    ['offset', select.offset],
  ] as const) {
    if (expression === null) continue
    if (expression.kind !== 'integer') return refuse(`its ${word} is not written out`)
    if (select.orderBy.length === 0) return refuse('it limits rows that have no order')
    parts.push(`${word} ${expression.text}`)
  }
  return parts.join(' ')
}

/** The list of columns with the names that they get. */
export function selectList(
  columns: readonly { readonly target: string; readonly value: Value }[],
): string {
  return columns
    .map(({ target, value }) => `${outputSql(value)} as ${quoteIdent(target)}`)
    .join(', ')
}

/** An untyped literal gets the type that its kind says. */
function outputSql(output: Value): string {
  if (output.kind === 'null') return 'null::text'
  return output.literal !== null && output.kind === 'text' ? `${output.sql}::text` : output.sql
}
