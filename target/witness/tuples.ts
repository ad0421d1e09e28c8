/**
 * Takes apart what COPY … TO STDOUT (FORMAT binary) sends, wherever the network cuts it, and writes canonical rows.
 * The form: an 11 byte signature, int32 flags, int32 length of an extension; then for each row int16 fields and for
 * each field int32 length (-1 for NULL) and its bytes; -1 instead of a field count ends it.
 */
import { CellBuffer, freeMemory } from '@sensei/core/canonical/cells'
import { SenseiError } from '@sensei/core/errors'
import type { Tag } from '@sensei/core/canonical/types'
import type { Decode } from './decoders.ts'

export interface FieldPlan {
  readonly tag: Tag
  readonly decode: Decode
  /** The field's bytes are the payload: a large one need not be held twice. */
  readonly verbatim: boolean
}

const SIGNATURE_BYTES = 15
const VERBATIM_FROM = 256 * 1024
const BUFFER_BYTES = 1024 * 1024
/** Behind the field that is waited for, a chunk of the network finds room. */
const HELD_BYTES = 160 * 1024
export const BATCH_BYTES = 512 * 1024

export class TupleDecoder {
  rows = 0
  ended = false
  readonly #fields: readonly FieldPlan[]
  readonly #out = new CellBuffer(BUFFER_BYTES)
  /** Where the last complete row ends in `#out`. */
  #complete = 0
  /** What was not whole yet, at its beginning; the next chunk is put behind it. */
  #held: Buffer = Buffer.alloc(0)
  #heldBytes = 0
  /** Bytes needed before anything more can be read. */
  #wanted = SIGNATURE_BYTES + 4
  #started = false
  /** Next field of the row; -1 between rows. */
  #field = -1
  /** Bytes of a large field that are still to come. */
  #streaming = 0

  /** `started`: what is pushed begins with a row. */
  constructor(fields: readonly FieldPlan[], started = false) {
    this.#fields = fields
    this.#started = started
    if (started) this.#wanted = 2
  }

  /** Takes `chunk` from a byte on, and returns where that ends. */
  push(whole: Buffer, from: number): number {
    const chunk = from === 0 ? whole : whole.subarray(from)
    const data = this.#heldBytes === 0 ? chunk : this.#behindHeld(chunk)
    const waits = this.#streaming === 0 && data.length < this.#wanted
    const read = waits ? 0 : this.#read(data)
    const rest = data.length - read
    if (rest > 0 && (data === chunk || read > 0)) {
      this.#room(rest)
      data.copy(this.#held, 0, read)
    }
    this.#heldBytes = rest
    return whole.length
  }

  #behindHeld(chunk: Buffer): Buffer {
    const length = this.#heldBytes + chunk.length
    this.#room(length)
    chunk.copy(this.#held, this.#heldBytes)
    return this.#held.subarray(0, length)
  }

  /** The bytes that are held stay at the beginning. */
  #room(bytes: number): void {
    if (bytes <= this.#held.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(bytes, this.#wanted + HELD_BYTES))
    this.#held.copy(larger, 0, 0, this.#heldBytes)
    freeMemory(this.#held)
    this.#held = larger
  }

  /** True when a batch is worth handing over. */
  get full(): boolean {
    return this.#complete >= BATCH_BYTES
  }

  /** The complete rows so far; then `taken` must be called before more is pushed. */
  batch(): { bytes: Buffer; rows: number } {
    return { bytes: this.#out.bytes.subarray(0, this.#complete), rows: this.rows }
  }

  taken(): void {
    // A buffer that a large row made grow is kept: the next one needs it again, and a dropped one is not freed at once.
    this.#out.bytes.copyWithin(0, this.#complete, this.#out.length)
    this.#out.length -= this.#complete
    this.#complete = 0
    this.rows = 0
  }

  /** After the last batch was used. */
  release(): void {
    this.#out.release()
    freeMemory(this.#held)
  }

  /** Reads as much of `data` as is whole; returns how much that was, and sets `#wanted` for the rest. */
  #read(data: Buffer): number {
    let at = this.#started ? 0 : this.#start(data)
    while (!this.ended) {
      if (this.#streaming > 0) {
        at = this.#stream(data, at)
        if (this.#streaming > 0) return at
      }
      if (this.#field < 0) {
        if (data.length - at < 2) return this.#wait(at, 2)
        this.#beginRow(data.readInt16BE(at))
        at += 2
        continue
      }
      at = this.#readFields(data, at)
      if (this.#field >= 0 && this.#streaming === 0) return at
    }
    return data.length
  }

  /** Up to the end of the row, or to a field that is not whole or not to be held. */
  #readFields(data: Buffer, from: number): number {
    const fields = this.#fields
    const out = this.#out
    let at = from
    for (let place = this.#field; place < fields.length; place += 1) {
      this.#field = place
      if (data.length - at < 4) return this.#wait(at, 4)
      const length = data.readInt32BE(at)
      if (length < 0) {
        out.null()
        at += 4
        continue
      }
      const field = fields[place] as FieldPlan
      if (length >= VERBATIM_FROM && field.verbatim) {
        out.header(field.tag.charCodeAt(0), length)
        this.#streaming = length
        return at + 4
      }
      if (data.length - at < 4 + length) return this.#wait(at, 4 + length)
      field.decode(out, data, at + 4, length)
      at += 4 + length
    }
    this.#endRow()
    return at
  }

  #start(data: Buffer): number {
    this.#started = true
    return SIGNATURE_BYTES + 4 + data.readInt32BE(SIGNATURE_BYTES)
  }

  #wait(at: number, bytes: number): number {
    this.#wanted = bytes
    return at
  }

  #beginRow(fields: number): void {
    if (fields === -1) {
      this.ended = true
      return
    }
    if (fields !== this.#fields.length) {
      throw new SenseiError(
        'INTERNAL',
        `the target sent ${fields} fields for ${this.#fields.length} columns`,
      )
    }
    if (fields === 0) this.#endRow()
    else this.#field = 0
  }

  #stream(data: Buffer, at: number): number {
    const part = Math.min(this.#streaming, data.length - at)
    data.copy(this.#out.bytes, this.#out.length, at, at + part)
    this.#out.length += part
    this.#streaming -= part
    if (this.#streaming === 0) this.#endField()
    return at + part
  }

  #endField(): void {
    this.#field += 1
    if (this.#field === this.#fields.length) this.#endRow()
  }

  #endRow(): void {
    this.#field = -1
    this.rows += 1
    this.#complete = this.#out.length
  }
}
