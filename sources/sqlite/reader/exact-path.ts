/**
 * The exact path: row by row, class by class, for whatever the fast path does not take: texts with NUL or invalid
 * UTF-8, UTF-16 databases, values of many megabytes, computed columns. Texts come as their bytes, never through a
 * JavaScript string that would repair them; integers as bigint; floating point values as IEEE doubles.
 */
import { isUtf8 } from 'node:buffer'
import type { Conversion } from '@sensei/core/plan'
import type { UnfitRow } from '@sensei/core/ports/source'
import { classLetters } from '../cells.ts'
import type { Convert } from './convert.ts'
import type { ReadableColumn, ReadableTable } from './table.ts'
import type { TupleWriter } from './tuple-writer.ts'

export type TextEncodingOfFile = 'UTF-8' | 'UTF-16le' | 'UTF-16be'

/** The classes of all values, then the values; a text as its bytes. */
export function exactColumns(table: ReadableTable): string {
  const values = table.columns.map(({ sql }) => sql)
  return [classLetters(values), ...table.columns.map(exactValue)].join(', ')
}

/** A text that the conversion refuses anyway need not come as bytes; the plain column saves SQLite a copy of each blob. */
function exactValue({ mapping, sql }: ReadableColumn): string {
  if (mapping.conversion === 'bytes') return sql
  return `iif(typeof(${sql})='text', cast(${sql} as blob), ${sql})`
}

/** Appends one row; the reason when the conversion cannot represent it, and then the writer is as it was. */
export function writeRow(
  table: ReadableTable,
  row: readonly unknown[],
  encoding: TextEncodingOfFile,
  ordinal: number,
  writer: TupleWriter,
): UnfitRow | null {
  const start = writer.at
  writer.startTuple(table.columns.length)
  const classes = String(row[0])
  for (const [index, column] of table.columns.entries()) {
    const cell = writer.at
    const reason = writeCell(column, row[index + 1], classes[index] === 't', encoding, writer)
    if (reason === null) continue
    writer.at = cell
    if (column.mapping.unfit === 'reject') {
      writer.at = start
      return { ordinal, column: column.mapping.target, reason }
    }
    writer.null()
  }
  return null
}

function writeCell(
  { mapping, convert }: ReadableColumn,
  value: unknown,
  isText: boolean,
  encoding: TextEncodingOfFile,
  writer: TupleWriter,
): string | null {
  if (value === null) {
    writer.null()
    return null
  }
  if (typeof value === 'bigint') {
    const digits = Buffer.from(String(value), 'latin1')
    return convert(writer, digits, 0, digits.length, 'integer')
  }
  if (typeof value === 'number') {
    const digits = Buffer.from(Object.is(value, -0) ? '-0.0' : String(value), 'latin1')
    return convert(writer, digits, 0, digits.length, 'real')
  }
  if (typeof value === 'string') return convert(writer, NOTHING, 0, 0, 'text')
  const bytes = value as Uint8Array
  const reason = isText
    ? convertText(convert, plannedText(bytes, encoding, mapping.conversion), writer)
    : convert(writer, bytes, 0, bytes.length, 'blob')
  if (bytes.length > FREED_AT_ONCE) free(bytes)
  return reason
}

function convertText(
  convert: Convert,
  text: Uint8Array | string,
  writer: TupleWriter,
): string | null {
  return typeof text === 'string' ? text : convert(writer, text, 0, text.length, 'text')
}

/** Values of many megabytes would pile up until the next garbage collection. */
const FREED_AT_ONCE = 1024 * 1024

function free(bytes: Uint8Array): void {
  if (bytes.buffer instanceof ArrayBuffer) bytes.buffer.transfer(0)
}

const NOTHING = new Uint8Array(0)

/** The text as UTF-8 that PostgreSQL takes, or why it cannot be. */
function plannedText(
  stored: Uint8Array,
  encoding: TextEncodingOfFile,
  conversion: Conversion,
): Uint8Array | string {
  const valid = encoding === 'UTF-8' ? stored : utf8Of(stored, encoding)
  if (conversion === 'any-as-bytes') return valid ?? unitsAsUtf8(stored, encoding)
  const bytes = valid ?? (conversion === 'text-replace-invalid' ? repaired(stored, encoding) : null)
  if (bytes === null) return INVALID
  switch (conversion) {
    case 'text-strip-nul': {
      const stripped = bytes.includes(0) ? bytes.filter((byte) => byte !== 0) : bytes
      return isUtf8(stripped) ? stripped : INVALID
    }
    case 'text-replace-invalid': {
      const text = isUtf8(bytes) ? bytes : repaired(bytes, 'UTF-8')
      return text.includes(0) ? HAS_NUL : text
    }
    default:
      if (!isUtf8(bytes)) return INVALID
      return bytes.includes(0) ? HAS_NUL : bytes
  }
}

const INVALID = 'a text whose bytes are not valid in its encoding'
const HAS_NUL = 'a text with a NUL character'

/** Null where it holds half a surrogate pair, or half a unit. */
function utf8Of(stored: Uint8Array, encoding: TextEncodingOfFile): Uint8Array | null {
  try {
    return Buffer.from(new TextDecoder(encoding, { ignoreBOM: true, fatal: true }).decode(stored))
  } catch {
    return null
  }
}

function repaired(stored: Uint8Array, encoding: TextEncodingOfFile): Uint8Array {
  return Buffer.from(new TextDecoder(encoding, { ignoreBOM: true }).decode(stored))
}

/** By UTF-8's scheme, for bytes that need not be a text: half a pair is written like any number, half a unit as FF. */
function unitsAsUtf8(stored: Uint8Array, encoding: TextEncodingOfFile): Uint8Array {
  const view = new DataView(stored.buffer, stored.byteOffset, stored.byteLength)
  const unitAt = (at: number): number =>
    at + 1 < stored.length ? view.getUint16(at, encoding === 'UTF-16le') : 0
  const bytes = new Uint8Array(Math.ceil(stored.length / 2) * 3)
  let length = 0
  let at = 0
  for (; at + 1 < stored.length; at += 2) {
    const [unit, next] = [unitAt(at), unitAt(at + 2)]
    if (unit < 0x80) bytes[length++] = unit
    else if (unit < 0x800) {
      bytes[length++] = 0xc0 | (unit >> 6)
      bytes[length++] = last(unit)
    } else if (unit >> 10 === HIGH && next >> 10 === LOW) {
      const code = 0x1_0000 + ((unit & 0x3ff) << 10) + (next & 0x3ff)
      bytes[length++] = 0xf0 | (code >> 18)
      bytes[length++] = last(code >> 12)
      bytes[length++] = last(code >> 6)
      bytes[length++] = last(code)
      at += 2
    } else {
      bytes[length++] = 0xe0 | (unit >> 12)
      bytes[length++] = last(unit >> 6)
      bytes[length++] = last(unit)
    }
  }
  if (at < stored.length) bytes[length++] = 0xff
  return bytes.subarray(0, length)
}

/** The upper six bits of the halves of a pair. */
const HIGH = 0xd800 >> 10
const LOW = 0xdc00 >> 10

const last = (code: number): number => 0x80 | (code & 63)
