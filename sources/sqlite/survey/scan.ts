/**
 * The full scan behind the column profiles: every cell of a range of rows is looked at once. As in the reader's fast
 * path, SQLite writes many rows into one BLOB in which each cell ends with NUL; blobs are only measured. What that
 * form cannot carry safely (NUL in a text, invalid UTF-8, very long texts) is read again row by row.
 */
import { isUtf8 } from 'node:buffer'
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { quoteIdent } from '@sensei/core/sql'
import { classLetters, concatenated } from '../cells.ts'
import { layoutOf } from '../pages/layout.ts'
import type { PageFile } from '../pages/page-file.ts'
import {
  condition,
  encodeKeys,
  type KeyRange,
  type KeySpace,
  keyColumns,
  keySpaceOf,
  orderBy,
} from '../reader/key-space.ts'
import { scanPages } from './page-scan.ts'
import {
  addBlob,
  addNumber,
  addRealValue,
  addText,
  addUncheckedText,
  emptyTally,
  here,
  type Tally,
} from './tally.ts'

export interface ScanRequest {
  readonly table: string
  readonly columns: readonly ScanColumn[]
  readonly encoding: string
  /** Its number among the ranges of the table; examples are found again by it. */
  readonly number: number
  readonly range: KeyRange
}

export interface ScanColumn {
  readonly name: string
  /** By SQLite's affinity it is a column of numbers, whatever it really holds. */
  readonly numeric: boolean
  readonly jsonb: boolean
}

export interface ScanResult {
  readonly tallies: readonly Tally[]
  readonly rows: number
  readonly bytesMax: number
  readonly bytesTotal: number
}

const BATCH_BYTES = 512 * 1024
const BATCH_ROWS_FIRST = 256
const BATCH_ROWS_MAX = 4_096

/** A longer text sends its batch to the exact path, so that a batch has a bound whatever the table holds. */
const TEXT_BYTES_MAX = 16_384

const TEXT_END = `cast(x'7400' as text)`
const END = `cast(x'00' as text)`

const APOSTROPHE = 39
const LETTER_L = 76
const LETTER_N = 78
const LETTER_T = 116
const LETTER_X = 88
const POINT = 46
const ZERO = 48

/** Scans a range; yields between batches, so that the caller can stop it or let others have a turn. */
export function* scanRange(
  database: DatabaseSync,
  request: ScanRequest,
  pages: PageFile | null,
): Generator<number, ScanResult> {
  const names = request.columns.map(({ name }) => name)
  if (pages !== null && keySpaceOf(database, request.table).rowid) {
    const layout = layoutOf(database, request.table, names)
    const found = layout === null ? null : yield* scanPages(pages, layout, request)
    if (found !== null) return found
  }
  const scan = new Scan(database, request)
  yield* scan.run()
  return scan.result
}

class Scan {
  result: {
    tallies: Tally[]
    rows: number
    bytesMax: number
    bytesTotal: number
  }
  readonly #database: DatabaseSync
  readonly #request: ScanRequest
  readonly #keys: KeySpace
  readonly #from: string
  readonly #statements = new Map<string, StatementSync>()

  constructor(database: DatabaseSync, request: ScanRequest) {
    this.#database = database
    this.#request = request
    this.#keys = keySpaceOf(database, request.table)
    this.#from = `${quoteIdent(request.table)} not indexed`
    const tallies = request.columns.map(({ jsonb }) => emptyTally(jsonb))
    this.result = { tallies, rows: 0, bytesMax: 0, bytesTotal: 0 }
  }

  *run(): Generator<number> {
    const { range, encoding } = this.#request
    if (this.#keys.parts.length === 0 || encoding !== 'UTF-8') {
      this.#exact(range)
      yield this.result.rows
      return
    }
    let after = range.after
    for (let rows = BATCH_ROWS_FIRST; ; ) {
      const through = keyAt(
        this.#database,
        this.#from,
        this.#keys,
        { after, through: range.through },
        rows,
      )
      const part = { after, through: through ?? range.through }
      const bytes = this.#batch(part)
      yield this.result.rows
      if (through === null) return
      after = through
      const fitting = Math.floor((BATCH_BYTES * rows) / Math.max(1, bytes))
      rows = Math.max(1, Math.min(fitting, rows * 4, BATCH_ROWS_MAX))
    }
  }

  /** Returns how many bytes the batch took. */
  #batch(part: KeyRange): number {
    const { where, values } = condition(this.#keys, part)
    const from = this.#keys.rowid
      ? `${this.#from} ${where}`
      : `(select * from ${this.#from} ${where} order by ${orderBy(this.#keys)})`
    const cells = concatenated(this.#request.columns.map(cellSql))
    const sql = `select cast(group_concat(${cells}, '') as blob), count(*) from ${from}`
    const [bytes, count] = this.#get(sql, values) as [Uint8Array | null, bigint]
    if (bytes === null) return 0
    const before = structuredClone(this.result)
    if (!isUtf8(bytes) || !this.#count(bytes, Number(count))) {
      this.result = before
      this.#exact(part)
    }
    return bytes.length
  }

  /** False when the bytes are not as many cells as they should be, or when one of them needs the exact path. */
  #count(bytes: Uint8Array, rows: number): boolean {
    const { tallies } = this.result
    let at = 0
    here.range = this.#request.number
    for (let row = 0; row < rows; row += 1) {
      let size = 0
      here.ordinal = this.result.rows
      for (const tally of tallies) {
        let end = at
        let real = false
        for (let byte = bytes[end]; byte !== 0; byte = bytes[++end]) {
          if (byte === undefined) return false
          if (byte === POINT) real = true
        }
        if (bytes[end - 1] === LETTER_T && end > at) size += addText(tally, bytes, at, end - 1)
        else {
          const first = bytes[at]!
          if (first === LETTER_L || first === APOSTROPHE) return false
          // SQLite writes both zeros without a sign.
          if (real && first === ZERO && end - at === '0.0'.length) return false
          if (first === LETTER_N) tally.null += 1
          else if (first === LETTER_X) size += addBlob(tally, blobLength(bytes, at, end))
          else size += addNumber(tally, bytes, at, end, real)
        }
        at = end + 1
      }
      this.#addRow(size)
    }
    return at === bytes.length
  }

  #exact(part: KeyRange): void {
    const { where, values } = condition(this.#keys, part)
    const order = this.#keys.parts.length === 0 ? '' : `order by ${orderBy(this.#keys)}`
    const names = this.#request.columns.map(({ name }) => quoteIdent(name))
    const columns = [classLetters(names), ...names.map(exactValue)].join(', ')
    const statement = this.#database.prepare(
      `select ${columns} from ${this.#from} ${where} ${order}`,
    )
    statement.setReturnArrays(true)
    here.range = this.#request.number
    for (const row of statement.iterate(...values) as Iterable<unknown> as Iterable<unknown[]>) {
      let size = 0
      here.ordinal = this.result.rows
      const classes = String(row[0])
      for (const [index, tally] of this.result.tallies.entries()) {
        size += this.#addValue(tally, classes.charAt(index), row[index + 1])
      }
      this.#addRow(size)
    }
  }

  #addValue(tally: Tally, storage: string, value: unknown): number {
    switch (storage) {
      case 'n':
        tally.null += 1
        return 0
      case 'b':
        return addBlob(tally, Number(value))
      case 't':
        return this.#addStoredText(tally, value as Uint8Array)
      default: {
        if (Object.is(value, -0)) return addRealValue(tally, -0)
        const digits = Buffer.from(String(value), 'latin1')
        return addNumber(tally, digits, 0, digits.length, storage === 'r')
      }
    }
  }

  #addStoredText(tally: Tally, stored: Uint8Array): number {
    const { encoding } = this.#request
    if (encoding === 'UTF-8') return addUncheckedText(tally, stored, true)
    const name = encoding === 'UTF-16le' ? 'utf-16le' : 'utf-16be'
    const text = new TextDecoder(name, { ignoreBOM: true }).decode(stored)
    return addUncheckedText(tally, Buffer.from(text), isWellFormed(name, stored))
  }

  #addRow(size: number): void {
    this.result.rows += 1
    this.result.bytesTotal += size
    if (size > this.result.bytesMax) this.result.bytesMax = size
  }

  #get(sql: string, values: readonly SQLInputValue[]): unknown[] {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#database.prepare(sql)
      statement.setReturnArrays(true)
      statement.setReadBigInts(true)
      this.#statements.set(sql, statement)
    }
    return statement.get(...values) as unknown as unknown[]
  }
}

/**
 * In a column of numbers quote() alone does; it writes a text in quotes, which sends the batch to the exact path. Else a
 * text is written as it is, a blob as its length.
 */
function cellSql({ name, numeric }: ScanColumn): string {
  const column = quoteIdent(name)
  if (numeric) return `quote(${column})||${END}`
  const text = `iif(octet_length(${column})<=${TEXT_BYTES_MAX},${column}||${TEXT_END},'L'||${END})`
  const other = `iif(typeof(${column})='blob','X'||octet_length(${column}),quote(${column}))||${END}`
  return `iif(typeof(${column})='text',${text},${other})`
}

/** The text's bytes, the blob's length, or the number as text. */
function exactValue(column: string): string {
  const real = `case when ${column} = 0 then ${column} else cast(${column} as text) end`
  return `case typeof(${column}) when 'text' then cast(${column} as blob) when 'blob' then octet_length(${column}) when 'real' then ${real} else cast(${column} as text) end`
}

/** `X16` is a length, `X'00ff'` the blob itself. */
function blobLength(bytes: Uint8Array, start: number, end: number): number {
  if (bytes[start + 1] === APOSTROPHE) return (end - start - 3) / 2
  return lengthOf(bytes, start + 1, end)
}

function lengthOf(bytes: Uint8Array, start: number, end: number): number {
  let length = 0
  for (let at = start; at < end; at += 1) length = length * 10 + bytes[at]! - 48
  return length
}

function isWellFormed(name: string, bytes: Uint8Array): boolean {
  try {
    new TextDecoder(name, { fatal: true, ignoreBOM: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}

/** The key of the n-th row of a range, or null when there are fewer. */
export function keyAt(
  database: DatabaseSync,
  from: string,
  keys: KeySpace,
  range: KeyRange,
  ordinal: number,
): KeyRange['after'] {
  const { where, values } = condition(keys, range)
  const statement = database.prepare(
    `select ${keyColumns(keys)} from ${from} ${where} order by ${orderBy(keys)} limit 1 offset ?`,
  )
  statement.setReturnArrays(true)
  statement.setReadBigInts(true)
  const row = statement.get(...values, ordinal - 1) as unknown as unknown[] | undefined
  return row === undefined ? null : encodeKeys(row)
}
