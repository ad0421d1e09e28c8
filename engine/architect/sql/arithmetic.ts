/** Operators that make numbers and texts. */
import { refuse } from './refuse.ts'
import { asNumber, asText, type Context, type Kind, type Value, value } from './value.ts'

export type Arithmetic = '+' | '-' | '*' | '/' | '%' | '&' | '|'

export function arithmetic(operator: Arithmetic, left: Value, right: Value, context: Context): Value {
  const [a, b] = [asNumber(left), asNumber(right)]
  const integers = a.kind === 'integer' && b.kind === 'integer'
  if (!integers && ['%', '&', '|'].includes(operator)) {
    return refuse(`${operator} on numbers that are no integers means something else in PostgreSQL`)
  }
  if (operator === '/' || operator === '%') return division(operator, a, b, context)
  const kind = resultKind(a, b, context)
  return value(`(${widened(a, kind)} ${operator} ${widened(b, kind)})`, kind, [a, b])
}

/** SQLite answers NULL to a division by zero, where PostgreSQL fails. */
function division(operator: '/' | '%', a: Value, b: Value, context: Context): Value {
  const kind = resultKind(a, b, context)
  const safe = (sql: string, zero: string): string =>
    b.literal !== null && Number(b.literal) !== 0 ? sql : `nullif(${sql}, ${zero})`
  if (kind === 'integer') return value(`(${widened(a, kind)} ${operator} ${safe(b.sql, '0')})`, kind, [a, b])
  const asDouble = (operand: Value): string => `(${operand.sql})::float8`
  return value(`(${asDouble(a)} / ${safe(asDouble(b), '0')})`, 'float', [a, b])
}

/** SQLite counts in 64 bits whatever the literal; a small literal of PostgreSQL has 32. */
function widened(operand: Value, kind: Kind): string {
  if (kind === 'integer') return operand.literal === null ? operand.sql : `${operand.sql}::bigint`
  return kind === 'float' && operand.kind !== 'float' ? `(${operand.sql})::float8` : operand.sql
}

function resultKind(a: Value, b: Value, context: Context): Kind {
  if (a.kind === 'integer' && b.kind === 'integer') return 'integer'
  const exact = [a, b].some((operand) => operand.kind === 'numeric' && operand.literal === null)
  if (context.strict && exact) {
    return refuse('SQLite counts with doubles where PostgreSQL counts with decimals, and the last digit may differ')
  }
  return exact && a.kind !== 'float' && b.kind !== 'float' ? 'numeric' : 'float'
}

export function concatenate(left: Value, right: Value): Value {
  if (left.kind === 'null' || right.kind === 'null') return value('null::text', 'text', [left, right])
  return value(`(${asText(left).sql} || ${asText(right).sql})`, 'text', [left, right])
}

export function negate(operand: Value): Value {
  const number = asNumber(operand)
  const digits = number.literal
  const made = value(`(- ${number.sql})`, number.kind, [number])
  return digits === null ? made : { ...made, literal: `-${digits}` }
}
