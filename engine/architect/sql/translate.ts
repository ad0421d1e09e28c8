/**
 * SQLite's expressions in PostgreSQL's words, for those that mean the same there. What is not in the list is refused
 * with the reason: a translation that is right for most values would be wrong unseen.
 */
import { quoteLiteral } from '@sensei/core/sql'
import { callAggregate, isAggregate } from './aggregates.ts'
import { arithmetic, concatenate, negate } from './arithmetic.ts'
import { type Comparison, compare } from './compare.ts'
import { Cursor } from './cursor.ts'
import { callFunction, NULL, unify } from './functions.ts'
import { parseExpression } from './parse-expression.ts'
import { refuse } from './refuse.ts'
import type { CaseExpression, Expression } from './syntax.ts'
import {
  asBoolean,
  asNumber,
  asText,
  type Context,
  literal,
  textLiteral,
  type Value,
  value,
} from './value.ts'

const INTEGER_MAX = 2n ** 63n - 1n

export function translateExpression(sql: string, context: Context): Value {
  const cursor = new Cursor(sql)
  const expression = parseExpression(cursor)
  cursor.expectEnd()
  return translate(expression, context)
}

export function translate(expression: Expression, context: Context): Value {
  const to = (inner: Expression): Value => translate(inner, context)
  switch (expression.kind) {
    case 'integer':
      return integerLiteral(expression.text)
    case 'real':
      return realLiteral(expression.text)
    case 'string':
      return textLiteral(expression.text)
    case 'blob':
      return literal(`'\\x${expression.text}'::bytea`, 'bytes', expression.text)
    case 'null':
      return NULL
    case 'boolean':
      return literal(String(expression.value), 'boolean', expression.value ? '1' : '0')
    case 'now':
      return refuse('it depends on the moment in which it runs')
    case 'column':
      return context.column(expression.table, expression.name, expression.doubtful)
    case 'not':
      return condition(`(not ${asBoolean(to(expression.operand))})`, [to(expression.operand)])
    case 'minus':
      return negate(to(expression.operand))
    case 'plus':
      return to(expression.operand)
    case 'invert':
      return invert(to(expression.operand))
    case 'binary':
      return binary(expression, to(expression.left), to(expression.right), context)
    case 'is':
      return is(expression, to, context)
    case 'in':
      return among(to(expression.operand), expression.items.map(to), expression.negated, context)
    case 'between':
      return between(expression, to, context)
    case 'like':
      return like(expression, to)
    case 'case':
      return cases(expression, to, context)
    case 'cast':
      return cast(to(expression.operand), expression.type, context)
    case 'collate':
      return collate(to(expression.operand), expression.collation)
    case 'call':
      if (isAggregate(expression)) {
        const inner: Context = { ...context, aggregates: false }
        return callAggregate(expression, context, (argument) => translate(argument, inner))
      }
      if (expression.star || expression.distinct)
        return refuse(`${expression.name} is used in a way that is not translated`)
      return callFunction(expression.name, expression.args.map(to), context)
  }
}

type To = (inner: Expression) => Value

function condition(sql: string, parts: readonly Value[]): Value {
  return value(sql, 'boolean', parts)
}

function integerLiteral(text: string): Value {
  const number = BigInt(text)
  if (number > INTEGER_MAX) return refuse('it has an integer beyond 64 bits')
  return literal(number.toString(), 'integer', number.toString())
}

/** A decimal of up to 15 digits is the same to both; a longer one only as the double that SQLite makes of it. */
function realLiteral(text: string): Value {
  const digits = text.replace(/^0*|\./g, '')
  if (/^[\d.]+$/.test(text) && digits.length <= 15) {
    const plain = text.startsWith('.') ? `0${text}` : text.replace(/\.$/, '.0')
    return literal(plain, 'numeric', plain)
  }
  return refuse('it has a number with more than 15 digits or an exponent')
}

function invert(operand: Value): Value {
  const number = asNumber(operand)
  if (number.kind !== 'integer') return refuse('~ on a number that is no integer')
  return value(`(~ ${number.sql}::bigint)`, 'integer', [number])
}

function binary(
  expression: Extract<Expression, { kind: 'binary' }>,
  left: Value,
  right: Value,
  context: Context,
): Value {
  const { operator } = expression
  switch (operator) {
    case 'and':
    case 'or':
      return condition(`(${asBoolean(left)} ${operator} ${asBoolean(right)})`, [left, right])
    case '||':
      return concatenate(left, right)
    case '=':
    case '<>':
    case '<':
    case '<=':
    case '>':
    case '>=':
      return compare(operator, left, right, context)
    default:
      return arithmetic(operator, left, right)
  }
}

function is(expression: Extract<Expression, { kind: 'is' }>, to: To, context: Context): Value {
  const [left, right] = [to(expression.left), to(expression.right)]
  if (expression.right.kind === 'null') {
    return condition(`(${left.sql} is ${expression.negated ? 'not ' : ''}null)`, [left])
  }
  if (expression.right.kind === 'boolean') {
    const word = `${expression.negated ? 'not ' : ''}${expression.right.value}`
    return condition(`(${asBoolean(left)} is ${word})`, [left])
  }
  const operator: Comparison = expression.negated ? 'is distinct from' : 'is not distinct from'
  return compare(operator, left, right, context)
}

/** The left side alone decides by which collation members are found. */
function among(operand: Value, items: readonly Value[], negated: boolean, context: Context): Value {
  const sought = { ...operand, collation: operand.collation ?? 'BINARY', collated: true }
  const equal = items.map((item) => compare('=', sought, item, context).sql).join(' or ')
  return condition(negated ? `(not (${equal}))` : `(${equal})`, [operand, ...items])
}

function between(
  expression: Extract<Expression, { kind: 'between' }>,
  to: To,
  context: Context,
): Value {
  const [operand, low, high] = [to(expression.operand), to(expression.low), to(expression.high)]
  const inside = `(${compare('>=', operand, low, context).sql} and ${compare('<=', operand, high, context).sql})`
  return condition(expression.negated ? `(not ${inside})` : inside, [operand, low, high])
}

/** SQLite's LIKE folds ASCII letters on both sides and has no escape character unless one is given. */
function like(expression: Extract<Expression, { kind: 'like' }>, to: To): Value {
  const [operand, pattern] = [asText(to(expression.operand)), asText(to(expression.pattern))]
  const escape =
    expression.escape === null
      ? ''
      : (to(expression.escape).literal ?? refuse('its escape is no literal'))
  if (escape.length > 1 || /[A-Za-z%_]/.test(escape))
    return refuse('its escape character is not translated')
  const folded = (text: Value): string => `lower(${text.sql} collate "C")`
  const word = expression.negated ? 'not like' : 'like'
  return condition(
    `(${folded(operand)} ${word} ${folded(pattern)} escape ${quoteLiteral(escape)})`,
    [operand, pattern],
  )
}

function cases(expression: CaseExpression, to: To, context: Context): Value {
  const base = expression.base === null ? null : to(expression.base)
  const whens = expression.branches.map(({ when }) =>
    base === null ? asBoolean(to(when)) : compare('=', base, to(when), context).sql,
  )
  const outcomes = [
    ...expression.branches.map(({ outcome }) => outcome),
    expression.otherwise ?? { kind: 'null' as const },
  ]
  const values = outcomes.map(to)
  const { kind, sqls } = unify(values)
  if (kind === 'null') return NULL
  const branches = whens.map((when, at) => `when ${when} then ${sqls[at]}`).join(' ')
  const tested = expression.branches.map(({ when }) => to(when))
  return value(`(case ${branches} else ${sqls.at(-1)} end)`, kind, [
    ...values,
    ...tested,
    ...(base === null ? [] : [base]),
  ])
}

function cast(operand: Value, type: string, context: Context): Value {
  if (/^(?:TEXT|(?:VAR|N|NVAR)?CHAR\b.*)$/.test(type)) return asText(operand)
  if (/^(?:INTEGER|INT|BIGINT)$/.test(type)) return castToInteger(operand, context)
  if (/^(?:REAL|FLOAT|DOUBLE|DOUBLE PRECISION)$/.test(type)) {
    const number = asNumber(operand)
    return number.kind === 'float' ? number : value(`(${number.sql})::float8`, 'float', [number])
  }
  return refuse(`a cast to ${type} is not translated`)
}

/** SQLite cuts the fraction off; PostgreSQL would round it. */
function castToInteger(operand: Value, context: Context): Value {
  const number = asNumber(operand)
  if (number.kind === 'integer') return number
  if (context.strict && number.kind === 'float')
    return refuse('a cast of a floating point number may leave the range')
  return value(`trunc(${number.sql})::bigint`, 'integer', [number])
}

function collate(operand: Value, collation: string): Value {
  if (operand.kind !== 'text') return refuse('a collation on something that is no text')
  if (!['BINARY', 'NOCASE'].includes(collation))
    return refuse(`the collation ${collation} has no equal in PostgreSQL`)
  return { ...operand, collation, collated: true }
}
