/** The PostgreSQL types that a plan may name, and which conversion writes which. */
import type { Conversion } from './plan.ts'

const INTEGERS = ['smallint', 'integer', 'bigint', 'numeric'] as const
const TEXTS = ['text', 'varchar'] as const

/** Types by conversion, without their numbers in parentheses. */
export const CONVERSION_TYPES: Readonly<Record<Conversion, readonly string[]>> = {
  integer: INTEGERS,
  boolean: ['boolean'],
  real: ['double precision', 'real'],
  decimal: ['numeric'],
  text: TEXTS,
  'text-strip-nul': TEXTS,
  'text-replace-invalid': TEXTS,
  'any-as-text': TEXTS,
  bytes: ['bytea'],
  'any-as-bytes': ['bytea'],
  date: ['date'],
  timestamp: ['timestamp'],
  timestamptz: ['timestamptz'],
  time: ['time'],
  json: ['json', 'text'],
  jsonb: ['jsonb'],
  uuid: ['uuid'],
}

export interface PlanType {
  /** Without parentheses, lower case. */
  readonly base: string
  readonly numbers: readonly number[]
}

const SHAPE = /^([a-z]+(?: precision)?)(?:\((\d{1,8})(?:,(\d{1,4}))?\))?$/
const VARCHAR_MAX = 10_485_760
const NUMERIC_MAX = 1000

/** Reads a type as a plan writes it, in one spelling only; null for anything else. */
export function readType(type: string): PlanType | null {
  const match = SHAPE.exec(type)
  const base = match?.[1]
  if (match === null || base === undefined) return null
  const numbers = match.slice(2).flatMap((digits) => (digits === undefined ? [] : [Number(digits)]))
  return numbersFit(base, numbers) ? { base, numbers } : null
}

function numbersFit(base: string, numbers: readonly number[]): boolean {
  if (!Object.values(CONVERSION_TYPES).some((types) => types.includes(base))) return false
  const [first, second] = numbers
  if (base === 'numeric') {
    if (first === undefined) return true
    return first >= 1 && first <= NUMERIC_MAX && (second === undefined || second <= first)
  }
  if (base === 'varchar')
    return first !== undefined && first >= 1 && first <= VARCHAR_MAX && second === undefined
  return numbers.length === 0
}

export function conversionWrites(conversion: Conversion, type: PlanType): boolean {
  return CONVERSION_TYPES[conversion].includes(type.base)
}
