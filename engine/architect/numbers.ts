/** Columns whose values are integers and reals only. */
import type { Conversion } from '@sensei/core/plan'
import type { ColumnProfile } from '@sensei/core/survey'
import type { Declared } from './declared.ts'
import { type Decision, converted, exact, type FindingDraft, withFinding } from './decision.ts'

/** Up to here every integer is a double of its own. */
const DOUBLE_EXACT_MAX = 2n ** 53n
const NUMERIC_PRECISION_MAX = 1000

export function decideNumbers(declared: Declared, profile: ColumnProfile): Decision {
  const decision = decideType(declared, profile)
  const lost = negativeZeroFinding(decision.conversion, profile)
  return lost === null ? decision : withFinding(decision, lost.code, lost.message)
}

/** By value it is zero; its sign is what a numeric cannot hold. */
export function negativeZeroFinding(
  conversion: Conversion,
  profile: ColumnProfile,
): FindingDraft | null {
  const count = profile.real?.negativeZeros ?? 0
  if (conversion !== 'decimal' || count === 0) return null
  const message = `${count} ${count === 1 ? 'value is' : 'values are'} -0.0, which becomes 0: a numeric has no negative zero`
  return { code: 'negative-zero', message }
}

function decideType(declared: Declared, profile: ColumnProfile): Decision {
  const { integer, real } = profile.census
  if (real === 0) return decideIntegers(declared, profile)
  const decimals = allDecimal(profile)
  if (integer === 0) {
    if (declared.family !== 'decimal') return decideReals(declared)
    if (decimals) return converted(numericType(declared, profile), 'decimal')
    return withFinding(
      exact('double precision', 'real'),
      'decimal-kept-as-double',
      'some values need more than 15 digits, so they are no decimals as written; they stay doubles',
    )
  }
  if (decimals) return converted(numericType(declared, profile), 'decimal')
  // Integers beyond 2^53 beside doubles: only numeric holds both, each by its own decimal.
  return integersFitDouble(profile)
    ? converted('double precision', 'real')
    : converted('numeric', 'decimal')
}

function decideIntegers(declared: Declared, profile: ColumnProfile): Decision {
  const asInteger = exact('bigint', 'integer')
  switch (declared.family) {
    case 'boolean':
      if (profile.integer?.zeroOrOne === profile.census.integer) {
        return converted('boolean', 'boolean')
      }
      return withFinding(
        asInteger,
        'boolean-out-of-range',
        'declared as a boolean, but it holds other numbers than 0 and 1',
      )
    case 'decimal':
      return converted(numericType(declared, profile), 'decimal')
    case 'date':
    case 'timestamp':
    case 'timestamptz':
    case 'time':
      return withFinding(
        asInteger,
        'date-as-number',
        'declared as a date, but it holds numbers; they are kept as they are',
      )
    default:
      return asInteger
  }
}

function decideReals(declared: Declared): Decision {
  const asReal = exact('double precision', 'real')
  if (declared.family === 'real' || declared.family === 'none') return asReal
  return withFinding(asReal, 'declared-otherwise', 'every value is a floating point number')
}

export function allDecimal(profile: ColumnProfile): boolean {
  const { real } = profile
  if (real === null) return true
  return real.roundTrips === profile.census.real && real.infinite === 0 && real.nan === 0
}

export function integersFitDouble(profile: ColumnProfile): boolean {
  if (profile.integer === null) return true
  return (
    BigInt(profile.integer.min) >= -DOUBLE_EXACT_MAX &&
    BigInt(profile.integer.max) <= DOUBLE_EXACT_MAX
  )
}

/** `numeric(p,s)` as declared where every value fits it, which SQLite never enforces; else plain `numeric`. */
export function numericType(declared: Declared, profile: ColumnProfile): string {
  const { precision } = declared
  const scale = declared.scale ?? 0
  if (
    precision === null ||
    precision < 1 ||
    precision > NUMERIC_PRECISION_MAX ||
    scale > precision
  ) {
    return 'numeric'
  }
  return valuesFit(profile, precision, scale) ? `numeric(${precision},${scale})` : 'numeric'
}

export function valuesFit(profile: ColumnProfile, precision: number, scale: number): boolean {
  const { real, integer } = profile
  const before = precision - scale
  if (real !== null && profile.census.real > 0) {
    if (!allDecimal(profile) || real.scale > scale || real.precision > before) return false
  }
  return integer === null || integerDigits(integer) <= before
}

function integerDigits(range: { readonly min: string; readonly max: string }): number {
  return Math.max(range.min.replace('-', '').length, range.max.replace('-', '').length)
}
