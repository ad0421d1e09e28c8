/**
 * Stored cell -> planned value -> canonical payload: the witness's own implementation of each conversion, written from
 * docs/canonical.md section 4 and sharing nothing with the reader that feeds the copy.
 */
import type { CellBuffer } from '@sensei/core/canonical/cells'
import { type CanonicalType, canonicalType, isComparable } from '@sensei/core/canonical/types'
import { SenseiError } from '@sensei/core/errors'
import type { ColumnMapping, Conversion } from '@sensei/core/plan'
import type { TextFormat } from '@sensei/core/survey'
import {
  type Decimal,
  decimalOfDouble,
  decimalOfNumber,
  fitted,
  scaledDecimal,
  spell,
  spelledDecimal,
  textOfReal,
} from './decimals.ts'
import { isJson, jsonbOf } from './json.ts'
import {
  instantOf,
  isIsoDate,
  isIsoTimestamp,
  readMoment,
  readTime,
  spellDate,
  spellTime,
} from './moments.ts'
import { isStorable, replaceInvalid, withoutNul } from './utf.ts'

/** Writes the cell, or writes nothing and returns false: the stored cell is unfit. Texts are UTF-8, or meant to be. */
export interface Converter {
  integer(out: CellBuffer, value: bigint): boolean
  real(out: CellBuffer, value: number): boolean
  /** The same REAL as SQLite spells it, without an exponent; null where the double itself is needed. */
  spelled?(out: CellBuffer, digits: Uint8Array): boolean | null
  /** A REAL that is `units` over 10^scale; null where the double itself is needed. */
  scaled?(out: CellBuffer, units: number, scale: number): boolean | null
  text(out: CellBuffer, bytes: Uint8Array): boolean
  /** True where what is invalid in a text is replaced; UTF-16 has to be looked at before it becomes UTF-8. */
  readonly replaces?: boolean
  /** True where the text at `at` is the payload as it stands. */
  asItIs?(bytes: Uint8Array, at: number, length: number): boolean
  blob(out: CellBuffer, bytes: Uint8Array): boolean
}

const UNFIT = (): boolean => false
const NOTHING: Converter = { integer: UNFIT, real: UNFIT, text: UNFIT, blob: UNFIT }

export function converterOf(column: ColumnMapping): Converter {
  const type = canonicalType(column.type)
  if (type === null || !isComparable(column)) {
    throw new SenseiError(
      'PLAN_INVALID',
      `column "${column.target}": no ${column.conversion} becomes ${column.type} in a way that can be compared`,
      {
        details: { column: column.target },
      },
    )
  }
  return MAKERS[column.conversion](type, column)
}

type Maker = (type: CanonicalType, column: ColumnMapping) => Converter

const MAKERS: Readonly<Record<Conversion, Maker>> = {
  integer: (type) => integerConverter(type),
  boolean: () => ({
    ...NOTHING,
    integer: (out, value) => ascii(out, 'b', value === 0n ? 'f' : value === 1n ? 't' : null),
  }),
  real: (type) => realConverter(type),
  decimal: (type, column) => decimalConverter(type, column.fidelity === 'lossy'),
  text: (type, column) => ({
    ...NOTHING,
    text: (out, bytes) => (isLeft(column) || isStorable(bytes)) && putText(out, type, bytes, true),
  }),
  'text-strip-nul': (type) => ({
    ...NOTHING,
    text: (out, bytes) => putText(out, type, withoutNul(bytes)),
  }),
  'text-replace-invalid': (type) => ({
    ...NOTHING,
    replaces: true,
    text: (out, bytes) => putText(out, type, replaceInvalid(bytes)),
  }),
  'any-as-text': (type) => ({
    integer: (out, value) => putText(out, type, latin1(value.toString())),
    real: (out, value) => putText(out, type, latin1(textOfReal(value))),
    text: (out, bytes) => putText(out, type, bytes),
    blob: (out, bytes) => putText(out, type, latin1(`\\x${hex(bytes)}`)),
  }),
  bytes: () => ({ ...NOTHING, blob: putBytes }),
  'any-as-bytes': () => ({
    integer: (out, value) => putBytes(out, latin1(value.toString())),
    real: (out, value) => putBytes(out, latin1(textOfReal(value))),
    text: putBytes,
    blob: putBytes,
  }),
  date: (_type, column) => {
    const formats = datesOnly(column.formats ?? ['date-iso'])
    const slow = fromText((out, text) => {
      const moment = readMoment(text, formats)
      return ascii(out, 'D', moment && spellDate(moment))
    })
    if (formats[0] !== 'date-iso') return slow
    return {
      ...slow,
      asItIs: isIsoDate,
      text: (out, bytes) =>
        isIsoDate(bytes, 0, bytes.length) ? cell(out, 'D', bytes) : slow.text(out, bytes),
    }
  },
  timestamp: (type, column) => {
    const formats = (column.formats ?? ['timestamp-iso']).filter(
      (format) => format !== 'timestamp-zone',
    )
    const slow = fromText((out, text) => {
      const moment = readMoment(text, formats)
      const time = moment && spellTime(moment.time, type.size)
      return ascii(out, 'T', moment && time && `${spellDate(moment)} ${time}`)
    })
    if (!formats.includes('timestamp-iso')) return slow
    return {
      ...slow,
      asItIs: isIsoTimestamp,
      text: (out, bytes) =>
        isIsoTimestamp(bytes, 0, bytes.length) ? cell(out, 'T', bytes) : slow.text(out, bytes),
    }
  },
  timestamptz: (type, column) =>
    fromText((out, text) => {
      const moment = readMoment(text, column.formats ?? ['timestamp-zone'])
      return ascii(out, 'z', (moment && instantOf(moment, type.size))?.toString() ?? null)
    }),
  time: (type) =>
    fromText((out, text) => {
      const time = readTime(text)
      return ascii(out, 'h', time && spellTime(time, type.size))
    }),
  json: (type, column) => ({
    ...NOTHING,
    text: (out, bytes) =>
      (isLeft(column) || (isStorable(bytes) && isJson(utf8(bytes)))) &&
      (type.tag === 'j' ? cell(out, 'j', bytes) : putText(out, type, bytes, true)),
  }),
  jsonb: () => ({
    ...NOTHING,
    text: (out, bytes) => {
      const value = isStorable(bytes) ? jsonbOf(utf8(bytes)) : null
      return value !== null && cell(out, 'J', Buffer.from(value))
    },
  }),
  uuid: () => ({
    ...NOTHING,
    text: (out, bytes) => {
      const text = bytes.length === 36 ? latin1Text(bytes) : ''
      return ascii(out, 'u', UUID.test(text) ? text.toLowerCase() : null)
    },
    blob: (out, bytes) =>
      ascii(
        out,
        'u',
        bytes.length === 16
          ? hex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
          : null,
      ),
  }),
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

function integerConverter(type: CanonicalType): Converter {
  const bits = type.name === 'int2' ? 16 : type.name === 'int4' ? 32 : 64
  const integer = (out: CellBuffer, value: bigint): boolean => {
    if (type.tag === 'd') return putDecimal(out, fitted(decimalOfInteger(value), type, false))
    return ascii(out, 'i', BigInt.asIntN(bits, value) === value ? value.toString() : null)
  }
  return {
    ...NOTHING,
    integer,
    real: (out, value) =>
      Number.isInteger(value) &&
      value >= -(2 ** 63) &&
      value < 2 ** 63 &&
      integer(out, BigInt(value)),
  }
}

const FLOAT = 'f'.charCodeAt(0)
const HEX = Buffer.from('0123456789abcdef')

function realConverter(type: CanonicalType): Converter {
  const bytes = Buffer.alloc(type.name === 'float4' ? 4 : 8)
  const real = (out: CellBuffer, value: number): boolean => {
    if (bytes.length === 8) bytes.writeDoubleBE(value)
    else if (Number.isFinite(value) && !Number.isFinite(Math.fround(value))) return false
    else bytes.writeFloatBE(value)
    out.header(FLOAT, 2 * bytes.length)
    for (const byte of bytes) {
      out.bytes[out.length++] = HEX[byte >> 4] as number
      out.bytes[out.length++] = HEX[byte & 15] as number
    }
    return true
  }
  return {
    ...NOTHING,
    real,
    integer: (out, value) => BigInt(Number(value)) === value && real(out, Number(value)),
  }
}

function decimalConverter(type: CanonicalType, mayRound: boolean): Converter {
  return {
    ...NOTHING,
    integer: (out, value) => putDecimal(out, fitted(decimalOfInteger(value), type, false)),
    real: (out, value) => {
      if (Number.isFinite(value))
        return putDecimal(out, fitted(decimalOfDouble(value), type, mayRound))
      return type.size === null && ascii(out, 'd', value > 0 ? 'Infinity' : '-Infinity')
    },
    spelled: (out, digits) => spelledDecimal(out, digits, type),
    scaled: (out, units, scale) => scaledDecimal(out, units, scale, type),
    text: (out, bytes) => {
      const text = latin1Text(bytes)
      const value = /^-?\d+(\.\d+)?$/.test(text) ? decimalOfNumber(text) : null
      return value !== null && putDecimal(out, fitted(value, type, false))
    },
  }
}

function decimalOfInteger(value: bigint): Decimal {
  const digits = (value < 0n ? -value : value).toString()
  return { negative: value < 0n, whole: digits === '0' ? '' : digits, fraction: '' }
}

function datesOnly(formats: readonly TextFormat[]): TextFormat[] {
  return formats.filter((format) => format.startsWith('date-'))
}

function fromText(convert: (out: CellBuffer, text: string) => boolean): Converter {
  // A byte beyond ASCII becomes some character that no format has.
  return { ...NOTHING, text: (out, bytes) => bytes.length <= 64 && convert(out, latin1Text(bytes)) }
}

function putDecimal(out: CellBuffer, value: Decimal | null): boolean {
  return ascii(out, 'd', value && spell(value))
}

/**
 * Where an unfit text means a rejected row, PostgreSQL's own refusal of it is enough: its bytes equal nothing in the
 * target, and its reject has to explain them. The fast path cannot check it, so nor does the exact one.
 */
function isLeft(column: ColumnMapping): boolean {
  return column.unfit === 'reject'
}

function putText(
  out: CellBuffer,
  type: CanonicalType,
  bytes: Uint8Array,
  checked = false,
): boolean {
  if (!checked && !isStorable(bytes)) return false
  const kept = type.name === 'bpchar' ? withoutBlanksAtEnd(bytes) : bytes
  if (type.size !== null && characters(kept) > type.size) return false
  return cell(out, 't', kept)
}

function withoutBlanksAtEnd(bytes: Uint8Array): Uint8Array {
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0x20) end -= 1
  return bytes.subarray(0, end)
}

/** Code points of valid UTF-8. */
function characters(bytes: Uint8Array): number {
  let count = 0
  for (const byte of bytes) if ((byte & 0xc0) !== 0x80) count += 1
  return count
}

function putBytes(out: CellBuffer, bytes: Uint8Array): boolean {
  return cell(out, 'x', bytes)
}

function cell(out: CellBuffer, tag: string, bytes: Uint8Array): boolean {
  out.cell(tag.charCodeAt(0), bytes)
  return true
}

function ascii(out: CellBuffer, tag: string, payload: string | null | undefined): boolean {
  if (payload === null || payload === undefined) return false
  out.ascii(tag.charCodeAt(0), payload)
  return true
}

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')
const view = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
const latin1Text = (bytes: Uint8Array): string => view(bytes).toString('latin1')
const utf8 = (bytes: Uint8Array): string => view(bytes).toString('utf8')
const hex = (bytes: Uint8Array): string => view(bytes).toString('hex')
