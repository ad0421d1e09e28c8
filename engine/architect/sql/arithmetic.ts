/** Operators that make numbers and texts. */
import { refuse } from './refuse.ts'
import { asNumber, asText, type Kind, type Value, value } from './value.ts'

export type Arithmetic = '+' | '-' | '*' | '/' | '%' | '&' | '|'

/** SQLite's numbers are 64-bit integers and doubles; on anything else it counts with doubles, and so does the translation. */
export function arithmetic(operator: Arithmetic, left: Value, right: Value): Value {
  const [a, b] = [asNumber(left), asNumber(right)]
  const integers = a.kind === 'integer' && b.kind === 'integer'
  if (!integers && ['%', '&', '|'].includes(operator)) {
    return refuse(`${operator} on numbers that are no integers means something else in PostgreSQL`)
  }
  const kind: Kind = integers ? 'integer' : 'float'
  const divides = operator === '/' || operator === '%'
  const divisor = divides ? divisorOf(a, b, kind) : widened(b, kind)
  return value(`(${widened(a, kind)} ${operator} ${divisor})`, kind, [a, b])
}

/** SQLite answers NULL to a division by zero, where PostgreSQL fails. */
function divisorOf(a: Value, b: Value, kind: Kind): string {
  const whole = (operand: Value): boolean => isDecimalColumn(operand) || operand.kind === 'integer'
  if (kind === 'float' && whole(a) && whole(b)) {
    return refuse('SQLite divides whole decimals as integers, and the others as doubles')
  }
  const sql = widened(b, kind)
  return b.literal !== null && Number(b.literal) !== 0 ? sql : `nullif(${sql}, 0)`
}

/** A column of decimals holds integers too, wherever a value is whole. */
function isDecimalColumn(operand: Value): boolean {
  return operand.kind === 'numeric' && operand.literal === null
}

/** SQLite counts in 64 bits whatever the literal; a small literal of PostgreSQL has 32. */
function widened(operand: Value, kind: Kind): string {
  if (kind === 'integer') return operand.literal === null ? operand.sql : `${operand.sql}::bigint`
  return operand.kind === 'float' ? operand.sql : `(${operand.sql})::float8`
}

export function concatenate(left: Value, right: Value): Value {
  if (left.kind === 'null' || right.kind === 'null')
    return value('null::text', 'text', [left, right])
  return value(`(${asText(left).sql} || ${asText(right).sql})`, 'text', [left, right])
}

export function negate(operand: Value): Value {
  const number = asNumber(operand)
  const digits = number.literal
  const made = value(`(- ${number.sql})`, number.kind, [number])
  return digits === null ? made : { ...made, literal: `-${digits}` }
}
