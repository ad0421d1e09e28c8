/** The tables that a SELECT reads, under which names, and whose column a name means. */
import { quoteIdent } from '@sensei/core/sql'
import { NAME_BYTES_MAX } from '../names.ts'
import { refuse } from './refuse.ts'
import type { FromItem } from './syntax.ts'
import { translate } from './translate.ts'
import { asBoolean, type Context, type Value } from './value.ts'

/** A table or view of the target, with its columns under the source's names. */
export interface Relation {
  readonly sql: string
  readonly columns: readonly {
    readonly name: string
    readonly target: string
    /** What the column is when an expression reads it by this SQL; refuses where its values cannot be used. */
    readonly read: (sql: string) => Value
  }[]
  /** Names of columns that tell every row from every other, NULLs and all. */
  readonly key: readonly string[] | null
}

export interface Scope {
  readonly sql: string
  readonly column: Context['column']
  readonly star: (
    table: string | null,
  ) => readonly { readonly table: string; readonly name: string }[]
  /** SQL of the columns that tell the rows apart; null where none are known to. */
  readonly key: readonly string[] | null
}

interface Bound {
  readonly name: string
  readonly quoted: string
  readonly relation: Relation
  /** Columns that `using` made one with those of a table before. */
  readonly merged: ReadonlySet<string>
}

export function bindFrom(
  items: readonly FromItem[],
  lookUp: (table: string) => Relation | null,
): Scope {
  const bound: Bound[] = []
  let sql = ''
  for (const item of items) {
    const next = bind(item, lookUp, bound)
    const joined = `${next.relation.sql} as ${next.quoted}`
    const on = joinCondition(item, bound, next)
    bound.push(next)
    sql = sql === '' ? joined : `${sql} ${joinWords(item, on)} ${joined}${on(bound)}`
  }
  return {
    sql,
    column: (table, name, doubtful) => resolve(bound, table, name, doubtful),
    star: (table) => star(bound, items, table),
    key: bound.length === 1 ? keyOf(bound) : null,
  }
}

function keyOf(bound: readonly Bound[]): readonly string[] | null {
  return bound[0]?.relation.key?.map((name) => resolve(bound, null, name, false).sql) ?? null
}

function bind(
  item: FromItem,
  lookUp: (table: string) => Relation | null,
  before: readonly Bound[],
): Bound {
  const relation = lookUp(item.table)
  if (relation === null) return refuse(`it reads ${item.table}, which is not carried`)
  const name = item.alias ?? item.table
  if (before.some((other) => same(other.name, name)))
    return refuse(`it reads two tables under the name ${name}`)
  const fits = name !== '' && Buffer.byteLength(name) <= NAME_BYTES_MAX
  const quoted = quoteIdent(fits ? name : `table ${before.length + 1}`)
  return {
    name,
    quoted,
    relation,
    merged: new Set((item.using ?? []).map((column) => column.toLowerCase())),
  }
}

function joinWords(item: FromItem, on: (bound: readonly Bound[]) => string): string {
  const conditioned = item.on !== null || item.using !== null
  if (on === undefined || (!conditioned && ['inner', 'cross', 'first'].includes(item.join)))
    return 'cross join'
  return item.join === 'cross' || item.join === 'first' ? 'inner join' : `${item.join} join`
}

/** The condition is translated once the table is in scope, as it may name it. */
function joinCondition(
  item: FromItem,
  before: readonly Bound[],
  next: Bound,
): (bound: readonly Bound[]) => string {
  if (item.using !== null) {
    if (item.join === 'right' || item.join === 'full')
      return refuse('using with an outer join from the right')
    const [left, right] = [[...before], [{ ...next, merged: new Set<string>() }]]
    const equal = item.using.map((name) => {
      const [a, b] = [resolve(left, null, name, false), resolve(right, null, name, false)]
      if (a.kind !== b.kind || a.kind === 'other' || a.collation !== b.collation)
        refuse(`using ${name} joins unlike values`)
      return `${a.sql} = ${b.sql}`
    })
    return () => ` on ${equal.join(' and ')}`
  }
  const { on } = item
  if (on === null) return () => (['left', 'right', 'full'].includes(item.join) ? ' on true' : '')
  return (bound) => {
    const context: Context = {
      strict: false,
      aggregates: false,
      column: (table, name, doubtful) => resolve(bound, table, name, doubtful),
    }
    return ` on ${asBoolean(translate(on, context))}`
  }
}

function resolve(
  bound: readonly Bound[],
  table: string | null,
  name: string,
  doubtful: boolean,
): Value {
  const candidates = bound.filter((each) => table === null || same(each.name, table))
  const found = candidates.flatMap((each) => {
    const column = each.relation.columns.find((candidate) => same(candidate.name, name))
    const hidden = table === null && each.merged.has(name.toLowerCase())
    return column === undefined || hidden ? [] : [{ each, column }]
  })
  const [only] = found
  if (only === undefined) {
    return refuse(
      doubtful
        ? `"${name}" is no column, so SQLite takes it for a text`
        : `it names ${name}, which is no column that is carried`,
    )
  }
  if (found.length > 1) return refuse(`${name} may mean columns of several tables`)
  const { read, target } = only.column
  return read(`${only.each.quoted}.${quoteIdent(target)}`)
}

function star(bound: readonly Bound[], items: readonly FromItem[], table: string | null) {
  if (table === null && items.some((item) => item.using !== null))
    return refuse('* after using is not translated')
  const chosen = bound.filter((each) => table === null || same(each.name, table))
  if (chosen.length === 0) return refuse('* of no table')
  return chosen.flatMap((each) =>
    each.relation.columns.map(({ name }) => ({ table: each.name, name })),
  )
}

function same(left: string, right: string): boolean {
  return left.toLowerCase() === right.toLowerCase()
}
