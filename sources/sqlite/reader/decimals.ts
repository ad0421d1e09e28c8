/**
 * Decimal text -> PostgreSQL's numeric on the wire, exactly.
 *
 * numeric: int16 number of digits, int16 weight, uint16 sign, int16 display scale, then the digits to base 10,000, most
 * significant first. Value = digits[i] * 10000^(weight - i); leading and trailing zero digits are left out.
 */
import type { TupleWriter } from './tuple-writer.ts'

const MINUS = 45
const POINT = 46
const ZERO = 48
const NINE = 57

const NEGATIVE = 0x4000
const POSITIVE_INFINITY = 0xd000
const NEGATIVE_INFINITY = 0xf000

/** PostgreSQL's numeric holds this many digits before and after the point. */
const DIGITS_BEFORE_MAX = 131_072
const DIGITS_AFTER_MAX = 16_383

/** What `numeric(p,s)` admits; null for a numeric without limits. */
export interface DecimalLimits {
  readonly precision: number
  readonly scale: number
}

export type DecimalProblem =
  | 'too many digits before the point'
  | 'more digits after the point than the column has'

/** Where the digits of a plain decimal (`-12.50`) stand, or null when the bytes are none. */
export interface DecimalShape {
  negative: boolean
  /** Without leading zeros; `intStart === intEnd` for 0.x. */
  intStart: number
  intEnd: number
  /** As written, trailing zeros included. */
  fractionStart: number
  fractionEnd: number
}

const shape: DecimalShape = {
  negative: false,
  intStart: 0,
  intEnd: 0,
  fractionStart: 0,
  fractionEnd: 0,
}

/** `-?digits[.digits]`; the shape is overwritten by the next call. */
export function decimalShape(text: Uint8Array, start: number, end: number): DecimalShape | null {
  let at = start
  shape.negative = text[at] === MINUS
  if (shape.negative) at += 1
  const integer = at
  at = skipDigits(text, at, end)
  if (at === integer) return null
  shape.intEnd = at
  shape.fractionStart = at
  shape.fractionEnd = at
  if (at < end) {
    if (text[at] !== POINT) return null
    shape.fractionStart = at + 1
    shape.fractionEnd = skipDigits(text, at + 1, end)
    if (shape.fractionEnd !== end || shape.fractionEnd === shape.fractionStart) return null
  }
  let first = integer
  while (first < shape.intEnd && text[first] === ZERO) first += 1
  shape.intStart = first
  return shape
}

function skipDigits(text: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end && text[at]! >= ZERO && text[at]! <= NINE) at += 1
  return at
}

/**
 * Why a decimal does not fit into the column, or null when it does. `rounds` says that PostgreSQL may round the
 * fraction to the column's scale (floating point values only: the declared loss `real-to-decimal`).
 */
export function decimalProblem(
  text: Uint8Array,
  at: DecimalShape,
  limits: DecimalLimits | null,
  rounds: boolean,
): DecimalProblem | null {
  const before = at.intEnd - at.intStart
  const after = at.fractionEnd - at.fractionStart
  if (limits === null) {
    if (before > DIGITS_BEFORE_MAX) return 'too many digits before the point'
    return after > DIGITS_AFTER_MAX ? 'more digits after the point than the column has' : null
  }
  const room = limits.precision - limits.scale
  if (before > room) return 'too many digits before the point'
  if (after <= limits.scale) return null
  const cut = at.fractionStart + limits.scale
  if (!rounds) {
    for (let digit = cut; digit < at.fractionEnd; digit += 1) {
      if (text[digit] !== ZERO) return 'more digits after the point than the column has'
    }
    return null
  }
  const carries = text[cut]! >= 53 && before === room && allNines(text, at, cut)
  return carries ? 'too many digits before the point' : null
}

/** Rounding up 99.995 gives 100.00, one digit more before the point. */
function allNines(text: Uint8Array, at: DecimalShape, cut: number): boolean {
  for (let digit = at.intStart; digit < at.intEnd; digit += 1)
    if (text[digit] !== NINE) return false
  for (let digit = at.fractionStart; digit < cut; digit += 1) if (text[digit] !== NINE) return false
  return true
}

export function writeDecimal(writer: TupleWriter, text: Uint8Array, at: DecimalShape): void {
  const before = at.intEnd - at.intStart
  const after = at.fractionEnd - at.fractionStart
  const groups = ((before + 3) >> 2) + ((after + 3) >> 2)
  writer.reserve(12 + groups * 2)
  const start = writer.startField()
  const header = writer.at
  writer.at += 8
  let weight = ((before + 3) >> 2) - 1
  let digits = 0
  /** Zero groups that are written only if a group that is not zero follows. */
  let zeros = 0
  for (let next = at.intStart, size = before & 3 || 4; next < at.intEnd; next += size, size = 4) {
    const group = groupOf(text, next, next + size, size)
    if (digits === 0 && group === 0) weight -= 1
    else if (group === 0) zeros += 1
    else {
      digits += zeros + 1
      for (; zeros > 0; zeros -= 1) writer.uint16(0)
      writer.uint16(group)
    }
  }
  for (let next = at.fractionStart; next < at.fractionEnd; next += 4) {
    const group = groupOf(text, next, at.fractionEnd, 4)
    if (digits === 0 && group === 0) weight -= 1
    else if (group === 0) zeros += 1
    else {
      digits += zeros + 1
      for (; zeros > 0; zeros -= 1) writer.uint16(0)
      writer.uint16(group)
    }
  }
  const end = writer.at
  writer.at = header
  writer.uint16(digits)
  writer.uint16(digits === 0 ? 0 : weight)
  writer.uint16(at.negative && digits > 0 ? NEGATIVE : 0)
  writer.uint16(after)
  writer.at = end
  writer.endField(start)
}

const POWERS_OF_TEN = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7] as const
const groups = new Uint16Array(8)

/** `scaled` / 10^`scale`, exactly: of at most 15 digits, `scale` from 0 to 6. */
export function writeScaled(writer: TupleWriter, scaled: number, scale: number): void {
  const size = Math.abs(scaled)
  const unit = POWERS_OF_TEN[scale]!
  let whole = Math.floor(size / unit)
  const fractionGroups = (scale + 3) >> 2
  let fraction = (size - whole * unit) * POWERS_OF_TEN[fractionGroups * 4 - scale]!
  let first = groups.length - fractionGroups
  for (let place = groups.length - 1; place >= first; place -= 1) {
    const rest = Math.floor(fraction / 10_000)
    groups[place] = fraction - rest * 10_000
    fraction = rest
  }
  const point = first
  while (whole > 0) {
    const rest = Math.floor(whole / 10_000)
    groups[--first] = whole - rest * 10_000
    whole = rest
  }
  let end = groups.length
  while (first < end && groups[first] === 0) first += 1
  while (end > first && groups[end - 1] === 0) end -= 1
  writer.reserve(12 + (end - first) * 2)
  const start = writer.startField()
  writer.uint16(end - first)
  writer.uint16(end === first ? 0 : point - first - 1)
  writer.uint16(scaled < 0 ? NEGATIVE : 0)
  writer.uint16(scale)
  for (let place = first; place < end; place += 1) writer.uint16(groups[place]!)
  writer.endField(start)
}

/** Up to `size` digits from `start`, filled with zeros on the right. */
function groupOf(text: Uint8Array, start: number, end: number, size: number): number {
  let group = 0
  for (let next = start; next < start + size; next += 1) {
    group = group * 10 + (next < end ? text[next]! - ZERO : 0)
  }
  return group
}

export function writeInfinity(writer: TupleWriter, negative: boolean): void {
  writer.reserve(12)
  const start = writer.startField()
  writer.uint16(0)
  writer.uint16(0)
  writer.uint16(negative ? NEGATIVE_INFINITY : POSITIVE_INFINITY)
  writer.uint16(0)
  writer.endField(start)
}

/** The shortest decimal that reads back as the same floating point value, without exponent. */
export function shortestDecimal(value: number): string {
  const text = String(value)
  const [mantissa = '', exponent] = text.split('e')
  if (exponent === undefined) return text
  const negative = mantissa.startsWith('-')
  const [integer = '', fraction = ''] = mantissa.replace('-', '').split('.')
  const point = integer.length + Number(exponent)
  const digits = integer + fraction
  const plain =
    point <= 0
      ? `0.${'0'.repeat(-point)}${digits}`
      : point >= digits.length
        ? digits.padEnd(point, '0')
        : `${digits.slice(0, point)}.${digits.slice(point)}`
  return negative ? `-${plain}` : plain
}
