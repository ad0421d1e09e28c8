/**
 * Canonical rows from what COPY … TO STDOUT (FORMAT binary) sends, by a WebAssembly kernel as far as it knows the types and
 * the values are usual. From the first row on that it leaves, the rest is decoded by tuples.ts.
 */
import { SenseiError } from '@sensei/core/errors'
import { instantiate } from '@sensei/core/kernel'
import { BATCH_BYTES, type FieldPlan, TupleDecoder } from './tuples.ts'
import { wasm } from './tuples.wasm.ts'

/** What tuples.kernel.ts exports; its comments say what each does. */
interface TupleKernel {
  readonly memory: WebAssembly.Memory
  open(columns: number): number
  kindsAt(): number
  windowAt(): number
  windowBytes(): number
  roomAt(): number
  written(): number
  rowsWritten(): number
  ended(): number
  taken(): void
  decode(length: number): number
}

const [ENDED, UNUSUAL] = [1, 2] as const
/** Signature, flags, and the length of an extension, which no server sends. */
const HEAD_BYTES = 19
const EXTENSION_AT = 15
const COLUMNS_MAX = 2048

/** Tags whose fields the kernel decodes. */
const KNOWN = 'ibfdtxjDTzhu'
/** Of a text whose blanks at the end are no part of it. */
const BLANK_PADDED = 'B'

/** Kernels of this thread that decode nothing at the moment. */
const idle: TupleKernel[] = []

/** How the kernel calls a column; null where it does not know the type. */
export function kindOf(tag: string, name: string): string | null {
  if (name === 'bpchar') return BLANK_PADDED
  return KNOWN.includes(tag) ? tag : null
}

/** Null where a table has a column that is not for the kernel. */
export function kernelTuples(
  fields: readonly FieldPlan[],
  kinds: readonly (string | null)[],
): KernelTuples | null {
  const known = kinds.filter((kind) => kind !== null)
  if (known.length < kinds.length || kinds.length === 0 || kinds.length > COLUMNS_MAX) return null
  return new KernelTuples(fields, known)
}

export class KernelTuples {
  readonly #fields: readonly FieldPlan[]
  readonly #kernel: TupleKernel
  readonly #window: Uint8Array
  #heldBytes = 0
  #started = false
  #ended = false
  /** Takes over where the kernel has stopped. */
  #exact: TupleDecoder | null = null

  constructor(fields: readonly FieldPlan[], kinds: readonly string[]) {
    this.#fields = fields
    this.#kernel = idle.pop() ?? instantiate<TupleKernel>(wasm)
    if (this.#kernel.open(fields.length) === 0)
      throw new SenseiError('INTERNAL', 'there is no memory to decode rows in')
    const { buffer } = this.#kernel.memory
    this.#window = new Uint8Array(buffer, this.#kernel.windowAt(), this.#kernel.windowBytes())
    new Uint8Array(buffer, this.#kernel.kindsAt()).set(Buffer.from(kinds.join(''), 'latin1'))
  }

  get ended(): boolean {
    return this.#exact?.ended ?? this.#ended
  }

  get rows(): number {
    return this.#kernel.rowsWritten() || (this.#exact?.rows ?? 0)
  }

  /** True when a batch is worth handing over: more must not be pushed before. */
  get full(): boolean {
    if (this.#kernel.rowsWritten() === 0) return this.#exact?.full ?? false
    return this.#exact !== null || this.#kernel.written() >= BATCH_BYTES
  }

  /** Takes a part of `chunk` from a byte on, and returns where that ends. */
  push(chunk: Buffer, from: number): number {
    if (this.#exact !== null) {
      this.#exact.push(chunk.subarray(from), 0)
      return chunk.length
    }
    const to = Math.min(chunk.length, from + this.#window.length - this.#heldBytes)
    this.#window.set(chunk.subarray(from, to), this.#heldBytes)
    this.#heldBytes += to - from
    if (this.#started || this.#start()) this.#decode()
    return to
  }

  batch(): { bytes: Buffer; rows: number } {
    const rows = this.#kernel.rowsWritten()
    if (rows === 0 && this.#exact !== null) return this.#exact.batch()
    const { buffer } = this.#kernel.memory
    return { bytes: Buffer.from(buffer, this.#kernel.roomAt(), this.#kernel.written()), rows }
  }

  taken(): void {
    if (this.#kernel.rowsWritten() > 0) this.#kernel.taken()
    else this.#exact?.taken()
  }

  /** After the last batch was used. */
  release(): void {
    this.#exact?.release()
    idle.push(this.#kernel)
  }

  /** False while the head is not there, or is not for the kernel. */
  #start(): boolean {
    if (this.#heldBytes < HEAD_BYTES) return false
    if (new DataView(this.#window.buffer, this.#window.byteOffset).getInt32(EXTENSION_AT) !== 0) {
      this.#giveUp()
      return false
    }
    this.#started = true
    this.#drop(HEAD_BYTES)
    return true
  }

  #decode(): void {
    this.#drop(this.#kernel.decode(this.#heldBytes))
    const end = this.#kernel.ended()
    if (end === ENDED) this.#ended = true
    // A row that fills the window is not whole in it.
    else if (end === UNUSUAL || this.#heldBytes === this.#window.length) this.#giveUp()
  }

  #drop(bytes: number): void {
    this.#window.copyWithin(0, bytes, this.#heldBytes)
    this.#heldBytes -= bytes
  }

  #giveUp(): void {
    this.#exact = new TupleDecoder(this.#fields, this.#started)
    const { buffer, byteOffset } = this.#window
    this.#exact.push(Buffer.from(buffer as ArrayBuffer, byteOffset, this.#heldBytes), 0)
    this.#heldBytes = 0
  }
}
