/**
 * The memory that is shared with rows.kernel.ts, which does whole pages of usual rows without JavaScript. One kernel
 * belongs to one walk at a time; it holds the cursor's window, so that pages are read to where they are used.
 */
import { instantiate } from '@sensei/core/kernel'
import { ROWID, type StoredColumn } from './layout.ts'
import { type PageFile, WINDOW_BYTES } from './page-file.ts'
import { type Rowid, toRowid } from './record.ts'
import { wasm } from './rows.wasm.ts'
import type { TableCursor } from './table-cursor.ts'

/** Why a run stopped: the page is done, or something is JavaScript's to do, or there is no room, or the range ends. */
export const STOP = { done: 0, row: 1, value: 2, full: 3, past: 4 } as const

/** What a value that is written becomes. */
export const KIND = {
  other: 0,
  bigint: 1,
  boolean: 2,
  double: 3,
  decimal: 4,
  text: 5,
  bytes: 6,
  moment: 7,
  date: 8,
  uuid: 9,
} as const

/** The formats of a moment that the kernel knows. */
export const MOMENT = { date: 1, timestamp: 2, zoned: 4 } as const

/** Words of the state and of a column, in the kernel's order. */
const STATE = { cell: 0, column: 1, rows: 2, outAt: 3, outFull: 4, rowsFull: 5, rowBytesMax: 6 }
const BOUNDED = 7
const HAS_LAST = 14
const STATE_WORDS = 16
const COLUMN_WORDS = 8
const COLUMN = { place: 0, kind: 1, nullWhereAbsent: 2, real: 3, how: 4, unit: 5 }
export const TALLY_BYTES = 432

export interface KernelColumn extends StoredColumn {
  readonly kind: number
  /** A text's bytes that surely fit, a moment's formats, a decimal's scale; when counting: jsonb is asked for. */
  readonly how: number
  /** A moment's microseconds are a multiple of it; when counting: what there are enough examples of. */
  readonly unit: number
  /** A scaled decimal stays below it. */
  readonly bound: number
}

export interface KernelTask {
  readonly columns: readonly KernelColumn[]
  /** How many values a record has at most. */
  readonly values: number
  readonly outBytes: number
  readonly through: Rowid | null
}

interface Exports {
  layOut(columns: number, values: number, usableBytes: number, roomBytes: number): number
  columnsAt(): number
  talliesAt(): number
  roomAt(): number
  open(at: number, headerAt: number, cell: number, cells: number): void
  write(): number
  wroteValue(): number
  count(): number
  countedValue(size: number): number
  didRow(): void
  rowBegins(): number
}

export class RowKernel {
  /** The cursor reads its pages to here. */
  window: Buffer = Buffer.alloc(0)
  /** Tuples are written to here. */
  out = new Uint8Array(0)
  readonly run: Omit<Exports, 'layOut' | 'columnsAt' | 'talliesAt' | 'roomAt' | 'open'>
  readonly #kernel = instantiate<Exports>(wasm)
  #columns = 0
  #state = new Int32Array(0)
  #bounds = new BigInt64Array(0)
  #totals = new Float64Array(0)

  constructor() {
    this.run = this.#kernel
  }

  /** Lays out the memory anew for a table; what was in it is gone. */
  prepare(file: PageFile, { columns, values, outBytes, through }: KernelTask): void {
    const room = WINDOW_BYTES + outBytes
    const state = this.#kernel.layOut(columns.length, values, file.usableBytes, room)
    const { buffer } = this.#kernel.memory
    this.#columns = columns.length
    this.#state = new Int32Array(buffer, state, STATE_WORDS).fill(0)
    this.#bounds = new BigInt64Array(buffer, state, STATE_WORDS / 2)
    this.#totals = new Float64Array(buffer, state, STATE_WORDS / 2)
    const roomAt = this.#kernel.roomAt()
    this.window = Buffer.from(buffer, roomAt, WINDOW_BYTES)
    this.out = new Uint8Array(buffer, roomAt + WINDOW_BYTES, outBytes)
    this.#state[BOUNDED] = through === null ? 0 : 1
    this.#bounds[4] = BigInt(through ?? 0)
    for (const [index, column] of columns.entries()) this.#describe(index, column)
    this.tallies().fill(0)
  }

  #describe(index: number, column: KernelColumn): void {
    const words = this.#columnWords(index)
    words[COLUMN.place] = column.place === ROWID ? ROWID : column.place
    words[COLUMN.kind] = column.kind
    words[COLUMN.nullWhereAbsent] = column.nullWhereAbsent ? 1 : 0
    words[COLUMN.real] = column.real ? 1 : 0
    words[COLUMN.how] = column.how
    words[COLUMN.unit] = column.unit
    new Float64Array(words.buffer, words.byteOffset + 24, 1)[0] = column.bound
  }

  #columnWords(index: number): Int32Array {
    const at = this.#kernel.columnsAt() + index * COLUMN_WORDS * 4
    return new Int32Array(this.#kernel.memory.buffer, at, COLUMN_WORDS)
  }

  /** What JavaScript has enough examples of. */
  setEnough(index: number, enough: number): void {
    this.#columnWords(index)[COLUMN.unit] = enough
  }

  /** What was counted, column by column. */
  tallies(): Uint8Array<ArrayBuffer> {
    const { buffer } = this.#kernel.memory
    return new Uint8Array(buffer, this.#kernel.talliesAt(), this.#columns * TALLY_BYTES)
  }

  /** Begins at the cursor's next cell. */
  open(cursor: TableCursor): void {
    this.#kernel.open(
      this.window.byteOffset + cursor.pageAt,
      cursor.headerAt,
      cursor.cell,
      cursor.cells,
    )
  }

  /** The cursor and the kernel agree on the row before. */
  follow({ last }: TableCursor): void {
    this.#state[HAS_LAST] = last === null ? 0 : 1
    this.#bounds[6] = BigInt(last ?? 0)
  }

  lead(cursor: TableCursor): void {
    cursor.cell = this.#state[STATE.cell]!
    cursor.last = this.#state[HAS_LAST] === 0 ? null : toRowid(this.#bounds[6]!)
  }

  /** A batch begins: until it has so many bytes or rows. */
  begin(bytesFull: number, rowsFull: number): void {
    this.outAt = 0
    this.rows = 0
    this.#state[STATE.outFull] = this.out.byteOffset + bytesFull
    this.#state[STATE.rowsFull] = rowsFull
  }

  get column(): number {
    return this.#state[STATE.column]!
  }

  get rows(): number {
    return this.#state[STATE.rows]!
  }

  set rows(rows: number) {
    this.#state[STATE.rows] = rows
  }

  /** How many bytes of `out` are written. */
  get outAt(): number {
    return this.#state[STATE.outAt]! - this.out.byteOffset
  }

  set outAt(at: number) {
    this.#state[STATE.outAt] = this.out.byteOffset + at
  }

  get rowBegins(): number {
    return this.#kernel.rowBegins() - this.out.byteOffset
  }

  get rowBytesMax(): number {
    return this.#state[STATE.rowBytesMax]!
  }

  get bytesTotal(): number {
    return this.#totals[5]!
  }
}

/** A kernel costs a millisecond and its memory; one is kept for the next walk. */
let idle: RowKernel | null = null

export function takeKernel(): RowKernel {
  const kernel = idle ?? new RowKernel()
  idle = null
  return kernel
}

export function returnKernel(kernel: RowKernel): void {
  idle = kernel
}
