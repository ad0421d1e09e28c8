/** Comparisons, which SQLite makes by storage class and collation, and PostgreSQL by type. */
import { refuse } from './refuse.ts'
import { asNumber, type Context, type Value, value } from './value.ts'

export type Comparison =
  | '='
  | '<>'
  | '<'
  | '<='
  | '>'
  | '>='
  | 'is not distinct from'
  | 'is distinct from'

const EQUALITIES: ReadonlySet<Comparison> = new Set([
  '=',
  '<>',
  'is not distinct from',
  'is distinct from',
])
const NUMBERS: ReadonlySet<string> = new Set(['integer', 'float', 'numeric'])
const TIME = /^(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{0,5}[1-9])?$/
const DATE = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$/

export function compare(operator: Comparison, left: Value, right: Value, context: Context): Value {
  const [a, b] = align(operator, left, right, context)
  return value(`(${a} ${operator} ${b})`, 'boolean', [left, right])
}

/** Both sides as texts of PostgreSQL that its operator compares as SQLite's did. */
function align(
  operator: Comparison,
  left: Value,
  right: Value,
  context: Context,
): readonly [string, string] {
  const kinds = [left.kind, right.kind]
  if (kinds.includes('null')) return [left.sql, right.sql]
  if (kinds.includes('boolean')) return alignBooleans(left, right)
  if (NUMBERS.has(left.kind) && NUMBERS.has(right.kind)) return alignNumbers(left, right, context)
  if (left.kind === 'date' || right.kind === 'date') return alignDates(left, right)
  if (left.kind === 'timestamp' || right.kind === 'timestamp')
    return alignTimestamps(operator, left, right)
  if (isTextual(left) && isTextual(right)) return alignTexts(operator, left, right)
  if (left.kind === 'bytes' && right.kind === 'bytes') return [left.sql, right.sql]
  return refuse(
    `it compares a ${left.kind} with a ${right.kind}, which mean something else in PostgreSQL`,
  )
}

function isTextual(operand: Value): boolean {
  return operand.kind === 'text' || operand.kind === 'uuid'
}

function alignBooleans(left: Value, right: Value): readonly [string, string] {
  const side = (operand: Value): string | null => {
    if (operand.kind === 'boolean') return operand.sql
    if (operand.literal === '0') return 'false'
    return operand.literal === '1' ? 'true' : null
  }
  const [a, b] = [side(left), side(right)]
  if (a !== null && b !== null) return [a, b]
  return [asNumber(left).sql, asNumber(right).sql]
}

function alignNumbers(left: Value, right: Value, context: Context): readonly [string, string] {
  const kinds = new Set([left.kind, right.kind])
  if (kinds.size === 1 || left.literal !== null || right.literal !== null)
    return [left.sql, right.sql]
  if (kinds.has('integer') && kinds.has('numeric')) return [left.sql, right.sql]
  if (context.strict && kinds.has('integer')) {
    return refuse(
      'it compares an integer with a floating point number, which PostgreSQL would round it to',
    )
  }
  // A decimal is a double in SQLite, and a double is compared with a double.
  const asDouble = (operand: Value): string =>
    operand.kind === 'float' ? operand.sql : `(${operand.sql})::float8`
  return [asDouble(left), asDouble(right)]
}

function alignDates(left: Value, right: Value): readonly [string, string] {
  if (left.kind === right.kind) return [left.sql, right.sql]
  const [date, other] = left.kind === 'date' ? [left, right] : [right, left]
  const content = other.literal
  if (other.kind !== 'text' || content === null || !isDate(content)) {
    return refuse('it compares a date with something that is no date of the calendar')
  }
  const typed = `date '${content}'`
  return date === left ? [left.sql, typed] : [typed, right.sql]
}

/**
 * Moments are written alike on both sides. As a text, `2024-01-31 00:00:00` comes after `2024-01-31`, where as moments
 * they are one: with a mere date only the comparisons that agree on this are translated.
 */
function alignTimestamps(
  operator: Comparison,
  left: Value,
  right: Value,
): readonly [string, string] {
  if (left.kind === right.kind) return [left.sql, right.sql]
  const content = right.literal
  const wanted = left.kind === 'timestamp' && right.kind === 'text' && content !== null
  if (wanted && isMoment(content)) return [left.sql, `timestamp '${content}'`]
  if (wanted && isDate(content) && (operator === '<' || operator === '>='))
    return [left.sql, `timestamp '${content}'`]
  return refuse('it compares a moment with a text, which mean something else in PostgreSQL')
}

function isMoment(content: string): boolean {
  const [date = '', time = ''] = content.split(' ', 2)
  return content === `${date} ${time}` && isDate(date) && TIME.test(time)
}

function isDate(content: string): boolean {
  if (!DATE.test(content) || content.startsWith('0000')) return false
  return new Date(`${content}T00:00:00Z`).toISOString().startsWith(content)
}

/** An explicit collation before that of a column, and the left side before the right. */
function collationOf(left: Value, right: Value): string {
  const explicit = [left, right].find((operand) => operand.collated)
  return explicit?.collation ?? left.collation ?? right.collation ?? 'BINARY'
}

function alignTexts(operator: Comparison, left: Value, right: Value): readonly [string, string] {
  const collation = collationOf(left, right)
  const text = (operand: Value): string =>
    operand.kind === 'uuid' ? `(${operand.sql})::text` : operand.sql
  if (collation === 'NOCASE') {
    return [`lower(${text(left)} collate "C")`, `lower(${text(right)} collate "C")`]
  }
  if (collation !== 'BINARY') return refuse(`the collation ${collation} has no equal in PostgreSQL`)
  if (EQUALITIES.has(operator)) return [text(left), text(right)]
  return [`(${text(left)} collate "C")`, `(${text(right)} collate "C")`]
}
