/** Decimal values as text: those of doubles, of texts and of JSON numbers, in the one form of tag `d`. */
import type { CellBuffer } from '@sensei/core/canonical/cells'
import type { CanonicalType } from '@sensei/core/canonical/types'

/** A decimal as sign, digits before the point (none for zero) and digits behind it without zeros at the end. */
export interface Decimal {
  readonly negative: boolean
  readonly whole: string
  readonly fraction: string
}

const WHOLE_DIGITS_MAX = 131_072
const FRACTION_DIGITS_MAX = 16_383

/** The shortest decimal that reads back as this double, which ECMAScript's number-to-text is. Finite values only. */
export function decimalOfDouble(value: number): Decimal {
  return decimalOfNumber(String(value)) as Decimal
}

/** Digits with an optional fraction and exponent; null where PostgreSQL's numeric cannot hold it. */
export function decimalOfNumber(text: string): Decimal | null {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text)
  if (match === null) return null
  const [, sign, before = '', behind = '', exponentText = '0'] = match
  const significant = (before + behind).replace(/^0+/, '')
  if (significant === '') return { negative: false, whole: '', fraction: '' }
  const exponent = Number(exponentText)
  // Where the point stands in `significant`, counted from its left.
  const point = before.length + exponent - (before.length + behind.length - significant.length)
  if (point > WHOLE_DIGITS_MAX || point < -FRACTION_DIGITS_MAX) return null
  const padded = point > significant.length ? significant.padEnd(point, '0') : significant
  const whole = point > 0 ? padded.slice(0, point) : ''
  const fraction = (point > 0 ? padded.slice(point) : '0'.repeat(-point) + padded).replace(
    /0+$/,
    '',
  )
  if (fraction.length > FRACTION_DIGITS_MAX) return null
  return { negative: sign === '-', whole, fraction }
}

/**
 * The decimal as it stands in a column numeric(p,s), or null where it does not fit. A longer fraction is rounded,
 * half away from zero, only if the caller may.
 */
export function fitted(value: Decimal, type: CanonicalType, mayRound: boolean): Decimal | null {
  if (type.size === null) return value
  const scale = type.scale ?? 0
  let fits = value
  if (value.fraction.length > scale) {
    if (!mayRound) return null
    fits = rounded(value, scale)
  }
  return fits.whole.length <= type.size - scale ? fits : null
}

function rounded({ negative, whole, fraction }: Decimal, scale: number): Decimal {
  const kept =
    BigInt(`0${whole}${fraction.slice(0, scale)}`) + ((fraction[scale] ?? '0') >= '5' ? 1n : 0n)
  if (kept === 0n) return { negative: false, whole: '', fraction: '' }
  const digits = kept.toString().padStart(scale, '0')
  return {
    negative,
    whole: digits.slice(0, digits.length - scale).replace(/^0+/, ''),
    fraction: digits.slice(digits.length - scale).replace(/0+$/, ''),
  }
}

export function spell({ negative, whole, fraction }: Decimal): string {
  const text = `${whole === '' ? '0' : whole}${fraction === '' ? '' : `.${fraction}`}`
  return negative ? `-${text}` : text
}

/** A REAL in a column of texts: its shortest digits, and always told apart from an INTEGER. */
export function textOfReal(value: number): string {
  const text = Object.is(value, -0) ? '-0' : String(value)
  return /^-?\d+$/.test(text) ? `${text}.0` : text
}

const [TAG, MINUS, ZERO, POINT] = [0x64, 0x2d, 0x30, 0x2e] as const

/**
 * Writes the cell of a REAL from SQLite's text of it (sign, digits, a point, digits), without any number in between. Null
 * where it has to be rounded, or where the text is another.
 */
export function spelledDecimal(
  out: CellBuffer,
  digits: Uint8Array,
  type: CanonicalType,
): boolean | null {
  const point = digits.indexOf(POINT)
  if (point < 0) return null
  let end = digits.length
  while (digits[end - 1] === ZERO) end -= 1
  if (end === point + 1) end = point
  const first = digits[0] === MINUS ? 1 : 0
  const fraction = Math.max(0, end - point - 1)
  const whole = digits[first] === ZERO ? 0 : point - first
  if (whole === 0 && fraction === 0) return null
  if (type.size !== null) {
    const scale = type.scale ?? 0
    if (fraction > scale || whole > type.size - scale) return null
  }
  out.cell(TAG, digits.subarray(0, end))
  return true
}

/** Writes the cell of `units` over 10^scale. Null where it has to be rounded. */
export function scaledDecimal(
  out: CellBuffer,
  units: number,
  scale: number,
  type: CanonicalType,
): boolean | null {
  const size = Math.abs(units)
  const whole = Math.floor(size / 10 ** scale)
  let fraction = size - whole * 10 ** scale
  let places = fraction === 0 ? 0 : scale
  while (places > 0 && fraction % 10 === 0) {
    fraction /= 10
    places -= 1
  }
  let width = 1
  for (let bound = 10; whole >= bound; bound *= 10) width += 1
  if (type.size !== null) {
    const most = type.scale ?? 0
    if (places > most || (whole > 0 && width > type.size - most)) return null
  }
  out.header(TAG, (units < 0 ? 1 : 0) + width + (places > 0 ? places + 1 : 0))
  if (units < 0) out.bytes[out.length++] = MINUS
  putDigits(out, whole, width)
  if (places > 0) {
    out.bytes[out.length++] = POINT
    putDigits(out, fraction, places)
  }
  return true
}

function putDigits(out: CellBuffer, value: number, width: number): void {
  let rest = value
  for (let at = out.length + width - 1; at >= out.length; at -= 1) {
    const tenth = Math.floor(rest / 10)
    out.bytes[at] = ZERO + rest - tenth * 10
    rest = tenth
  }
  out.length += width
}
