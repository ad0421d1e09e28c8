/**
 * The full scan over the pages of the private copy: every value of a range of rows is counted as it is stored, without
 * SQL. What lies on overflow pages is read only where its bytes decide something; of a blob the length is enough.
 */
import { ROWID, type StoredColumn, type TableLayout } from '../pages/layout.ts'
import type { PageFile } from '../pages/page-file.ts'
import { integerAt, SERIAL, sizeOf } from '../pages/record.ts'
import {
  KIND,
  returnKernel,
  type RowKernel,
  STOP,
  takeKernel,
  TALLY_BYTES,
} from '../pages/row-kernel.ts'
import { TableCursor } from '../pages/table-cursor.ts'
import { isHostile } from '../reader/page-path.ts'
import { rowidBound } from '../reader/key-space.ts'
import { enoughOf, KernelTally } from './kernel-tally.ts'
import type { ScanRequest, ScanResult } from './scan.ts'
import {
  addBlob,
  addIntegerValue,
  addRealValue,
  addTally,
  addText,
  addUncheckedText,
  emptyTally,
  here,
  type Tally,
} from './tally.ts'

const ROWS_A_TURN = 16_384

/** Thrown at an old record whose column has a default, which only SQLite can work out. */
const ABSENT = Symbol('absent')

/** Null where SQLite has to be asked: for a table with old records whose new columns have defaults. */
export function* scanPages(
  file: PageFile,
  layout: TableLayout,
  request: ScanRequest,
): Generator<number, ScanResult | null> {
  const kernel = takeKernel()
  try {
    return yield* new PageScan(file, layout, request, kernel).run()
  } catch (error) {
    if (error !== ABSENT) throw error
    return null
  } finally {
    returnKernel(kernel)
  }
}

/** Usual rows are counted by the kernel; values and rows that it does not know are counted here. */
class PageScan {
  readonly #columns: readonly StoredColumn[]
  readonly #kernel: RowKernel
  readonly #cursor: TableCursor
  readonly #range: number
  readonly #tallies: readonly Tally[]
  readonly #counted: readonly KernelTally[]
  readonly #enough: number[]
  #rows = 0
  #bytesMax = 0
  #bytesTotal = 0

  constructor(file: PageFile, layout: TableLayout, request: ScanRequest, kernel: RowKernel) {
    const { after, through } = request.range
    this.#columns = layout.columns
    this.#kernel = kernel
    this.#range = request.number
    const columns = layout.columns.map((column, index) => ({
      ...column,
      kind: KIND.other,
      how: request.columns[index]!.jsonb ? 1 : 0,
      unit: 0,
      bound: 0,
    }))
    const bound = rowidBound(through)
    kernel.prepare(file, { columns, values: layout.values, outBytes: 0, through: bound })
    const options = { assembledBytesMax: 0, window: kernel.window }
    this.#cursor = new TableCursor(file, layout.root, layout.values, options)
    this.#cursor.seek({ after: rowidBound(after), through: bound })
    this.#tallies = request.columns.map(({ jsonb }) => emptyTally(jsonb))
    this.#enough = request.columns.map(() => 0)
    const counted = kernel.tallies()
    this.#counted = columns.map(
      (_, index) =>
        new KernelTally(counted.subarray(index * TALLY_BYTES, (index + 1) * TALLY_BYTES)),
    )
  }

  *run(): Generator<number, ScanResult> {
    this.#kernel.follow(this.#cursor)
    while (this.#cursor.leaf()) {
      this.#page()
      if (this.#kernel.rows < ROWS_A_TURN) continue
      this.#take()
      yield this.#rows
    }
    this.#take()
    const { rowBytesMax, bytesTotal } = this.#kernel
    return {
      tallies: this.#tallies,
      rows: this.#rows,
      bytesMax: Math.max(this.#bytesMax, rowBytesMax),
      bytesTotal: this.#bytesTotal + bytesTotal,
    }
  }

  #take(): void {
    for (const [index, tally] of this.#tallies.entries())
      addTally(tally, this.#counted[index]!.take())
    this.#rows += this.#kernel.rows
    this.#kernel.rows = 0
  }

  #page(): void {
    const kernel = this.#kernel
    const cursor = this.#cursor
    kernel.open(cursor)
    let stop = kernel.run.count()
    while (stop === STOP.row || stop === STOP.value) {
      const column = stop === STOP.value ? kernel.column : null
      kernel.lead(cursor)
      if (!cursor.next()) return
      here.range = this.#range
      here.ordinal = this.#rows + kernel.rows
      stop = column === null ? this.#wholeRow() : this.#restOfRow(column)
    }
    kernel.lead(cursor)
    if (stop === STOP.past) cursor.end()
  }

  #wholeRow(): number {
    const kernel = this.#kernel
    let size = 0
    for (let column = 0; column < this.#columns.length; column += 1) size += this.#value(column)
    this.#bytesTotal += size
    if (size > this.#bytesMax) this.#bytesMax = size
    kernel.run.didRow()
    kernel.rows += 1
    return kernel.run.count()
  }

  /** Values that the kernel does not know, until it is through with the row. */
  #restOfRow(first: number): number {
    const kernel = this.#kernel
    const { rows } = kernel
    for (let column = first; ; column = kernel.column) {
      const stop = kernel.run.countedValue(this.#value(column))
      if (stop !== STOP.value || kernel.rows !== rows) return stop
    }
  }

  #value(column: number): number {
    const tally = this.#tallies[column]!
    const size = addValue(this.#cursor, this.#columns[column]!, tally)
    const enough = enoughOf(tally)
    if (enough === this.#enough[column]) return size
    this.#enough[column] = enough
    this.#kernel.setEnough(column, enough)
    return size
  }
}

const small = Buffer.alloc(8)

/** Returns the bytes that the value counts for. */
function addValue(cursor: TableCursor, column: StoredColumn, tally: Tally): number {
  const { place } = column
  if (place === ROWID) return addIntegerValue(tally, cursor.rowid)
  if (place >= cursor.values && !column.nullWhereAbsent) throw ABSENT
  const type = place >= cursor.values ? SERIAL.null : cursor.types[place]!
  if (type === SERIAL.null) {
    tally.null += 1
    return 0
  }
  const size = sizeOf(type)
  if (type >= SERIAL.blob && type % 2 === 0) return addBlob(tally, size)
  let { bytes } = cursor
  let at = cursor.record + cursor.places[place]!
  if (cursor.partial) {
    bytes = size <= small.length ? small : Buffer.allocUnsafeSlow(size)
    at = 0
    cursor.copy(cursor.places[place]!, size, bytes, 0)
  }
  if (type >= SERIAL.text) {
    const end = at + size
    if (!isHostile(bytes, at, end)) return addText(tally, bytes, at, end)
    return addUncheckedText(tally, bytes.subarray(at, end), true)
  }
  if (type !== SERIAL.real) {
    const value = integerAt(bytes, at, type)
    return column.real ? addRealValue(tally, Number(value)) : addIntegerValue(tally, value)
  }
  const value = bytes.readDoubleBE(at)
  if (!Number.isNaN(value)) return addRealValue(tally, value)
  // SQLite reads it as NULL.
  tally.null += 1
  return 0
}
