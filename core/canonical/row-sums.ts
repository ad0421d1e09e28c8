/**
 * Fills a bucket table from canonical rows. Cutting, hashing and adding are done by a WebAssembly kernel, a batch of rows in a
 * call: a call of node:crypto for each row costs more than the hash itself (docs/adr/0010).
 */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { SenseiError } from '../errors.ts'
import { instantiate } from '../kernel.ts'
import { BucketTable, keyHash, type RowShape } from './buckets.ts'
import { cellsEnd, notCanonical } from './cells.ts'
import { wasm } from './row-sums.wasm.ts'

/** What row-sums.kernel.ts exports; its comments say what each does. */
export interface RowKernel {
  readonly memory: WebAssembly.Memory
  windowAt(): number
  windowBytes(): number
  sumsAt(): number
  countsAt(): number
  open(bits: number): number
  add(length: number, columns: number, keyColumns: number): number
  begin(): void
  addPiece(): void
  addLastPiece(length: number, bucket: number): void
}

export function rowKernel(module: string = wasm): RowKernel {
  return instantiate<RowKernel>(module)
}

/** The hash of one row, by OpenSSL: the kernel's own is not asked about rows that are taken out of its sums. */
export function rowHash(row: Uint8Array): Buffer {
  return hash('blake2b512', row, 'buffer')
}

/** A kernel's memory never shrinks: one that has grown beyond this is not kept for the next table. */
const KEPT_BYTES_MAX = 8 * 1024 * 1024

/** Kernels of this thread that have no table at the moment. */
const idle: RowKernel[] = []

export class RowSums {
  readonly #bits: number
  readonly #kernel: RowKernel
  /** The part of the kernel's memory that takes rows. */
  readonly #window: Uint8Array
  #finished = false

  constructor(bits: number, kernel: RowKernel = idle.pop() ?? rowKernel()) {
    if (kernel.open(bits) === 0)
      throw new SenseiError('INTERNAL', `there is no memory for 2^${bits} buckets`)
    this.#bits = bits
    this.#kernel = kernel
    this.#window = new Uint8Array(kernel.memory.buffer, kernel.windowAt(), kernel.windowBytes())
  }

  /** Adds every row in `bytes`, of which none may be cut off. */
  add(bytes: Uint8Array, shape: RowShape): void {
    assert(!this.#finished)
    const window = this.#window
    for (let at = 0; at < bytes.length; ) {
      const length = Math.min(window.length, bytes.length - at)
      window.set(length === bytes.length ? bytes : bytes.subarray(at, at + length))
      const added = this.#kernel.add(length, shape.columns, shape.keyColumns)
      at += added
      // The next row does not fit the window, or is none.
      if (added === 0) at = this.#addLarge(bytes, at, shape)
    }
  }

  /** The table of all rows added; nothing can be added afterwards. */
  finish(): BucketTable {
    assert(!this.#finished)
    this.#finished = true
    const { buffer } = this.#kernel.memory
    const buckets = 2 ** this.#bits
    const [sumsAt, countsAt] = [this.#kernel.sumsAt(), this.#kernel.countsAt()]
    const counts = new Float64Array(buffer.slice(countsAt, countsAt + 8 * buckets))
    const table = new BucketTable(this.#bits, {
      bits: this.#bits,
      counts,
      sums: new Uint32Array(buffer.slice(sumsAt, sumsAt + 64 * buckets)),
      rows: counts.reduce((rows, count) => rows + count, 0),
      rejected: 0,
    })
    if (buffer.byteLength <= KEPT_BYTES_MAX) idle.push(this.#kernel)
    return table
  }

  /** One row in pieces, so that a row of any size needs no more memory here; returns where it ends. */
  #addLarge(bytes: Uint8Array, from: number, shape: RowShape): number {
    const keyEnd = cellsEnd(bytes, from, shape.keyColumns)
    const end = cellsEnd(bytes, keyEnd, shape.columns - shape.keyColumns)
    if (end === from) throw notCanonical(from)
    const window = this.#window
    this.#kernel.begin()
    let at = from
    for (; end - at > window.length; at += window.length) {
      window.set(bytes.subarray(at, at + window.length))
      this.#kernel.addPiece()
    }
    window.set(bytes.subarray(at, end))
    const bucket = keyHash(bytes, from, shape.keyColumns === 0 ? end : keyEnd)
    this.#kernel.addLastPiece(end - at, bucket)
    return end
  }
}
