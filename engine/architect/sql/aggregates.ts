/** Aggregates, which may stand in a view's columns, its `having` and its order. */
import { refuse } from './refuse.ts'
import type { Call, Expression } from './syntax.ts'
import { asNumber, type Context, type Value, value } from './value.ts'

const NAMES: ReadonlySet<string> = new Set([
  'count',
  'sum',
  'avg',
  'total',
  'min',
  'max',
  'group_concat',
  'string_agg',
])

/** `min` and `max` of several values are ordinary functions, and have no equal in PostgreSQL (NULL wins). */
export function isAggregate(call: Call): boolean {
  return NAMES.has(call.name) && !(['min', 'max'].includes(call.name) && call.args.length > 1)
}

/** `translateArgument` translates in a context where no further aggregate may stand. */
export function callAggregate(
  call: Call,
  context: Context,
  translateArgument: (argument: Expression) => Value,
): Value {
  if (!context.aggregates) return refuse(`the aggregate ${call.name} cannot stand there`)
  if (call.star)
    return call.name === 'count'
      ? made('count(*)', 'integer')
      : refuse(`${call.name}(*) is not known`)
  const [argument] = call.args
  if (argument === undefined || call.args.length > 1)
    return refuse(`${call.name} of several values is not translated`)
  const operand = translateArgument(argument)
  const distinct = call.distinct ? 'distinct ' : ''
  switch (call.name) {
    case 'count':
      return count(operand, call.distinct)
    case 'min':
    case 'max':
      return extreme(call.name, operand)
    case 'sum':
      return sum(operand, distinct)
    case 'avg':
      return average(operand, distinct)
    default:
      return refuse(`the aggregate ${call.name} has no equal in PostgreSQL`)
  }
}

function made(sql: string, kind: Value['kind']): Value {
  return { ...value(sql, kind), aggregated: true }
}

function count(operand: Value, distinct: boolean): Value {
  if (!distinct) return made(`count(${operand.sql})`, 'integer')
  if (['other', 'json'].includes(operand.kind) || !isBinary(operand)) {
    return refuse('it counts distinct values that the migration may make equal')
  }
  return made(`count(distinct ${operand.sql})`, 'integer')
}

export function isBinary(operand: Value): boolean {
  return operand.collation === null || operand.collation === 'BINARY'
}

function extreme(name: string, operand: Value): Value {
  switch (operand.kind) {
    case 'integer':
    case 'numeric':
    case 'float':
    case 'date':
    case 'timestamp':
      return made(`${name}(${operand.sql})`, operand.kind)
    case 'text':
      if (!isBinary(operand)) return refuse(`${name} under the collation ${operand.collation}`)
      return made(`${name}(${operand.sql} collate "C")`, 'text')
    default:
      return refuse(`${name} of a ${operand.kind} means something else in PostgreSQL`)
  }
}

/** A view's numbers are compared up to the last digits of a double, so that the order of adding does not matter. */
function sum(operand: Value, distinct: string): Value {
  const number = asNumber(operand)
  return made(`sum(${distinct}${number.sql})`, number.kind)
}

/** SQLite divides doubles, so that the quotient is rounded once. */
function average(operand: Value, distinct: string): Value {
  const of = `${distinct}${asNumber(operand).sql}`
  return made(`(sum(${of})::float8 / nullif(count(${of}), 0))`, 'float')
}
