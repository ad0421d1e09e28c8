/** A parser of SQLite's expressions by its own precedence, from `or` down to the literals. */
import type { Cursor } from './cursor.ts'
import { refuse } from './refuse.ts'
import type { BinaryOperator, CaseExpression, Expression } from './syntax.ts'

export function parseExpression(cursor: Cursor): Expression {
  return cursor.nested(() => parseOr(cursor))
}

function parseOr(cursor: Cursor): Expression {
  let left = parseAnd(cursor)
  while (cursor.takeWord('or')) left = binary('or', left, parseAnd(cursor))
  return left
}

function parseAnd(cursor: Cursor): Expression {
  let left = parseNot(cursor)
  while (cursor.takeWord('and')) left = binary('and', left, parseNot(cursor))
  return left
}

function parseNot(cursor: Cursor): Expression {
  if (cursor.isWord('not') && !cursor.isWord('exists', 1)) {
    cursor.next()
    return { kind: 'not', operand: cursor.nested(() => parseNot(cursor)) }
  }
  return parseEquality(cursor)
}

function parseEquality(cursor: Cursor): Expression {
  let left = parseComparison(cursor)
  for (;;) {
    const next = parseEqualityTail(cursor, left)
    if (next === null) return left
    left = next
  }
}

function parseEqualityTail(cursor: Cursor, left: Expression): Expression | null {
  if (cursor.takeOperator('=') || cursor.takeOperator('=='))
    return binary('=', left, parseComparison(cursor))
  if (cursor.takeOperator('<>') || cursor.takeOperator('!='))
    return binary('<>', left, parseComparison(cursor))
  if (cursor.takeWord('isnull')) return isNull(left, false)
  if (cursor.takeWord('notnull') || cursor.takeWord('not', 'null')) return isNull(left, true)
  if (cursor.takeWord('is')) return parseIs(cursor, left)
  const negated = cursor.takeWord('not')
  if (cursor.takeWord('in')) return { kind: 'in', negated, operand: left, items: parseList(cursor) }
  if (cursor.takeWord('between')) {
    const low = parseComparison(cursor)
    cursor.expectWord('and')
    return { kind: 'between', negated, operand: left, low, high: parseComparison(cursor) }
  }
  if (cursor.takeWord('like')) {
    const pattern = parseComparison(cursor)
    const escape = cursor.takeWord('escape') ? parseComparison(cursor) : null
    return { kind: 'like', negated, operand: left, pattern, escape }
  }
  for (const word of ['glob', 'regexp', 'match']) {
    if (cursor.isWord(word)) return refuse(`the operator ${word} has no equal in PostgreSQL`)
  }
  return negated ? cursor.unexpected() : null
}

function parseIs(cursor: Cursor, left: Expression): Expression {
  const negated = cursor.takeWord('not')
  if (cursor.takeWord('distinct', 'from')) {
    return { kind: 'is', negated: !negated, left, right: parseComparison(cursor) }
  }
  return { kind: 'is', negated, left, right: parseComparison(cursor) }
}

function isNull(left: Expression, negated: boolean): Expression {
  return { kind: 'is', negated, left, right: { kind: 'null' } }
}

const COMPARISON = ['<=', '>=', '<', '>'] as const
const BITS = ['&', '|', '<<', '>>'] as const
const SUM = ['+', '-'] as const
const PRODUCT = ['*', '/', '%'] as const
const JOINING = ['||', '->>', '->'] as const

const parseComparison = leftAssociative(COMPARISON, (cursor) => parseBits(cursor))
const parseBits = leftAssociative(BITS, (cursor) => parseSum(cursor))
const parseSum = leftAssociative(SUM, (cursor) => parseProduct(cursor))
const parseProduct = leftAssociative(PRODUCT, (cursor) => parseJoining(cursor))
const parseJoining = leftAssociative(JOINING, (cursor) => parseCollated(cursor))

function leftAssociative(operators: readonly string[], operand: (cursor: Cursor) => Expression) {
  return (cursor: Cursor): Expression => {
    let left = operand(cursor)
    for (;;) {
      const operator = operators.find((candidate) => cursor.isOperator(candidate))
      if (operator === undefined) return left
      cursor.next()
      left = binary(known(operator), left, operand(cursor))
    }
  }
}

function known(operator: string): BinaryOperator {
  if (operator === '->' || operator === '->>' || operator === '<<' || operator === '>>') {
    return refuse(`the operator ${operator} means something else in PostgreSQL`)
  }
  return operator as BinaryOperator
}

function binary(operator: BinaryOperator, left: Expression, right: Expression): Expression {
  return { kind: 'binary', operator, left, right }
}

function parseCollated(cursor: Cursor): Expression {
  let operand = parseUnary(cursor)
  while (cursor.takeWord('collate')) {
    operand = { kind: 'collate', operand, collation: cursor.name().toUpperCase() }
  }
  return operand
}

function parseUnary(cursor: Cursor): Expression {
  const signs = { '-': 'minus', '+': 'plus', '~': 'invert' } as const
  for (const sign of ['-', '+', '~'] as const) {
    if (cursor.takeOperator(sign))
      return { kind: signs[sign], operand: cursor.nested(() => parseUnary(cursor)) }
  }
  return parsePrimary(cursor)
}

function parsePrimary(cursor: Cursor): Expression {
  const token = cursor.peek()
  switch (token.kind) {
    case 'integer':
    case 'real':
    case 'string':
    case 'blob':
      cursor.next()
      return { kind: token.kind, text: token.text }
    case 'operator':
      return parseParentheses(cursor)
    case 'end':
      return cursor.unexpected()
    default:
      return (token.kind === 'name' ? parseKeyword(cursor) : null) ?? parseColumn(cursor)
  }
}

function parseParentheses(cursor: Cursor): Expression {
  cursor.expectOperator('(')
  if (cursor.isWord('select') || cursor.isWord('with') || cursor.isWord('values')) {
    return refuse('it has a query inside an expression')
  }
  const inner = parseExpression(cursor)
  if (cursor.isOperator(',')) return refuse('row values are not translated')
  cursor.expectOperator(')')
  return inner
}

function parseKeyword(cursor: Cursor): Expression | null {
  if (cursor.isOperator('(', 1))
    return cursor.isWord('cast') ? parseCast(cursor) : parseCall(cursor)
  if (cursor.isOperator('.', 1)) return null
  if (cursor.takeWord('null')) return { kind: 'null' }
  if (cursor.takeWord('true')) return { kind: 'boolean', value: true }
  if (cursor.takeWord('false')) return { kind: 'boolean', value: false }
  for (const part of ['timestamp', 'date', 'time'] as const) {
    if (cursor.takeWord(`current_${part}`)) return { kind: 'now', part }
  }
  if (cursor.takeWord('case')) return parseCase(cursor)
  for (const word of ['exists', 'not', 'select', 'raise'])
    if (cursor.isWord(word)) cursor.unexpected()
  return null
}

function parseCast(cursor: Cursor): Expression {
  cursor.expectWord('cast')
  cursor.expectOperator('(')
  const operand = parseExpression(cursor)
  cursor.expectWord('as')
  const words: string[] = []
  while (!cursor.isOperator(')'))
    words.push(cursor.next().kind === 'end' ? cursor.unexpected() : lastText(cursor))
  cursor.expectOperator(')')
  return { kind: 'cast', operand, type: words.join(' ').toUpperCase() }
}

function lastText(cursor: Cursor): string {
  return cursor.peek(-1).text
}

function parseCall(cursor: Cursor): Expression {
  const name = cursor.name().toLowerCase()
  cursor.expectOperator('(')
  const star = cursor.takeOperator('*')
  const distinct = cursor.takeWord('distinct')
  const args: Expression[] = []
  while (!star && !cursor.isOperator(')')) {
    args.push(parseExpression(cursor))
    if (!cursor.takeOperator(',')) break
  }
  cursor.expectOperator(')')
  for (const word of ['filter', 'over']) {
    if (cursor.isWord(word)) return refuse(`${word} after a function is not translated`)
  }
  return { kind: 'call', name, args, star, distinct }
}

function parseCase(cursor: Cursor): CaseExpression {
  const base = cursor.isWord('when') ? null : parseExpression(cursor)
  const branches: { when: Expression; outcome: Expression }[] = []
  while (cursor.takeWord('when')) {
    const when = parseExpression(cursor)
    cursor.expectWord('then')
    branches.push({ when, outcome: parseExpression(cursor) })
  }
  const otherwise = cursor.takeWord('else') ? parseExpression(cursor) : null
  cursor.expectWord('end')
  if (branches.length === 0) return refuse('a case without a branch')
  return { kind: 'case', base, branches, otherwise }
}

function parseColumn(cursor: Cursor): Expression {
  const first = cursor.peek()
  const name = cursor.name()
  if (!cursor.takeOperator('.')) {
    return { kind: 'column', table: null, name, doubtful: first.kind === 'doubtful' }
  }
  const second = cursor.name()
  if (!cursor.takeOperator('.'))
    return { kind: 'column', table: name, name: second, doubtful: false }
  return { kind: 'column', table: second, name: cursor.name(), doubtful: false }
}

function parseList(cursor: Cursor): readonly Expression[] {
  cursor.expectOperator('(')
  if (cursor.isWord('select') || cursor.isWord('with'))
    return refuse('it has a query inside an expression')
  const items = [parseExpression(cursor)]
  while (cursor.takeOperator(',')) items.push(parseExpression(cursor))
  cursor.expectOperator(')')
  return items
}
