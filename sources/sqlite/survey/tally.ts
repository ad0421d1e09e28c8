/**
 * What was counted of one column. Plain data, so that a thread can send it, and additive, so that the tallies of two ranges
 * make the tally of both.
 */
import { isUtf8 } from 'node:buffer'
import type { ColumnProfile, TextFormat } from '@sensei/core/survey'
import { decimalShape } from '../reader/decimals.ts'
import { isComposite, jsonProblem } from '../reader/json-scan.ts'
import { MOMENT_FORMATS } from '../reader/moments.ts'
import { jsonbChanges } from './jsonb-changes.ts'
import {
  emptyShapes,
  isPlain,
  shapeOf,
  type Shapes,
  writtenOneWay,
  writtenPlainly,
} from './spellings.ts'

/** The n-th row of the n-th range of a table. */
export interface Position {
  readonly range: number
  readonly ordinal: number
}

export type Problem =
  | 'integer'
  | 'real'
  | 'text'
  | 'blob'
  | 'nul'
  | 'invalid-utf8'
  | 'dateless'
  | 'timestamp-offset'
  | 'date-formats-unified'

type ClockFormat = 'timestamp-iso' | 'timestamp-zone' | 'time-iso'

export interface Tally {
  /** Declared JSONB: whether jsonb would change a value is only asked there. */
  readonly jsonb: boolean
  null: number
  integer: number
  real: number
  text: number
  blob: number
  integerMin: number | bigint | null
  integerMax: number | bigint | null
  zeroOrOne: number
  roundTrips: number
  realScale: number
  realPrecision: number
  negativeZeros: number
  infinite: number
  textBytesMax: number
  empty: number
  nul: number
  invalidUtf8: number
  formats: Partial<Record<TextFormat, number>>
  dateless: number
  timestampsUtc: number
  /** Of the moments with a zone only those written with Z. */
  shapes: Partial<Record<ClockFormat, Shapes>>
  jsonbUnfit: number
  decimalScale: number
  decimalPrecision: number
  blobBytesMax: number
  uuidSized: number
  examples: Partial<Record<Problem, Position[]>>
}

const EXAMPLES_MAX = 3

export function emptyTally(jsonb: boolean): Tally {
  return {
    jsonb,
    null: 0,
    integer: 0,
    real: 0,
    text: 0,
    blob: 0,
    integerMin: null,
    integerMax: null,
    zeroOrOne: 0,
    roundTrips: 0,
    realScale: 0,
    realPrecision: 0,
    negativeZeros: 0,
    infinite: 0,
    textBytesMax: 0,
    empty: 0,
    nul: 0,
    invalidUtf8: 0,
    formats: {},
    dateless: 0,
    timestampsUtc: 0,
    shapes: {},
    jsonbUnfit: 0,
    decimalScale: 0,
    decimalPrecision: 0,
    blobBytesMax: 0,
    uuidSized: 0,
    examples: {},
  }
}

/** Where the row stands that is being counted; set by whoever walks the rows. */
export const here = { range: 0, ordinal: 0 }

function example(tally: Tally, problem: Problem): void {
  const known = (tally.examples[problem] ??= [])
  if (known.length < EXAMPLES_MAX) known.push({ range: here.range, ordinal: here.ordinal })
}

export function enoughExamples(tally: Tally, problem: Problem): boolean {
  return (tally.examples[problem]?.length ?? 0) >= EXAMPLES_MAX
}

const ZERO = 48
const MINUS = 45
const LETTER_T = 84
const LETTER_Z = 90
const SAFE_DIGITS = 15

/** The number as SQLite writes it. Returns the bytes that it counts for. */
export function addNumber(
  tally: Tally,
  text: Uint8Array,
  start: number,
  end: number,
  real: boolean,
): number {
  if (real) addReal(tally, text, start, end)
  else addInteger(tally, text, start, end)
  return 8
}

function addInteger(tally: Tally, text: Uint8Array, start: number, end: number): void {
  if (tally.integer < EXAMPLES_MAX) example(tally, 'integer')
  tally.integer += 1
  if (end - start === 1 && text[start]! - ZERO <= 1) tally.zeroOrOne += 1
  const value = integerOf(text, start, end)
  if (tally.integerMin === null || value < tally.integerMin) tally.integerMin = value
  if (tally.integerMax === null || value > tally.integerMax) tally.integerMax = value
}

/** A number as it is stored; returns the bytes that it counts for. */
export function addIntegerValue(tally: Tally, value: number | bigint): number {
  if (tally.integer < EXAMPLES_MAX) example(tally, 'integer')
  tally.integer += 1
  if (value === 0 || value === 1) tally.zeroOrOne += 1
  if (tally.integerMin === null || value < tally.integerMin) tally.integerMin = value
  if (tally.integerMax === null || value > tally.integerMax) tally.integerMax = value
  return 8
}

const POWERS_OF_TEN = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6] as const

/**
 * value = scaled / 10^scale with at most 15 digits in `scaled` is a decimal of 15 digits that spells the value, so it is
 * the one that SQLite writes. The scale that has sufficed so far is tried first.
 */
export function addRealValue(tally: Tally, value: number): number {
  if (tally.real < EXAMPLES_MAX) example(tally, 'real')
  tally.real += 1
  if (Object.is(value, -0)) tally.negativeZeros += 1
  const size = Math.abs(value)
  for (let scale = tally.realScale; scale < POWERS_OF_TEN.length; scale += 1) {
    const unit = POWERS_OF_TEN[scale]!
    const scaled = Math.round(size * unit)
    if (!(scaled < 1e15)) break
    if (scaled / unit !== size) continue
    tally.roundTrips += 1
    tally.realScale = scale
    while (size >= 10 ** tally.realPrecision) tally.realPrecision += 1
    return 8
  }
  addAnyReal(tally, value)
  return 8
}

function integerOf(text: Uint8Array, start: number, end: number): number | bigint {
  if (end - start > SAFE_DIGITS) return BigInt(ascii(text, start, end))
  const negative = text[start] === MINUS
  let value = 0
  for (let at = negative ? start + 1 : start; at < end; at += 1)
    value = value * 10 + text[at]! - ZERO
  return negative ? -value : value
}

function addReal(tally: Tally, text: Uint8Array, start: number, end: number): void {
  if (tally.real < EXAMPLES_MAX) example(tally, 'real')
  tally.real += 1
  // 15 digits and a point: such a text spells the number it was read from.
  const shape = end - start <= SAFE_DIGITS + 1 ? decimalShape(text, start, end) : null
  if (shape !== null) {
    tally.roundTrips += 1
    const whole =
      shape.fractionEnd - shape.fractionStart === 1 && text[shape.fractionStart] === ZERO
    const scale = whole ? 0 : shape.fractionEnd - shape.fractionStart
    if (scale > tally.realScale) tally.realScale = scale
    const before = shape.intEnd - shape.intStart
    if (before > tally.realPrecision) tally.realPrecision = before
    return
  }
  addAnyReal(tally, Number(ascii(text, start, end)))
}

function addAnyReal(tally: Tally, value: number): void {
  if (!Number.isFinite(value)) {
    tally.infinite += 1
    return
  }
  if (Number(value.toPrecision(SAFE_DIGITS)) !== value) return
  tally.roundTrips += 1
  // Zero has no digit before the point, as 0.5 has none.
  if (value === 0) return
  const [mantissa = '', exponent = '0'] = Math.abs(value).toExponential().split('e')
  const digits = mantissa.replace('.', '').length
  const point = Number(exponent) + 1
  tally.realScale = Math.max(tally.realScale, digits - point)
  tally.realPrecision = Math.max(tally.realPrecision, point)
}

export function addBlob(tally: Tally, bytes: number): number {
  if (tally.blob < EXAMPLES_MAX) example(tally, 'blob')
  tally.blob += 1
  if (bytes > tally.blobBytesMax) tally.blobBytesMax = bytes
  if (bytes === 16) tally.uuidSized += 1
  return bytes
}

/** A text whose bytes nobody has looked at yet. */
export function addUncheckedText(tally: Tally, bytes: Uint8Array, wellFormed: boolean): number {
  if (!wellFormed || !isUtf8(bytes)) {
    tally.invalidUtf8 += 1
    example(tally, 'invalid-utf8')
  }
  if (bytes.includes(0)) {
    tally.nul += 1
    example(tally, 'nul')
  }
  return addText(tally, bytes, 0, bytes.length)
}

/** A text that is known to be UTF-8 without NUL, or whose damage is counted already. */
export function addText(tally: Tally, bytes: Uint8Array, start: number, end: number): number {
  if (tally.text < EXAMPLES_MAX) example(tally, 'text')
  tally.text += 1
  const length = end - start
  if (length > tally.textBytesMax) tally.textBytesMax = length
  if (length === 0) {
    tally.empty += 1
    tally.dateless += 1
    if (tally.dateless <= EXAMPLES_MAX) example(tally, 'dateless')
    return 0
  }
  const first = bytes[start]!
  const digits = first >= ZERO && first <= 57
  if (!digits || !addMoment(tally, bytes, start, end)) {
    tally.dateless += 1
    if (tally.dateless <= EXAMPLES_MAX) example(tally, 'dateless')
  }
  if (length === 36 && isUuid(bytes, start)) count(tally, 'uuid')
  if (digits || first === MINUS) addDecimal(tally, bytes, start, end)
  else if (isComposite(bytes, start, end)) addJson(tally, bytes, start, end)
  return length
}

const TEN_LONG: readonly TextFormat[] = [
  'date-iso',
  'date-dmy-slash',
  'date-mdy-slash',
  'date-dmy-dot',
  'date-ymd-slash',
]

/** True when the text is a date or a timestamp in any of the known formats. */
function addMoment(tally: Tally, bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start
  if (length === 8 && fits('date-compact', bytes, start, end)) {
    count(tally, 'date-compact')
    example(tally, 'date-formats-unified')
    return true
  }
  if (length >= 5 && length <= 15 && fits('time-iso', bytes, start, end)) {
    count(tally, 'time-iso')
    addShape(tally, 'time-iso', shapeOf(bytes, start, end, false))
  }
  if (length === 10) return addTenLong(tally, bytes, start, end)
  if (length < 16) return false
  if (fits('timestamp-iso', bytes, start, end)) {
    count(tally, 'timestamp-iso')
    const shape = shapeOf(bytes, start + 11, end, bytes[start + 10] === LETTER_T)
    addShape(tally, 'timestamp-iso', shape)
    if (!isPlain(shape)) example(tally, 'date-formats-unified')
    return true
  }
  if (!fits('timestamp-zone', bytes, start, end)) return false
  count(tally, 'timestamp-zone')
  if (bytes[end - 1] === LETTER_Z) {
    tally.timestampsUtc += 1
    const shape = shapeOf(bytes, start + 11, end - 1, bytes[start + 10] === LETTER_T)
    addShape(tally, 'timestamp-zone', shape)
  } else example(tally, 'timestamp-offset')
  return true
}

function addShape(tally: Tally, format: ClockFormat, shape: number): void {
  const shapes = (tally.shapes[format] ??= emptyShapes())
  shapes[shape]! += 1
}

function addTenLong(tally: Tally, bytes: Uint8Array, start: number, end: number): boolean {
  let known = false
  for (const format of TEN_LONG) {
    if (!fits(format, bytes, start, end)) continue
    count(tally, format)
    if (format === 'date-iso') return true
    known = true
  }
  if (known) example(tally, 'date-formats-unified')
  return known
}

function fits(format: TextFormat, bytes: Uint8Array, start: number, end: number): boolean {
  return MOMENT_FORMATS[format]!(bytes, start, end)
}

function count(tally: Tally, format: TextFormat): void {
  tally.formats[format] = (tally.formats[format] ?? 0) + 1
}

function addDecimal(tally: Tally, bytes: Uint8Array, start: number, end: number): void {
  const shape = decimalShape(bytes, start, end)
  if (shape === null) return
  count(tally, 'decimal')
  tally.decimalScale = Math.max(tally.decimalScale, shape.fractionEnd - shape.fractionStart)
  tally.decimalPrecision = Math.max(tally.decimalPrecision, shape.intEnd - shape.intStart)
}

function addJson(tally: Tally, bytes: Uint8Array, start: number, end: number): void {
  if (jsonProblem(bytes, start, end, false) !== null) return
  count(tally, 'json')
  if (!tally.jsonb) return
  const refused = jsonProblem(bytes, start, end, true) !== null
  if (refused || jsonbChanges(bytes, start, end)) tally.jsonbUnfit += 1
}

function isUuid(bytes: Uint8Array, start: number): boolean {
  for (let at = 0; at < 36; at += 1) {
    const byte = bytes[start + at]!
    if (at === 8 || at === 13 || at === 18 || at === 23) {
      if (byte !== MINUS) return false
    } else if (!((byte >= ZERO && byte <= 57) || (byte >= 97 && byte <= 102))) return false
  }
  return true
}

function ascii(from: Uint8Array, start: number, end: number): string {
  return Buffer.from(from.buffer, from.byteOffset + start, end - start).toString('latin1')
}

const SUMMED = [
  'null',
  'integer',
  'real',
  'text',
  'blob',
  'zeroOrOne',
  'roundTrips',
  'negativeZeros',
  'infinite',
  'empty',
  'nul',
  'invalidUtf8',
  'dateless',
  'timestampsUtc',
  'jsonbUnfit',
  'uuidSized',
] as const

const GREATEST = [
  'realScale',
  'realPrecision',
  'textBytesMax',
  'decimalScale',
  'decimalPrecision',
  'blobBytesMax',
] as const

/** Adds the tally of a later range. */
export function addTally(to: Tally, more: Tally): void {
  for (const name of SUMMED) to[name] += more[name]
  for (const name of GREATEST) to[name] = Math.max(to[name], more[name])
  if (more.integerMin !== null && (to.integerMin === null || more.integerMin < to.integerMin)) {
    to.integerMin = more.integerMin
  }
  if (more.integerMax !== null && (to.integerMax === null || more.integerMax > to.integerMax)) {
    to.integerMax = more.integerMax
  }
  for (const [format, times] of Object.entries(more.formats) as [TextFormat, number][]) {
    to.formats[format] = (to.formats[format] ?? 0) + times
  }
  for (const [format, counts] of Object.entries(more.shapes) as [ClockFormat, Shapes][]) {
    const shapes = (to.shapes[format] ??= emptyShapes())
    counts.forEach((times, shape) => (shapes[shape]! += times))
  }
  for (const [problem, found] of Object.entries(more.examples) as [Problem, Position[]][]) {
    to.examples[problem] = [...(to.examples[problem] ?? []), ...found].slice(0, EXAMPLES_MAX)
  }
}

export function profileOf(tally: Tally, examples: ColumnProfile['examples']): ColumnProfile {
  const { integerMin, integerMax } = tally
  const decimals = tally.formats.decimal ?? 0
  return {
    census: {
      null: tally.null,
      integer: tally.integer,
      real: tally.real,
      text: tally.text,
      blob: tally.blob,
    },
    integer:
      integerMin === null || integerMax === null
        ? null
        : {
            min: decimalText(integerMin),
            max: decimalText(integerMax),
            zeroOrOne: tally.zeroOrOne,
          },
    real: tally.real === 0 ? null : realProfile(tally),
    text:
      tally.text === 0
        ? null
        : {
            bytesMax: tally.textBytesMax,
            empty: tally.empty,
            nul: tally.nul,
            invalidUtf8: tally.invalidUtf8,
            formats: tally.formats,
            dateless: tally.dateless,
            timestampsUtc: tally.timestampsUtc,
            timestampsPlain: writtenPlainly(tally.shapes['timestamp-iso'] ?? []),
            oneWay: oneWayOf(tally),
            jsonbUnfit: tally.jsonbUnfit,
            decimal:
              decimals === 0
                ? null
                : { scale: tally.decimalScale, precision: tally.decimalPrecision },
          },
    blob: tally.blob === 0 ? null : { bytesMax: tally.blobBytesMax, uuidSized: tally.uuidSized },
    examples,
  }
}

function oneWayOf({ shapes }: Tally): Partial<Record<ClockFormat, number>> {
  return Object.fromEntries(
    Object.entries(shapes).map(([format, counts]) => [format, writtenOneWay(counts)]),
  )
}

function decimalText(value: number | bigint): string {
  return String(BigInt(value))
}

/** SQLite stores no NaN: it becomes NULL. */
function realProfile(tally: Tally): NonNullable<ColumnProfile['real']> {
  return {
    roundTrips: tally.roundTrips,
    scale: tally.realScale,
    precision: tally.realPrecision,
    negativeZeros: tally.negativeZeros,
    infinite: tally.infinite,
    nan: 0,
  }
}
