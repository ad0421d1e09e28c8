/** A parser of `create view … as select …`, for one plain SELECT; compound and nested queries are refused. */
import { Cursor } from './cursor.ts'
import { parseExpression } from './parse-expression.ts'
import { refuse } from './refuse.ts'
import type { Expression, FromItem, OrderItem, Select, SelectItem } from './syntax.ts'

/** Words that end an item, so that they are no alias. */
const RESERVED: ReadonlySet<string> = new Set(
  'from where group having order limit offset union intersect except join inner left right full cross natural on using as window not'.split(
    ' ',
  ),
)

export function parseView(sql: string): { readonly select: Select; readonly body: string } {
  const cursor = new Cursor(sql)
  cursor.expectWord('create')
  if (!cursor.takeWord('temporary')) cursor.takeWord('temp')
  cursor.expectWord('view')
  cursor.takeWord('if', 'not', 'exists')
  cursor.name()
  if (cursor.takeOperator('.')) cursor.name()
  const names = cursor.isOperator('(') ? parseNames(cursor) : null
  cursor.expectWord('as')
  const start = cursor.peek().start
  const select = parseSelect(cursor, names)
  const body = sql.slice(start, cursor.lastEnd)
  cursor.expectEnd()
  return { select, body }
}

function parseNames(cursor: Cursor): readonly string[] {
  cursor.expectOperator('(')
  const names = [cursor.name()]
  while (cursor.takeOperator(',')) names.push(cursor.name())
  cursor.expectOperator(')')
  return names
}

function parseSelect(cursor: Cursor, names: readonly string[] | null): Select {
  if (cursor.isWord('with')) return refuse('it has a common table expression')
  cursor.expectWord('select')
  const distinct = cursor.takeWord('distinct')
  cursor.takeWord('all')
  const items = listOf(cursor, parseItem)
  const from = cursor.takeWord('from') ? parseFrom(cursor) : []
  const where = cursor.takeWord('where') ? parseExpression(cursor) : null
  const groupBy = cursor.takeWord('group', 'by') ? listOf(cursor, parseExpression) : []
  const having = cursor.takeWord('having') ? parseExpression(cursor) : null
  for (const word of ['union', 'intersect', 'except', 'window']) {
    if (cursor.isWord(word)) return refuse(`${word} is not translated`)
  }
  const orderBy = cursor.takeWord('order', 'by') ? listOf(cursor, parseOrder) : []
  const limit = cursor.takeWord('limit') ? parseExpression(cursor) : null
  if (limit !== null && cursor.isOperator(','))
    return refuse('limit with a comma is not translated')
  const offset = cursor.takeWord('offset') ? parseExpression(cursor) : null
  return { names, distinct, items, from, where, groupBy, having, orderBy, limit, offset }
}

function listOf<T>(cursor: Cursor, parse: (cursor: Cursor) => T): readonly T[] {
  const items = [parse(cursor)]
  while (cursor.takeOperator(',')) items.push(parse(cursor))
  return items
}

function parseItem(cursor: Cursor): SelectItem {
  if (cursor.takeOperator('*')) return { kind: 'star', table: null }
  if (cursor.isOperator('.', 1) && cursor.isOperator('*', 2)) {
    const table = cursor.name()
    cursor.expectOperator('.')
    cursor.expectOperator('*')
    return { kind: 'star', table }
  }
  const start = cursor.peek().start
  const expression = parseExpression(cursor)
  const text = cursor.source.slice(start, cursor.lastEnd)
  return { kind: 'expression', expression, alias: parseAlias(cursor), text }
}

function parseAlias(cursor: Cursor): string | null {
  if (cursor.takeWord('as')) {
    return cursor.peek().kind === 'string' ? cursor.next().text : cursor.name()
  }
  const { kind, text } = cursor.peek()
  if (kind === 'name' && RESERVED.has(text.toLowerCase())) return null
  if (kind === 'name' || kind === 'quoted' || kind === 'doubtful') return cursor.name()
  return kind === 'string' ? cursor.next().text : null
}

function parseFrom(cursor: Cursor): readonly FromItem[] {
  const items = [parseSource(cursor, 'first')]
  for (;;) {
    const join = parseJoin(cursor)
    if (join === null) return items
    items.push(parseSource(cursor, join))
  }
}

function parseJoin(cursor: Cursor): FromItem['join'] | null {
  if (cursor.takeOperator(',')) return 'cross'
  if (cursor.isWord('natural')) return refuse('a natural join is not translated')
  for (const side of ['left', 'right', 'full'] as const) {
    if (cursor.takeWord(side)) {
      cursor.takeWord('outer')
      cursor.expectWord('join')
      return side
    }
  }
  if (cursor.takeWord('cross')) {
    cursor.expectWord('join')
    return 'cross'
  }
  if (cursor.takeWord('inner')) {
    cursor.expectWord('join')
    return 'inner'
  }
  return cursor.takeWord('join') ? 'inner' : null
}

function parseSource(cursor: Cursor, join: FromItem['join']): FromItem {
  if (cursor.isOperator('(')) return refuse('it reads from a query or joins in parentheses')
  let table = cursor.name()
  if (cursor.takeOperator('.')) table = cursor.name()
  if (cursor.isOperator('(')) return refuse(`it reads from the table-valued function ${table}`)
  const alias = parseAlias(cursor)
  const on = cursor.takeWord('on') ? parseExpression(cursor) : null
  const using = on === null && cursor.takeWord('using') ? parseNames(cursor) : null
  return { table, alias, join, on, using }
}

function parseOrder(cursor: Cursor): OrderItem {
  const expression: Expression = parseExpression(cursor)
  const descending = cursor.takeWord('desc')
  if (!descending) cursor.takeWord('asc')
  if (cursor.takeWord('nulls', 'first')) return { expression, descending, nulls: 'first' }
  if (cursor.takeWord('nulls', 'last')) return { expression, descending, nulls: 'last' }
  return { expression, descending, nulls: null }
}
