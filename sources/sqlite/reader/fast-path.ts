/**
 * The fast path of tables that are not read from their pages (page-path.ts), WITHOUT ROWID above all: SQLite writes many
 * rows into one BLOB, in C, and the bytes are transcoded to COPY BINARY here. No JavaScript value is made for a cell.
 *
 * Every cell of that BLOB ends with a NUL byte. A text is written as it is, with the letter `t` before the NUL; NULL,
 * numbers and blobs as quote() writes them, which never ends in `t`. A text that holds a NUL itself makes more cells than
 * rows x columns, which is noticed, and invalid UTF-8 is noticed over the whole BLOB at once: such a batch is
 * read again by the exact path. So no value is ever trusted to be harmless because another one was.
 */
import { isUtf8 } from 'node:buffer'
import type { UnfitRow } from '@sensei/core/ports/source'
import { concatenated } from '../cells.ts'
import type { Convert, StorageClass } from './convert.ts'
import type { ReadableColumn, ReadableTable } from './table.ts'
import type { TupleWriter } from './tuple-writer.ts'

const TEXT_END = `cast(x'7400' as text)`
const END = `cast(x'00' as text)`

const LETTER_N = 78
const LETTER_T = 116
const LETTER_X = 88
const APOSTROPHE = 39
const POINT = 46

export function rowSql(table: ReadableTable): string {
  return concatenated(table.columns.map(cellSql))
}

function cellSql({ mapping, sql }: ReadableColumn): string {
  switch (mapping.conversion) {
    case 'integer':
    case 'boolean':
    case 'bytes':
      return `quote(${sql})||${END}`
    case 'real':
      return `${signedQuote(sql)}||${END}`
    case 'any-as-bytes':
      return `iif(typeof(${sql})='text',quote(cast(${sql} as blob)),${signedQuote(sql)})||${END}`
    case 'any-as-text':
      return `iif(typeof(${sql})='text',${sql}||${TEXT_END},${signedQuote(sql)}||${END})`
    default:
      return textSql(sql)
  }
}

/** quote() writes -0.0 without its sign. */
function signedQuote(sql: string): string {
  return `iif(typeof(${sql})='real' and ${sql}=0.0 and atan2(${sql},-1.0)<0,'-0.0',quote(${sql}))`
}

function textSql(sql: string): string {
  return `iif(typeof(${sql})='text',${sql}||${TEXT_END},quote(${sql})||${END})`
}

export interface Transcoded {
  readonly rows: number
  readonly unfit: readonly UnfitRow[]
}

/** Appends the rows to the writer; null, and the writer as it was, when they need the exact path. */
export function transcode(
  table: ReadableTable,
  bytes: Uint8Array,
  rows: number,
  firstOrdinal: number,
  writer: TupleWriter,
): Transcoded | null {
  if (!isUtf8(bytes)) return null
  const { columns } = table
  const before = writer.at
  // Most cells grow: "1" and its NUL become 4 + 8 bytes.
  writer.reserve(bytes.length + rows * (2 + columns.length * 20))
  const unfit: UnfitRow[] = []
  cursor.at = 0
  for (let row = 0; row < rows; row += 1) {
    const start = writer.at
    let problem: UnfitRow | null = null
    writer.startTuple(columns.length)
    for (let index = 0; index < columns.length; index += 1) {
      const column = columns[index]!
      const cell = writer.at
      const reason = transcodeCell(column.convert, bytes, writer)
      if (reason === null) continue
      writer.at = cell
      if (column.mapping.unfit === 'null') writer.null()
      else problem ??= { ordinal: firstOrdinal + row, column: column.mapping.target, reason }
    }
    if (problem !== null) {
      writer.at = start
      unfit.push(problem)
    }
  }
  if (cursor.at !== bytes.length) {
    writer.at = before
    return null
  }
  return { rows: rows - unfit.length, unfit }
}

/** Where the next cell starts. One object for all calls keeps the inner loop free of allocations. */
const cursor = { at: 0 }

function transcodeCell(convert: Convert, bytes: Uint8Array, writer: TupleWriter): string | null {
  const start = cursor.at
  let end = start
  let storage: StorageClass = 'integer'
  for (let byte = bytes[end]; byte !== 0 && byte !== undefined; byte = bytes[++end]) {
    if (byte === POINT) storage = 'real'
  }
  cursor.at = end + 1
  if (bytes[end - 1] === LETTER_T && end > start) {
    return convert(writer, bytes, start, end - 1, 'text')
  }
  switch (bytes[start]) {
    case LETTER_N:
      writer.null()
      return null
    case LETTER_X:
      return convertBlob(convert, bytes, start + 2, end - 1, writer)
    case APOSTROPHE:
      return convert(writer, bytes, start + 1, end - 1, 'text')
    default:
      return convert(writer, bytes, start, end, storage)
  }
}

let scratch = new Uint8Array(4096)

/** X'0aff' */
function convertBlob(
  convert: Convert,
  bytes: Uint8Array,
  start: number,
  end: number,
  writer: TupleWriter,
): string | null {
  const length = (end - start) >> 1
  if (length > scratch.length) scratch = new Uint8Array(length * 2)
  for (let at = 0; at < length; at += 1) {
    scratch[at] = HEX[bytes[start + at * 2]!]! * 16 + HEX[bytes[start + at * 2 + 1]!]!
  }
  return convert(writer, scratch, 0, length, 'blob')
}

const HEX = new Uint8Array(256)
for (const [value, digit] of [...'0123456789ABCDEF'].entries()) HEX[digit.charCodeAt(0)] = value
