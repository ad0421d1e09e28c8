/**
 * Reads the private copy for the workers: ranges of rows as COPY BINARY tuples. One reader belongs to one worker; it
 * holds a connection and, while a batch is used, one batch.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { SenseiError } from '@sensei/core/errors'
import type { TableMapping } from '@sensei/core/plan'
import type {
  Chunk,
  ChunkLimits,
  CopyBatch,
  SourceReader,
  UnfitRow,
} from '@sensei/core/ports/source'
import type { RawCell } from '@sensei/core/receipt'
import { quoteIdent } from '@sensei/core/sql'
import { classLetters } from '../cells.ts'
import { describe, openReadOnly, sqliteCode } from '../open.ts'
import { layoutOf, type TableLayout } from '../pages/layout.ts'
import { PageFile } from '../pages/page-file.ts'
import type { Rowid } from '../pages/record.ts'
import { type RowKernel, returnKernel, takeKernel } from '../pages/row-kernel.ts'
import { TableCursor } from '../pages/table-cursor.ts'
import { exactColumns, type TextEncodingOfFile, writeRow } from './exact-path.ts'
import { rowSql, transcode } from './fast-path.ts'
import { kernelColumns } from './kernel-columns.ts'
import {
  condition,
  encodeKeys,
  type KeyRange,
  keyColumns,
  keyText,
  orderBy,
  rowidBound,
  rowidKey,
} from './key-space.ts'
import { countedParts, liesClose, type RowidBounds, soughtParts } from './parts.ts'
import { outBytes, PageBatch } from './page-batch.ts'
import { pageRowWriter } from './page-path.ts'
import { isPickable, pickQuery } from './pick.ts'
import { type ReadableTable, readableTable } from './table.ts'
import { TupleWriter } from './tuple-writer.ts'

/** A batch is about this large; one row that is larger makes a batch of its own. */
const BATCH_BYTES = 512 * 1024
const BATCH_ROWS_MAX = 4_096
const BATCH = { bytes: BATCH_BYTES, rows: BATCH_ROWS_MAX } as const

/** The fast path holds a batch twice; this bounds it for tables with a few very long rows. */
const FAST_BYTES_MAX = 16 * 1024 * 1024
const FAST_ROWS_MIN = 8

/** The fast path carries blobs as hexadecimal digits; beyond this the exact path is faster. */
const FAST_BLOB_ROW_BYTES = 500

/** One rowid in so many may be missing before ranges are cut by counting rows. */
const GAPS_SHARE_MAX = 4n

/** Rowids after a hostile row that are read the exact way with it. */
const HOSTILE_SPAN = 255n

const STATEMENTS_KEPT = 200

/** More than SQLite's 1 GB for one value: the rows are longer than the plan knows. */
const SQLITE_TOOBIG = 18

export function openSqliteReader(location: string): SourceReader {
  return new SqliteReader(location, openReadOnly(location))
}

class SqliteReader implements SourceReader {
  readonly #location: string
  readonly #database: DatabaseSync
  readonly #encoding: TextEncodingOfFile
  readonly #tables = new WeakMap<TableMapping, ReadableTable>()
  readonly #statements = new Map<string, StatementSync>()
  readonly #pages: PageFile | null
  readonly #layouts = new WeakMap<ReadableTable, TableLayout | null>()

  constructor(location: string, database: DatabaseSync) {
    this.#location = location
    this.#database = database
    const { encoding } = database.prepare('pragma encoding').get() as { encoding: string }
    this.#encoding = encoding as TextEncodingOfFile
    this.#pages = PageFile.open(location)
  }

  async *chunks(mapping: TableMapping, limits: ChunkLimits): AsyncGenerator<Chunk> {
    try {
      yield* this.#chunks(mapping, limits)
    } catch (error) {
      throw describe(this.#location, error)
    }
  }

  *#chunks(mapping: TableMapping, limits: ChunkLimits): Generator<Chunk> {
    const table = this.#table(mapping)
    const byBytes = Math.max(1, Math.floor(limits.bytesMax / table.bytesAverage))
    const rows = Math.max(1, Math.min(limits.rowsMax, byBytes))
    if (table.keys.parts.length === 0) {
      yield { number: 1, range: null, rowsEstimated: mapping.rows }
      return
    }
    // One chunk needs no bounds. Of thousands of small tables each statement would be kept until the next collection.
    if (mapping.rows < rows) {
      yield { number: 1, range: { after: null, through: null }, rowsEstimated: mapping.rows }
      return
    }
    const bounds = this.#evenBounds(table, mapping.rows, rows)
    if (bounds !== null) {
      yield* evenChunks(bounds, rows, mapping.rows)
      return
    }
    let after: KeyRange['after'] = null
    for (let number = 1; ; number += 1) {
      const through: KeyRange['after'] = this.#keyAt(table, { after, through: null }, rows)
      if (table.keys.rowid) this.#ascends(table, after, through)
      const more =
        through !== null && this.#keyAt(table, { after: through, through: null }, 1) !== null
      const estimated = Math.max(0, Math.min(rows, mapping.rows - (number - 1) * rows))
      const range = { after, through: more ? through : null }
      yield { number, range, rowsEstimated: more ? rows : estimated }
      if (!more) return
      after = through
    }
  }

  async *read(mapping: TableMapping, chunk: Chunk): AsyncGenerator<CopyBatch> {
    const table = this.#table(mapping)
    try {
      const layout = this.#layout(table)
      const rows = this.#fastRows(table)
      if (layout !== null) yield* this.#fromPages(table, layout, rangeOf(chunk))
      else if (rows === null) yield* this.#exact(table, rangeOf(chunk), { first: 0 })
      else yield* this.#fast(table, chunk, rows)
    } catch (error) {
      throw describe(this.#location, error)
    }
  }

  async raw(
    mapping: TableMapping,
    chunk: Chunk,
    ordinal: number,
  ): Promise<{ key: string; cells: readonly RawCell[] }> {
    const table = this.#table(mapping)
    const { where, values } = condition(table.keys, rangeOf(chunk))
    const stored = table.stored.map((name) => quoteIdent(name))
    const columns = [classLetters(stored), ...stored.map(rawValue)].join(', ')
    const keys = table.keys.parts.length === 0 ? 'null' : keyText(table.keys)
    const statement = this.#prepare(
      `select ${keys}, ${columns} from ${source(table)} ${where} ${ordered(table)} limit 1 offset ?`,
    )
    const row = statement.get(...values, ordinal) as unknown as (string | null)[] | undefined
    if (row === undefined) {
      throw new SenseiError(
        'INTERNAL',
        `chunk ${chunk.number} of ${table.name} has no row ${ordinal}`,
      )
    }
    const classes = String(row[1])
    const cells = table.stored.map((column, index) =>
      rawCell(column, classes[index]!, row[index + 2]!),
    )
    return {
      key: row[0] === null ? `row ${ordinal} of chunk ${chunk.number}` : String(row[0]),
      cells,
    }
  }

  pickable(mapping: TableMapping): boolean {
    return isPickable(mapping)
  }

  async *pick(mapping: TableMapping, keys: readonly Uint8Array[]): AsyncGenerator<CopyBatch> {
    const table = this.#table(mapping)
    const writer = new TupleWriter(BATCH_BYTES)
    const query = pickQuery(mapping, exactColumns(table), source(table))
    const statement = this.#prepare(query.sql)
    let rows = 0
    let unfit: UnfitRow[] = []
    for (const [index, key] of keys.entries()) {
      const row = statement.get(...query.values(key)) as unknown as unknown[] | undefined
      if (row === undefined) continue
      const problem = writeRow(table, row, this.#encoding, index, writer)
      if (problem === null) rows += 1
      else unfit.push(problem)
      if (writer.at < BATCH_BYTES) continue
      yield { bytes: writer.written(), rows, unfit }
      writer.at = 0
      rows = 0
      unfit = []
    }
    if (rows > 0 || unfit.length > 0) yield { bytes: writer.written(), rows, unfit }
  }

  async close(): Promise<void> {
    if (!this.#database.isOpen) return
    this.#database.close()
    this.#pages?.close()
  }

  /** Where the values stand in the pages; null for a table that has to be read by SQL. */
  #layout(table: ReadableTable): TableLayout | null {
    let layout = this.#layouts.get(table)
    if (layout === undefined) {
      const names = table.columns.map(({ mapping }) =>
        mapping.expression === undefined ? mapping.source : null,
      )
      const plain = this.#pages !== null && table.keys.rowid && !names.includes(null)
      layout = plain ? layoutOf(this.#database, table.name, names as string[]) : null
      this.#layouts.set(table, layout)
    }
    return layout
  }

  async *#fromPages(
    table: ReadableTable,
    layout: TableLayout,
    range: KeyRange,
  ): AsyncGenerator<CopyBatch> {
    const kernel = takeKernel()
    try {
      yield* this.#pageBatches(table, layout, range, kernel)
    } finally {
      returnKernel(kernel)
    }
  }

  async *#pageBatches(
    table: ReadableTable,
    layout: TableLayout,
    range: KeyRange,
    kernel: RowKernel,
  ): AsyncGenerator<CopyBatch> {
    const file = this.#pages!
    const through = rowidBound(range.through)
    const columns = kernelColumns(table, layout)
    const bytes = outBytes(BATCH, columns.length, file.pageBytes)
    kernel.prepare(file, { columns, values: layout.values, outBytes: bytes, through })
    const { window } = kernel
    const cursor = new TableCursor(file, layout.root, layout.values, { window })
    const batch = new PageBatch(cursor, kernel, pageRowWriter(table, layout), BATCH)
    cursor.seek({ after: rowidBound(range.after), through })
    let ordinal = 0
    for (let more = true; more; ) {
      more = batch.fill(ordinal)
      const { rows, unfit, hostile } = batch
      ordinal += rows + unfit.length
      if (rows > 0 || unfit.length > 0) yield { bytes: batch.bytes, rows, unfit }
      if (hostile === null) continue
      const part = hostilePart(hostile, through)
      for await (const exact of this.#exact(table, part, { first: ordinal })) {
        ordinal += exact.rows + exact.unfit.length
        yield exact
      }
      more = part.through !== null
      if (more) cursor.seek({ after: rowidBound(part.through), through })
    }
  }

  /** How many rows the fast path takes at once, or null where only the exact path is right. */
  #fastRows(table: ReadableTable): number | null {
    if (this.#encoding !== 'UTF-8' || table.keys.parts.length === 0 || table.columns.length === 0)
      return null
    if (table.columns.some(({ mapping }) => mapping.expression !== undefined)) return null
    const blobs = table.columns.some(({ mapping }) => mapping.conversion.endsWith('bytes'))
    if (blobs && table.bytesAverage > FAST_BLOB_ROW_BYTES) return null
    const usual = Math.floor(BATCH_BYTES / table.bytesAverage)
    const bounded = Math.floor(FAST_BYTES_MAX / Math.max(1, table.bytesMax))
    const rows = Math.min(usual, bounded, BATCH_ROWS_MAX)
    return rows < FAST_ROWS_MIN ? null : rows
  }

  async *#fast(table: ReadableTable, chunk: Chunk, rowsMax: number): AsyncGenerator<CopyBatch> {
    const writer = new TupleWriter(BATCH_BYTES * 2)
    let ordinal = 0
    for (const part of this.#parts(table, chunk, rowsMax)) {
      const { bytes, rows } = this.#format(table, part)
      const done = bytes === null ? null : transcode(table, bytes, rows, ordinal, writer)
      if (done === null) yield* this.#exact(table, part, { first: ordinal })
      else if (rows > 0) yield { bytes: writer.written(), ...done }
      writer.at = 0
      ordinal += rows
    }
  }

  #parts(table: ReadableTable, chunk: Chunk, rowsMax: number): Iterable<KeyRange> {
    const range = rangeOf(chunk)
    const bounds = table.keys.rowid ? this.#rowidBounds(table, range) : null
    return bounds !== null && liesClose(bounds, chunk.rowsEstimated)
      ? countedParts(range, bounds, chunk.rowsEstimated, rowsMax)
      : soughtParts(range, (rest) => this.#keyAt(table, rest, rowsMax))
  }

  #rowidBounds(table: ReadableTable, range: KeyRange): RowidBounds | null {
    const { where, values } = condition(table.keys, range)
    const bound = (which: string): bigint | null => {
      const sql = `select ${which}(${table.keys.parts[0]}) from ${source(table)} ${where}`
      return (this.#prepare(sql).get(...values) as unknown as [bigint | null])[0]
    }
    const min = bound('min')
    const max = bound('max')
    return min === null || max === null ? null : { min, max }
  }

  /** The rows as the fast path wants them; no bytes where they are too many for one BLOB. */
  #format(table: ReadableTable, range: KeyRange): { bytes: Uint8Array | null; rows: number } {
    const { where, values } = condition(table.keys, range)
    const from = table.keys.rowid
      ? `${source(table)} ${where}`
      : `(select * from ${source(table)} ${where} ${ordered(table)})`
    try {
      const statement = this.#prepare(
        `select cast(group_concat(${rowSql(table)}, '') as blob), count(*) from ${from}`,
      )
      const [bytes, rows] = statement.get(...values) as unknown as [Uint8Array | null, bigint]
      return { bytes: bytes ?? new Uint8Array(0), rows: Number(rows) }
    } catch (error) {
      if (sqliteCode(error) !== SQLITE_TOOBIG) throw error
      const counted = this.#prepare(`select count(*) from ${source(table)} ${where}`).get(...values)
      return { bytes: null, rows: Number((counted as unknown as [bigint])[0]) }
    }
  }

  async *#exact(
    table: ReadableTable,
    range: KeyRange,
    { first }: { first: number },
  ): AsyncGenerator<CopyBatch> {
    const { where, values } = condition(table.keys, range)
    const columns = exactColumns(table)
    const sql = `select ${columns} from ${source(table)} ${where} ${ordered(table)}`
    // Its own statement: another pass over the same range may begin before this one ends.
    const statement = exactly(this.#database.prepare(sql))
    // What a huge row needed is kept for the next one: giving it back would only leave garbage of its size.
    const writer = new TupleWriter(BATCH_BYTES)
    let ordinal = first
    let rows = 0
    let unfit: UnfitRow[] = []
    for (const row of statement.iterate(...values) as Iterable<unknown> as Iterable<unknown[]>) {
      const problem = writeRow(table, row, this.#encoding, ordinal, writer)
      ordinal += 1
      if (problem === null) rows += 1
      else unfit.push(problem)
      if (writer.at < BATCH_BYTES && rows + unfit.length < BATCH_ROWS_MAX) continue
      yield { bytes: writer.written(), rows, unfit }
      writer.at = 0
      rows = 0
      unfit = []
    }
    if (rows > 0 || unfit.length > 0) yield { bytes: writer.written(), rows, unfit }
  }

  /**
   * Ends of ranges of `rowsMax` rowids, where rowids have few gaps: no range can hold more rows than rowids, and no row
   * has to be looked at. Null where counting rows makes better ranges.
   */
  #evenBounds(table: ReadableTable, rows: number, rowsMax: number): readonly bigint[] | null {
    const [rowid] = table.keys.parts
    if (!table.keys.rowid || rows < rowsMax) return null
    // Both in one SELECT would look at every row.
    const [least, greatest] = ['min', 'max'].map((end) => {
      const statement = this.#prepare(`select ${end}(${rowid}) from ${source(table)}`)
      return (statement.get() as unknown as [bigint | null])[0]
    }) as [bigint | null, bigint | null]
    if (least === null || greatest === null) return null
    if (greatest - least > BigInt(rows) + BigInt(rows) / GAPS_SHARE_MAX) return null
    const bounds: bigint[] = []
    const step = BigInt(rowsMax)
    for (let through = least + step - 1n; through < greatest; through += step) bounds.push(through)
    return bounds
  }

  /** In a damaged tree SQLite may go round and round. */
  #ascends(table: ReadableTable, after: KeyRange['after'], through: KeyRange['after']): void {
    const [last, next] = [rowidBound(after), rowidBound(through)]
    if (last === null || next === null || next > last) return
    const message = `${this.#location} is damaged: the rows of ${table.name} are not in their order`
    throw new SenseiError('SOURCE_CORRUPT', message)
  }

  /** The key of the n-th row of a range, or null when there are fewer. */
  #keyAt(table: ReadableTable, range: KeyRange, ordinal: number): KeyRange['after'] {
    const { where, values } = condition(table.keys, range)
    const statement = this.#prepare(
      `select ${keyColumns(table.keys)} from ${source(table)} ${where} ${ordered(table)} limit 1 offset ?`,
    )
    const row = statement.get(...values, ordinal - 1) as unknown as unknown[] | undefined
    return row === undefined ? null : encodeKeys(row)
  }

  #table(mapping: TableMapping): ReadableTable {
    let table = this.#tables.get(mapping)
    if (table === undefined) {
      table = readableTable(this.#database, mapping)
      this.#tables.set(mapping, table)
    }
    return table
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = exactly(this.#database.prepare(sql))
      this.#statements.set(sql, statement)
      // The oldest goes; whoever still reads by it keeps it. Thousands of tables have thousands of statements.
      const [oldest] = this.#statements.keys()
      if (this.#statements.size > STATEMENTS_KEPT && oldest !== undefined) {
        this.#statements.delete(oldest)
      }
    }
    return statement
  }
}

function* evenChunks(bounds: readonly bigint[], rowsMax: number, rows: number): Generator<Chunk> {
  const last = bounds.length
  for (let place = 0; place <= last; place += 1) {
    const after = place === 0 ? null : rowidKey(bounds[place - 1]!)
    const through = place === last ? null : rowidKey(bounds[place]!)
    const rowsEstimated = Math.max(0, Math.min(rowsMax, rows - place * rowsMax))
    yield { number: place + 1, range: { after, through }, rowsEstimated }
  }
}

/** Hostile rows keep company: the next ones are read the exact way as well. */
function hostilePart(hostile: Rowid, through: Rowid | null): KeyRange {
  const last = BigInt.asIntN(64, BigInt(hostile) + HOSTILE_SPAN)
  const end = last > hostile && (through === null || last < through) ? last : through
  const before = BigInt(hostile) - 1n
  const after = BigInt.asIntN(64, before) === before ? rowidKey(before) : null
  return { after, through: end === null ? null : rowidKey(end) }
}

function exactly(statement: StatementSync): StatementSync {
  statement.setReturnArrays(true)
  statement.setReadBigInts(true)
  return statement
}

/** Rows always come from the table itself, never in the order of some other index. */
function source(table: ReadableTable): string {
  return `${table.from} not indexed`
}

function ordered(table: ReadableTable): string {
  return table.keys.parts.length === 0 ? '' : `order by ${orderBy(table.keys)}`
}

function rangeOf(chunk: Chunk): KeyRange {
  return (chunk.range as KeyRange | null) ?? { after: null, through: null }
}

function rawValue(column: string): string {
  return `iif(typeof(${column}) in ('text', 'blob'), hex(cast(${column} as blob)), cast(${column} as text))`
}

const CLASSES: Readonly<Record<string, RawCell['class']>> = {
  n: 'null',
  i: 'integer',
  r: 'real',
  t: 'text',
  b: 'blob',
}

function rawCell(column: string, letter: string, value: string | null): RawCell {
  const storage = CLASSES[letter] ?? 'null'
  const isBytes = storage === 'text' || storage === 'blob'
  const plain = isBytes ? Buffer.from(value ?? '', 'hex').toString('base64') : value
  return { column, class: storage, value: plain }
}
