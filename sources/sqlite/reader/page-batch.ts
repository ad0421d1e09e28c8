/** Fills batches from leaf pages: usual rows by the kernel, a value or a row that it does not know from here. */
import assert from 'node:assert/strict'
import type { UnfitRow } from '@sensei/core/ports/source'
import type { Rowid } from '../pages/record.ts'
import { type RowKernel, STOP } from '../pages/row-kernel.ts'
import type { TableCursor } from '../pages/table-cursor.ts'
import { HOSTILE, type PageRowWriter } from './page-path.ts'
import { TupleWriter } from './tuple-writer.ts'

export interface BatchLimits {
  /** A batch is full when it has so many bytes or rows. */
  readonly bytes: number
  readonly rows: number
}

/**
 * What the tuples of a batch may take before it is looked at again: values that JavaScript writes are larger than what
 * they are made from, by this factor and so many bytes for each column.
 */
const GROWTH = 3
const COLUMN_BYTES_MAX = 512

export function outBytes(limits: BatchLimits, columns: number, pageBytes: number): number {
  return limits.bytes + GROWTH * pageBytes + COLUMN_BYTES_MAX * (columns + 1)
}

export class PageBatch {
  rows = 0
  unfit: UnfitRow[] = []
  /** The row that neither path of the pages takes; null when there is none. */
  hostile: Rowid | null = null
  readonly #cursor: TableCursor
  readonly #kernel: RowKernel
  readonly #write: PageRowWriter
  readonly #limits: BatchLimits
  #writer: TupleWriter
  #ordinal = 0

  constructor(cursor: TableCursor, kernel: RowKernel, write: PageRowWriter, limits: BatchLimits) {
    this.#cursor = cursor
    this.#kernel = kernel
    this.#write = write
    this.#limits = limits
    this.#writer = new TupleWriter(kernel.out)
  }

  get bytes(): Uint8Array {
    return this.#writer.written()
  }

  /** Forgets the batch before; goes on until this one is full, a row is hostile, or the range ends: then false. */
  fill(ordinal: number): boolean {
    const kernel = this.#kernel
    this.#ordinal = ordinal
    this.#writer = new TupleWriter(kernel.out)
    this.rows = 0
    this.unfit = []
    this.hostile = null
    kernel.begin(this.#limits.bytes, this.#limits.rows)
    kernel.follow(this.#cursor)
    let more = true
    while (more && !this.#full && this.#cursor.leaf()) more = this.#page()
    this.rows = kernel.rows
    if (this.#writer.bytes === kernel.out) this.#writer.at = kernel.outAt
    return more && (this.#full || this.hostile !== null)
  }

  /** A row that outgrew the kernel's room is larger than a batch. */
  get #full(): boolean {
    const kernel = this.#kernel
    const rows = kernel.rows + this.unfit.length
    return (
      this.hostile !== null ||
      this.#writer.bytes !== kernel.out ||
      kernel.outAt >= this.#limits.bytes ||
      rows >= this.#limits.rows
    )
  }

  /** False at the end of the range. */
  #page(): boolean {
    const kernel = this.#kernel
    kernel.open(this.#cursor)
    let stop = kernel.run.write()
    while (stop === STOP.row || stop === STOP.value) {
      const column = stop === STOP.value ? kernel.column : null
      kernel.lead(this.#cursor)
      if (!this.#cursor.next()) return false
      stop = column === null ? this.#wholeRow() : this.#restOfRow(column)
    }
    kernel.lead(this.#cursor)
    if (stop === STOP.past) this.#cursor.end()
    return stop !== STOP.past
  }

  /** The kernel does not take the cursor's row at all. Returns why the kernel stopped after it, or `full`. */
  #wholeRow(): number {
    const kernel = this.#kernel
    const writer = this.#writer
    writer.at = kernel.outAt
    const result = this.#write.row(this.#cursor, writer, this.#nextOrdinal)
    if (writer.bytes === kernel.out) kernel.outAt = writer.at
    return this.#ended(result)
  }

  /** Values of the cursor's row that the kernel does not know, until it is through with the row. */
  #restOfRow(first: number): number {
    const kernel = this.#kernel
    const writer = this.#writer
    const begins = kernel.rowBegins
    const { rows } = kernel
    for (let column = first; ; column = kernel.column) {
      writer.at = kernel.outAt
      const result = this.#write.value(this.#cursor, writer, this.#nextOrdinal, column)
      if (result !== null) {
        kernel.outAt = begins
        return this.#ended(result)
      }
      assert.ok(writer.bytes === kernel.out)
      kernel.outAt = writer.at
      const stop = kernel.run.wroteValue()
      if (stop !== STOP.value || kernel.rows !== rows) return stop
    }
  }

  #ended(result: UnfitRow | typeof HOSTILE | null): number {
    const kernel = this.#kernel
    if (result === HOSTILE) {
      this.hostile = this.#cursor.rowid
      return STOP.full
    }
    kernel.run.didRow()
    if (result === null) kernel.rows += 1
    else this.unfit.push(result)
    return this.#full ? STOP.full : kernel.run.write()
  }

  get #nextOrdinal(): number {
    return this.#ordinal + this.#kernel.rows + this.unfit.length
  }
}
