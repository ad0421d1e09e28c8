/**
 * One column's conversion: a stored value (its storage class and its bytes) becomes a field of COPY BINARY, or the
 * reason why it cannot. docs/canonical.md describes each conversion. This is the copier's implementation; the witness
 * has one of its own.
 *
 * Storage classes are never mixed up: the text '12' is not the integer 12, whatever the column's affinity.
 */
import { SenseiError } from '@sensei/core/errors'
import type { ColumnMapping, Conversion } from '@sensei/core/plan'
import type { TextFormat } from '@sensei/core/survey'
import {
  type DecimalLimits,
  decimalProblem,
  decimalShape,
  shortestDecimal,
  writeDecimal,
  writeInfinity,
} from './decimals.ts'
import { jsonProblem } from './json-scan.ts'
import { MOMENT_FORMATS, moment } from './moments.ts'
import type { TupleWriter } from './tuple-writer.ts'

/** How the bytes of a value are to be understood. Numbers are the ASCII text that SQLite writes for them. */
export type StorageClass = 'integer' | 'real' | 'text' | 'blob'

/** Writes the field and returns null, or writes anything and returns why the value does not fit. */
export type Convert = (
  writer: TupleWriter,
  bytes: Uint8Array,
  start: number,
  end: number,
  storage: StorageClass,
) => string | null

export function converter(column: ColumnMapping): Convert {
  const type = baseType(column.type)
  const make = MAKERS[column.conversion]
  const convert = make(column, type)
  if (convert !== null) return convert
  throw new SenseiError(
    'PLAN_INVALID',
    `column ${column.target}: the conversion "${column.conversion}" cannot write the type ${column.type}`,
    { details: { column: column.target, type: column.type, conversion: column.conversion } },
  )
}

/** What a reader that has the stored value itself, and not its text, may write without asking `converter`. */
export type DirectForm =
  | { readonly kind: 'bigint' | 'boolean' | 'double' | 'text' | 'bytes' | 'none' }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number }

export function directForm(column: ColumnMapping): DirectForm {
  const type = baseType(column.type)
  const limits = decimalLimits(column)
  switch (column.conversion) {
    case 'integer':
      return { kind: type === 'bigint' ? 'bigint' : 'none' }
    case 'boolean':
      return { kind: 'boolean' }
    case 'real':
      return { kind: type === 'double precision' ? 'double' : 'none' }
    case 'decimal':
      return limits === null ? { kind: 'none' } : { kind: 'decimal', ...limits }
    case 'text':
      return { kind: textWriter(column, type) === plainText ? 'text' : 'none' }
    case 'json':
      // PostgreSQL parses it again, by the same grammar, and what it refuses becomes a reject all the same.
      return { kind: type === 'json' && column.unfit === 'reject' ? 'text' : 'none' }
    case 'bytes':
      return { kind: 'bytes' }
    default:
      return { kind: 'none' }
  }
}

type Maker = (column: ColumnMapping, type: string) => Convert | null

const MAKERS: Readonly<Record<Conversion, Maker>> = {
  integer: (column, type) => integer(type) ?? (type === 'numeric' ? integerDecimal(column) : null),
  boolean: (_, type) => (type === 'boolean' ? boolean : null),
  real: (_, type) => (type === 'double precision' ? float8 : type === 'real' ? float4 : null),
  decimal: (column, type) => (type === 'numeric' ? decimal(column) : null),
  text,
  'text-strip-nul': text,
  'text-replace-invalid': text,
  'any-as-text': anyAsText,
  bytes: (_, type) => (type === 'bytea' ? bytes : null),
  'any-as-bytes': (_, type) => (type === 'bytea' ? anyAsBytes : null),
  date: (column, type) => (type === 'date' ? date(column) : null),
  timestamp: (column, type) =>
    type === 'timestamp' ? timestamp(column, 'timestamp-iso', [...DATES, 'timestamp-iso']) : null,
  timestamptz: (column, type) =>
    type === 'timestamptz'
      ? timestamp(column, 'timestamp-zone', [...DATES, 'timestamp-iso', 'timestamp-zone'])
      : null,
  time: (column, type) => (type === 'time' ? time(column) : null),
  json: (_, type) => (type === 'json' || type === 'text' ? json : null),
  jsonb: (_, type) => (type === 'jsonb' ? jsonb : null),
  uuid: (_, type) => (type === 'uuid' ? uuid : null),
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  int2: 'smallint',
  int: 'integer',
  int4: 'integer',
  int8: 'bigint',
  bool: 'boolean',
  float8: 'double precision',
  float4: 'real',
  decimal: 'numeric',
  varchar: 'character varying',
  char: 'character',
  bpchar: 'character',
  'timestamp without time zone': 'timestamp',
  'timestamp with time zone': 'timestamptz',
  'time without time zone': 'time',
}

/** `numeric(10,2)` -> `numeric`; one name for each type. */
export function baseType(type: string): string {
  const bare = type
    .toLowerCase()
    .replace(/\s*\([^)]*\)/, '')
    .replace(/\s+/g, ' ')
    .trim()
  return TYPE_NAMES[bare] ?? bare
}

/** The numbers in the brackets: [10, 2] of `numeric(10,2)`. */
export function modifiers(type: string): readonly number[] {
  const inside = /\(([^)]*)\)/.exec(type)?.[1]
  return inside === undefined ? [] : inside.split(',').map(Number)
}

const MINUS = 45
const ZERO = 48

function wrongClass(storage: StorageClass, wanted: string): string {
  return `stored as ${storage}, not as ${wanted}`
}

function integer(type: string): Convert | null {
  if (type === 'bigint') return bigint
  if (type === 'integer') return smallInteger(-2_147_483_648, 2_147_483_647, 4)
  return type === 'smallint' ? smallInteger(-32_768, 32_767, 2) : null
}

/** Digits that a double holds exactly. */
const SAFE_DIGITS = 15

const bigint: Convert = (writer, from, start, end, storage) => {
  if (storage === 'real') return integral(bigint, writer, from, start, end)
  if (storage !== 'integer') return wrongClass(storage, 'integer')
  if (end - start > SAFE_DIGITS) writer.bigint64(BigInt(ascii(from, start, end)))
  else writer.int64(smallNumber(from, start, end))
  return null
}

function smallInteger(min: number, max: number, size: 2 | 4): Convert {
  const convert: Convert = (writer, from, start, end, storage) => {
    if (storage === 'real') return integral(convert, writer, from, start, end)
    if (storage !== 'integer') return wrongClass(storage, 'integer')
    const value = end - start > SAFE_DIGITS ? Number.NaN : smallNumber(from, start, end)
    if (!(value >= min && value <= max)) return `outside of ${min} to ${max}`
    if (size === 2) writer.int16(value)
    else writer.int32(value)
    return null
  }
  return convert
}

const INT64_MIN = -(2n ** 63n)
const INT64_MAX = 2n ** 63n - 1n

/** A floating point value that is an integer of 64 bits counts as that integer. */
function integral(
  convert: Convert,
  writer: TupleWriter,
  from: Uint8Array,
  start: number,
  end: number,
): string | null {
  const value = double(from, start, end)
  if (!Number.isInteger(value)) return 'a floating point value that is no integer'
  const whole = BigInt(value)
  if (whole < INT64_MIN || whole > INT64_MAX) return 'a floating point value outside of 64 bits'
  const digits = encoder.encode(String(whole))
  return convert(writer, digits, 0, digits.length, 'integer')
}

function smallNumber(from: Uint8Array, start: number, end: number): number {
  const negative = from[start] === MINUS
  let value = 0
  for (let at = negative ? start + 1 : start; at < end; at += 1)
    value = value * 10 + from[at]! - ZERO
  return negative ? -value : value
}

const boolean: Convert = (writer, from, start, end, storage) => {
  const digit = from[start]! - ZERO
  if (storage !== 'integer') return wrongClass(storage, 'integer')
  if (end - start !== 1 || digit > 1) return 'neither 0 nor 1'
  writer.boolean(digit === 1)
  return null
}

const float8: Convert = (writer, from, start, end, storage) => {
  if (storage !== 'real' && storage !== 'integer') return wrongClass(storage, 'number')
  const value = double(from, start, end)
  if (storage === 'integer' && BigInt(ascii(from, start, end)) !== BigInt(value)) {
    return 'an integer that a floating point number cannot hold'
  }
  writer.float64(value)
  return null
}

const float4: Convert = (writer, from, start, end, storage) => {
  if (storage !== 'real' && storage !== 'integer') return wrongClass(storage, 'number')
  const value = double(from, start, end)
  if (storage === 'integer' && BigInt(ascii(from, start, end)) !== BigInt(value)) {
    return 'an integer that a floating point number cannot hold'
  }
  if (Number.isFinite(value) && !Number.isFinite(Math.fround(value))) {
    return 'too large for real (4 bytes)'
  }
  writer.float32(value)
  return null
}

const POWERS_OF_TEN = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`))

/**
 * The double that the text spells. Up to 15 digits over a power of ten up to 10^22 both are exact doubles, so one
 * division rounds correctly; everything else is left to the runtime's parser.
 */
function double(from: Uint8Array, start: number, end: number): number {
  const negative = from[start] === MINUS
  let digits = 0
  let value = 0
  let point = -1
  for (let at = negative ? start + 1 : start; at < end; at += 1) {
    const byte = from[at]!
    if (byte === 46) point = at
    else if (byte >= ZERO && byte <= 57) {
      value = value * 10 + byte - ZERO
      digits += 1
    } else return Number(ascii(from, start, end))
  }
  if (digits > SAFE_DIGITS) return Number(ascii(from, start, end))
  if (point !== -1) value /= POWERS_OF_TEN[end - point - 1]!
  return negative ? -value : value
}

function decimal(column: ColumnMapping): Convert {
  const limits = decimalLimits(column)
  const rounds = column.fidelity === 'lossy'
  return (writer, from, start, end, storage) => {
    if (storage === 'real') return realDecimal(writer, from, start, end, limits, rounds)
    if (storage === 'blob') return wrongClass(storage, 'number')
    return plainDecimal(writer, from, start, end, limits)
  }
}

/** The conversion `integer` into a numeric. */
function integerDecimal(column: ColumnMapping): Convert {
  const limits = decimalLimits(column)
  const convert: Convert = (writer, from, start, end, storage) => {
    if (storage === 'real') return integral(convert, writer, from, start, end)
    if (storage !== 'integer') return wrongClass(storage, 'integer')
    return plainDecimal(writer, from, start, end, limits)
  }
  return convert
}

function decimalLimits(column: ColumnMapping): DecimalLimits | null {
  const [precision, scale = 0] = modifiers(column.type)
  return precision === undefined ? null : { precision, scale }
}

function plainDecimal(
  writer: TupleWriter,
  from: Uint8Array,
  start: number,
  end: number,
  limits: DecimalLimits | null,
): string | null {
  const shape = decimalShape(from, start, end)
  if (shape === null) return 'not a decimal number'
  const problem = decimalProblem(from, shape, limits, false)
  if (problem === null) writeDecimal(writer, from, shape)
  return problem
}

function realDecimal(
  writer: TupleWriter,
  from: Uint8Array,
  start: number,
  end: number,
  limits: DecimalLimits | null,
  rounds: boolean,
): string | null {
  // A text of at most 15 digits is the shortest one; SQLite's may have 17 where fewer would do.
  if (end - start <= SAFE_DIGITS + 1) {
    const shape = decimalShape(from, start, end)
    if (shape !== null) {
      // SQLite writes 12.0 for the real 12: the zero is its way to say "real", not a digit of the value.
      if (shape.fractionEnd - shape.fractionStart === 1 && from[shape.fractionStart] === ZERO) {
        shape.fractionEnd = shape.fractionStart
      }
      const problem = decimalProblem(from, shape, limits, rounds)
      if (problem === null) writeDecimal(writer, from, shape)
      return problem
    }
  }
  const value = Number(ascii(from, start, end))
  if (!Number.isFinite(value)) {
    if (limits !== null) return 'infinity does not fit a numeric with a precision'
    writeInfinity(writer, value < 0)
    return null
  }
  const text = encoder.encode(shortestDecimal(value))
  const shape = decimalShape(text, 0, text.length)!
  const problem = decimalProblem(text, shape, limits, rounds)
  if (problem === null) writeDecimal(writer, text, shape)
  return problem
}

function text(column: ColumnMapping, type: string): Convert | null {
  const write = textWriter(column, type)
  if (write === null) return null
  return (writer, from, start, end, storage) =>
    storage === 'text' ? write(writer, from, start, end) : wrongClass(storage, 'text')
}

/** Numbers arrive as decimal text, blobs as `\x` and hexadecimal digits. */
function anyAsText(column: ColumnMapping, type: string): Convert | null {
  const write = textWriter(column, type)
  if (write === null) return null
  return (writer, from, start, end, storage) => {
    if (storage === 'integer' || storage === 'text') return write(writer, from, start, end)
    const text =
      storage === 'real'
        ? realText(double(from, start, end))
        : `\\x${Buffer.from(from.subarray(start, end)).toString('hex')}`
    const bytes = encoder.encode(text)
    return write(writer, bytes, 0, bytes.length)
  }
}

/** ECMAScript's digits, with a sign that it was no integer: `3.0`, `1e+21`, `-0.0`. */
function realText(value: number): string {
  const text = Object.is(value, -0) ? '-0' : String(value)
  return /^-?\d+$/.test(text) ? `${text}.0` : text
}

type WriteText = (
  writer: TupleWriter,
  from: Uint8Array,
  start: number,
  end: number,
) => string | null

/** Names of types that are no text; any other unknown name is an enum, which travels as its label. */
export const NOT_TEXT: ReadonlySet<string> = new Set(
  'smallint,integer,bigint,numeric,real,double precision,boolean,bytea,date,timestamp,timestamptz,time,json,jsonb,uuid'.split(
    ',',
  ),
)

function textWriter(column: ColumnMapping, type: string): WriteText | null {
  if (NOT_TEXT.has(type)) return null
  if (type !== 'character varying' && type !== 'character') return plainText
  const [declared] = modifiers(column.type)
  const charsMax = declared ?? (type === 'character' ? 1 : Number.POSITIVE_INFINITY)
  // PostgreSQL drops blanks beyond the length, which in a varchar would be a silent change.
  const blanksCount = type === 'character varying'
  return (writer, from, start, end) => {
    let last = end
    while (!blanksCount && last > start && from[last - 1] === 32) last -= 1
    if (last - start > charsMax && characters(from, start, last) > charsMax) {
      return `longer than ${charsMax} characters`
    }
    return plainText(writer, from, start, end)
  }
}

const plainText: WriteText = (writer, from, start, end) => {
  writer.raw(from, start, end)
  return null
}

function characters(from: Uint8Array, start: number, end: number): number {
  let count = 0
  for (let at = start; at < end; at += 1) if ((from[at]! & 0xc0) !== 0x80) count += 1
  return count
}

const bytes: Convert = (writer, from, start, end, storage) => {
  if (storage !== 'blob') return wrongClass(storage, 'blob')
  writer.raw(from, start, end)
  return null
}

/** A number becomes the bytes of its text. */
const anyAsBytes: Convert = (writer, from, start, end, storage) => {
  if (storage !== 'real') {
    writer.raw(from, start, end)
    return null
  }
  const text = encoder.encode(realText(double(from, start, end)))
  writer.raw(text, 0, text.length)
  return null
}

const DATES: readonly TextFormat[] = [
  'date-iso',
  'date-dmy-slash',
  'date-mdy-slash',
  'date-dmy-dot',
  'date-ymd-slash',
  'date-compact',
]

type MomentParser = (from: Uint8Array, start: number, end: number) => boolean

/**
 * Tries the formats in the plan's order; the first that fits decides. What the type's precision would round off
 * does not fit.
 */
function momentParser(
  column: ColumnMapping,
  usual: TextFormat,
  allowed: readonly TextFormat[],
): MomentParser {
  const formats = (column.formats ?? [usual]).filter((format) => allowed.includes(format))
  const parsers = formats.flatMap((format) => MOMENT_FORMATS[format] ?? [])
  const [precision = 6] = modifiers(column.type)
  const unit = 10 ** Math.max(0, 6 - precision)
  return (from, start, end) => {
    for (const parse of parsers) if (parse(from, start, end)) return moment.micros % unit === 0
    return false
  }
}

function date(column: ColumnMapping): Convert {
  const parse = momentParser(column, 'date-iso', DATES)
  return (writer, from, start, end, storage) => {
    if (storage !== 'text') return wrongClass(storage, 'text')
    if (!parse(from, start, end)) return 'not a date of the calendar in a planned format'
    writer.int32(moment.days)
    return null
  }
}

/** Seconds whose microseconds a double holds exactly. */
const EXACT_SECONDS = 9_000_000_000

function timestamp(
  column: ColumnMapping,
  usual: TextFormat,
  allowed: readonly TextFormat[],
): Convert {
  const parse = momentParser(column, usual, allowed)
  return (writer, from, start, end, storage) => {
    if (storage !== 'text') return wrongClass(storage, 'text')
    if (!parse(from, start, end)) return 'not a moment of the calendar in a planned format'
    const seconds = moment.days * 86_400 + moment.seconds - moment.offsetSeconds
    if (Math.abs(seconds) < EXACT_SECONDS) writer.int64(seconds * 1_000_000 + moment.micros)
    else writer.bigint64(BigInt(seconds) * 1_000_000n + BigInt(moment.micros))
    return null
  }
}

function time(column: ColumnMapping): Convert {
  const parse = momentParser(column, 'time-iso', ['time-iso'])
  return (writer, from, start, end, storage) => {
    if (storage !== 'text') return wrongClass(storage, 'text')
    if (!parse(from, start, end)) return 'not a time of day'
    writer.int64(moment.seconds * 1_000_000 + moment.micros)
    return null
  }
}

const json: Convert = (writer, from, start, end, storage) => {
  if (storage !== 'text') return wrongClass(storage, 'text')
  const problem = jsonProblem(from, start, end, false)
  if (problem === null) writer.raw(from, start, end)
  return problem
}

/** On the wire a jsonb is its version, 1, and the text. */
const jsonb: Convert = (writer, from, start, end, storage) => {
  if (storage !== 'text') return wrongClass(storage, 'text')
  const problem = jsonProblem(from, start, end, true)
  if (problem !== null) return problem
  writer.reserve(5 + end - start)
  const field = writer.startField()
  writer.byte(1)
  writer.append(from, start, end)
  writer.endField(field)
  return null
}

const NOT_UUID = 'neither a uuid of 36 characters nor 16 bytes'

/** The 36 characters, or a blob of the 16 bytes. */
const uuid: Convert = (writer, from, start, end, storage) => {
  if (storage === 'blob' && end - start === 16) {
    writer.raw(from, start, end)
    return null
  }
  if (storage !== 'text' || end - start !== 36) return NOT_UUID
  writer.reserve(20)
  const field = writer.startField()
  for (let at = start; at < end; ) {
    const place = at - start
    if (place === 8 || place === 13 || place === 18 || place === 23) {
      if (from[at] !== 45) return NOT_UUID
      at += 1
    }
    const high = HEX_DIGITS[from[at]!]!
    const low = HEX_DIGITS[from[at + 1]!]!
    if (high === NOT_HEX || low === NOT_HEX) return NOT_UUID
    writer.byte(high * 16 + low)
    at += 2
  }
  writer.endField(field)
  return null
}

const NOT_HEX = 255
const HEX_DIGITS = new Uint8Array(256).fill(NOT_HEX)
for (const [at, digit] of [...'0123456789abcdefABCDEF'].entries()) {
  HEX_DIGITS[digit.charCodeAt(0)] = at < 16 ? at : at - 6
}

const encoder = new TextEncoder()

function ascii(from: Uint8Array, start: number, end: number): string {
  return Buffer.from(from.buffer, from.byteOffset + start, end - start).toString('latin1')
}
