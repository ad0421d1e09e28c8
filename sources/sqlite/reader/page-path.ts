/**
 * Rows go from the pages of the private copy into COPY BINARY, no SQL and no JavaScript string between. The kernel does the
 * usual values (kernel-columns.ts); here is every value, and the rows that do not lie within a page.
 * What it is not made for (a text with NUL or invalid UTF-8, a value that an old record does not have) it says of the
 * row that holds it, and the exact path reads that row.
 */
import { isUtf8 } from 'node:buffer'
import type { UnfitRow } from '@sensei/core/ports/source'
import { ROWID, type StoredColumn, type TableLayout } from '../pages/layout.ts'
import { integerAt, type Rowid, SERIAL, sizeOf } from '../pages/record.ts'
import type { TableCursor } from '../pages/table-cursor.ts'
import { type Convert, directForm } from './convert.ts'
import { writeScaled } from './decimals.ts'
import type { ReadableColumn, ReadableTable } from './table.ts'
import type { TupleWriter } from './tuple-writer.ts'

/** The row needs the exact path; the writer is as it was. */
export const HOSTILE = Symbol('hostile')

export interface PageRowWriter {
  /** Appends the cursor's row: null when it is in, or why it cannot be, and then the writer is as it was. */
  row(cursor: TableCursor, writer: TupleWriter, ordinal: number): UnfitRow | typeof HOSTILE | null
  /** Appends one value of it; where it cannot be, the writer is left anywhere in the row. */
  value(
    cursor: TableCursor,
    writer: TupleWriter,
    ordinal: number,
    column: number,
  ): UnfitRow | typeof HOSTILE | null
}

/** Writes one cell: null when it is in, or why it does not fit. */
type WriteCell = (cell: Cell, writer: TupleWriter) => string | typeof HOSTILE | null

/** The value under the cursor: its serial type, and where its bytes are. */
interface Cell {
  type: number
  bytes: Buffer
  at: number
  /** Of a value that stands for the rowid. */
  rowid: Rowid | null
}

const cell: Cell = { type: 0, bytes: Buffer.alloc(0), at: 0, rowid: null }

export function pageRowWriter(table: ReadableTable, layout: TableLayout): PageRowWriter {
  const columns = table.columns.map((column, index) => ({
    ...layout.columns[index]!,
    target: column.mapping.target,
    nullWhereUnfit: column.mapping.unfit === 'null',
    write: cellWriter(column, layout.columns[index]!),
    raw: RAW[directForm(column.mapping).kind] ?? null,
  }))
  const value: PageRowWriter['value'] = (cursor, writer, ordinal, index) => {
    const column = columns[index]!
    const before = writer.at
    const result = writeValue(cursor, column, writer)
    if (result === null || result === HOSTILE) return result
    if (!column.nullWhereUnfit) return { ordinal, column: column.target, reason: result }
    writer.at = before
    writer.null()
    return null
  }
  const row: PageRowWriter['row'] = (cursor, writer, ordinal) => {
    const start = writer.at
    writer.startTuple(columns.length)
    for (let index = 0; index < columns.length; index += 1) {
      const result = value(cursor, writer, ordinal, index)
      if (result === null) continue
      writer.at = start
      return result
    }
    return null
  }
  return { row, value }
}

interface PageColumn extends StoredColumn {
  readonly write: WriteCell
  readonly raw: 'text' | 'bytes' | null
}

function writeValue(
  cursor: TableCursor,
  column: PageColumn,
  writer: TupleWriter,
): string | typeof HOSTILE | null {
  const { place } = column
  if (place === ROWID) {
    cell.rowid = cursor.rowid
    cell.type = SERIAL.int64
    const result = column.write(cell, writer)
    cell.rowid = null
    return result
  }
  if (place >= cursor.values && !column.nullWhereAbsent) return HOSTILE
  const type = place >= cursor.values ? SERIAL.null : cursor.types[place]!
  if (type === SERIAL.null) {
    writer.null()
    return null
  }
  const from = cursor.places[place]!
  cell.type = type
  if (!cursor.partial) {
    cell.bytes = cursor.bytes
    cell.at = cursor.record + from
    return column.write(cell, writer)
  }
  if (column.raw !== null && type >= SERIAL.blob) {
    return writeLarge(cursor, type, from, column.raw, writer)
  }
  cell.bytes = Buffer.allocUnsafeSlow(sizeOf(type))
  cell.at = 0
  cursor.copy(from, cell.bytes.length, cell.bytes, 0)
  return column.write(cell, writer)
}

/** A value of many pages goes from them into the tuple, and is held once. */
function writeLarge(
  cursor: TableCursor,
  type: number,
  from: number,
  raw: 'text' | 'bytes',
  writer: TupleWriter,
): string | typeof HOSTILE | null {
  const isText = type % 2 === 1
  if (isText !== (raw === 'text')) return HOSTILE
  const size = sizeOf(type)
  writer.reserve(4 + size)
  const field = writer.startField()
  cursor.copy(from, size, writer.bytes, field)
  writer.at = field + size
  writer.endField(field)
  return isText && isHostile(writer.bytes, field, field + size) ? HOSTILE : null
}

const RAW: Readonly<Record<string, 'text' | 'bytes'>> = { text: 'text', bytes: 'bytes' }

function cellWriter({ mapping, convert }: ReadableColumn, stored: StoredColumn): WriteCell {
  const other = otherWriter(convert, stored.real, PARSED.has(mapping.conversion))
  const form = directForm(mapping)
  switch (form.kind) {
    case 'bigint':
      return stored.real ? other : bigintWriter(other)
    case 'boolean':
      return stored.real ? other : booleanWriter(other)
    case 'double':
      return doubleWriter(other, stored.real)
    case 'decimal':
      return decimalWriter(other, form.precision, form.scale)
    case 'text':
      return textWriter(other)
    case 'bytes':
      return bytesWriter(other)
    case 'none':
      return other
  }
}

/** A text that these take is ASCII without NUL. */
const PARSED: ReadonlySet<string> = new Set(['date', 'timestamp', 'timestamptz', 'time', 'uuid'])

function otherWriter(convert: Convert, real: boolean, parsed: boolean): WriteCell {
  return (value, writer) => {
    const { type, at, bytes } = value
    if (value.rowid === null && type >= SERIAL.blob) {
      const end = at + sizeOf(type)
      if (type % 2 === 0) return convert(writer, bytes, at, end, 'blob')
      if (parsed) {
        const reason = convert(writer, bytes, at, end, 'text')
        return reason !== null && isHostile(bytes, at, end) ? HOSTILE : reason
      }
      return isHostile(bytes, at, end) ? HOSTILE : convert(writer, bytes, at, end, 'text')
    }
    if (value.rowid === null && (real || type === SERIAL.real)) {
      const number =
        type === SERIAL.real ? bytes.readDoubleBE(at) : Number(integerAt(bytes, at, type))
      if (Number.isNaN(number)) {
        writer.null()
        return null
      }
      const digits = Buffer.from(Object.is(number, -0) ? '-0.0' : String(number), 'latin1')
      return convert(writer, digits, 0, digits.length, 'real')
    }
    const whole = value.rowid ?? integerAt(bytes, at, type)
    const digits = Buffer.from(String(whole), 'latin1')
    return convert(writer, digits, 0, digits.length, 'integer')
  }
}

function booleanWriter(other: WriteCell): WriteCell {
  return (value, writer) => {
    const { type, rowid } = value
    if (rowid !== null || (type !== SERIAL.zero && type !== SERIAL.one)) return other(value, writer)
    writer.boolean(type === SERIAL.one)
    return null
  }
}

function bytesWriter(other: WriteCell): WriteCell {
  return (value, writer) => {
    const { type, at, bytes } = value
    if (type < SERIAL.blob || type % 2 === 1) return other(value, writer)
    writer.raw(bytes, at, at + sizeOf(type))
    return null
  }
}

function bigintWriter(other: WriteCell): WriteCell {
  return (value, writer) => {
    const { type } = value
    if (value.rowid === null && (type === SERIAL.real || type >= SERIAL.blob))
      return other(value, writer)
    const whole = value.rowid ?? integerAt(value.bytes, value.at, type)
    if (typeof whole === 'number') writer.int64(whole)
    else writer.bigint64(whole)
    return null
  }
}

function doubleWriter(other: WriteCell, real: boolean): WriteCell {
  return (value, writer) => {
    const { type, at, bytes } = value
    if (value.rowid !== null || type >= SERIAL.blob) return other(value, writer)
    if (type === SERIAL.real) {
      if (Number.isNaN(bytes.readDoubleBE(at))) writer.null()
      else writer.raw(bytes, at, at + 8)
      return null
    }
    if (!real) return other(value, writer)
    writer.float64(Number(integerAt(bytes, at, type)))
    return null
  }
}

const POWERS_OF_TEN = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6] as const
/** Below this a scaled value has at most 15 digits, so that value = scaled / 10^scale spells it exactly. */
const SCALED_MAX = 1e15

/** Scaled by the column's scale; where that is not exact the digits themselves are looked at. */
function decimalWriter(other: WriteCell, precision: number, scale: number): WriteCell {
  const factor = POWERS_OF_TEN[scale]
  if (factor === undefined) return other
  const bound = Math.min(10 ** precision, SCALED_MAX)
  return (value, writer) => {
    const { type, at, bytes } = value
    if (value.rowid !== null || type >= SERIAL.blob) return other(value, writer)
    if (type === SERIAL.real) {
      const number = bytes.readDoubleBE(at)
      const scaled = Math.round(number * factor)
      if (!(Math.abs(scaled) < bound && scaled / factor === number)) return other(value, writer)
      writeScaled(writer, scaled, scale)
      return null
    }
    const whole = integerAt(bytes, at, type)
    const scaled = typeof whole === 'number' ? whole * factor : Number.NaN
    if (!(Math.abs(scaled) < bound)) return other(value, writer)
    writeScaled(writer, scaled, scale)
    return null
  }
}

function textWriter(other: WriteCell): WriteCell {
  return (value, writer) => {
    const { type, at, bytes } = value
    if (type < SERIAL.text || type % 2 === 0) return other(value, writer)
    const length = (type - SERIAL.text) >> 1
    if (length > BY_HAND_MAX) {
      if (isHostile(bytes, at, at + length)) return HOSTILE
      writer.raw(bytes, at, at + length)
      return null
    }
    const field = writer.startText(length)
    const to = writer.bytes
    let all = 0
    let none = 0
    for (let index = 0; index < length; index += 1) {
      const byte = bytes[at + index]!
      to[field + index] = byte
      all |= byte
      none |= byte - 1
    }
    // A NUL less one is the only negative number.
    if (none < 0) return HOSTILE
    return all >= 0x80 && !isUtf8(bytes.subarray(at, at + length)) ? HOSTILE : null
  }
}

/** Short texts are looked at by hand: a call into the runtime costs more. */
const BY_HAND_MAX = 192

/** True for a text that PostgreSQL cannot hold as it is. */
export function isHostile(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start > BY_HAND_MAX) {
    const text = bytes.subarray(start, end)
    return text.includes(0) || !isUtf8(text)
  }
  let all = 0
  let none = 0
  let at = start
  for (; at + 4 <= end; at += 4) {
    const [a, b, c, d] = [bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!]
    all |= a | b | c | d
    none |= (a - 1) | (b - 1) | (c - 1) | (d - 1)
  }
  for (; at < end; at += 1) {
    all |= bytes[at]!
    none |= bytes[at]! - 1
  }
  return none < 0 || (all >= 0x80 && !isUtf8(bytes.subarray(start, end)))
}
