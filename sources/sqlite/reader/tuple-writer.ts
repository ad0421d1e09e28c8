/**
 * A growing buffer of COPY BINARY tuples.
 *
 * Tuple: int16 number of fields, then for each field int32 length and that many bytes, or length -1 for NULL.
 * Everything is big-endian.
 */
const PATCH_BYTES = 4

/** A buffer larger than this grows to what is needed and no further. */
const GROWTH_MAX = 16 * 1024 * 1024

export class TupleWriter {
  bytes: Uint8Array<ArrayBuffer>
  at = 0

  /** Bytes that are not its own, until they are too few. */
  #lent: boolean

  /** Of so many bytes, or over those of somebody else. */
  constructor(room: number | Uint8Array<ArrayBuffer>) {
    this.#lent = typeof room !== 'number'
    this.bytes = typeof room === 'number' ? new Uint8Array(room) : room
  }

  /** Guarantees that `more` bytes fit. */
  reserve(more: number): void {
    if (this.at + more <= this.bytes.length) return
    const size = Math.max(this.at + more, Math.min(this.bytes.length * 2, GROWTH_MAX))
    if (this.#lent) {
      const larger = new Uint8Array(size)
      larger.set(this.written())
      this.bytes = larger
      this.#lent = false
      return
    }
    // Moves the bytes and frees the old buffer at once.
    this.bytes = new Uint8Array(this.bytes.buffer.transfer(size))
  }

  written(): Uint8Array {
    return this.bytes.subarray(0, this.at)
  }

  startTuple(fields: number): void {
    this.reserve(2)
    this.bytes[this.at++] = fields >> 8
    this.bytes[this.at++] = fields
  }

  null(): void {
    this.reserve(4)
    this.#int32(-1)
  }

  boolean(value: boolean): void {
    this.reserve(5)
    this.#int32(1)
    this.bytes[this.at++] = value ? 1 : 0
  }

  int16(value: number): void {
    this.reserve(6)
    this.#int32(2)
    this.bytes[this.at++] = value >> 8
    this.bytes[this.at++] = value
  }

  int32(value: number): void {
    this.reserve(8)
    this.#int32(4)
    this.#int32(value)
  }

  /** `value` is a safe integer. */
  int64(value: number): void {
    this.reserve(12)
    this.#int32(8)
    const high = Math.floor(value / 0x1_0000_0000)
    this.#int32(high)
    this.#int32((value - high * 0x1_0000_0000) | 0)
  }

  bigint64(value: bigint): void {
    this.reserve(12)
    this.#int32(8)
    this.#int32(Number(value >> 32n))
    this.#int32(Number(BigInt.asIntN(32, value)))
  }

  float64(value: number): void {
    this.reserve(12)
    this.#int32(8)
    float64[0] = value
    for (let byte = 7; byte >= 0; byte -= 1) this.bytes[this.at++] = float64Bytes[byte]!
  }

  float32(value: number): void {
    this.reserve(8)
    this.#int32(4)
    float32[0] = value
    for (let byte = 3; byte >= 0; byte -= 1) this.bytes[this.at++] = float32Bytes[byte]!
  }

  /** The bytes as they are. */
  raw(from: Uint8Array, start: number, end: number): void {
    const length = end - start
    this.reserve(4 + length)
    this.#int32(length)
    this.append(from, start, end)
  }

  /** A field of this length, whose bytes the caller writes from the place that is returned. */
  startText(length: number): number {
    this.reserve(4 + length)
    this.#int32(length)
    const field = this.at
    this.at = field + length
    return field
  }

  /** Opens a field whose length `endField` will know; room for its bytes is the caller's to reserve. */
  startField(): number {
    this.reserve(PATCH_BYTES)
    this.at += PATCH_BYTES
    return this.at
  }

  endField(start: number): void {
    const end = this.at
    this.at = start - PATCH_BYTES
    this.#int32(end - start)
    this.at = end
  }

  byte(value: number): void {
    this.bytes[this.at++] = value
  }

  uint16(value: number): void {
    this.bytes[this.at++] = value >> 8
    this.bytes[this.at++] = value
  }

  /** Room is the caller's to reserve. A short copy is faster by hand than by a call. */
  append(from: Uint8Array, start: number, end: number): void {
    if (end - start > 48) {
      this.bytes.set(from.subarray(start, end), this.at)
      this.at += end - start
      return
    }
    const to = this.bytes
    let at = this.at
    for (let next = start; next < end; next += 1) to[at++] = from[next]!
    this.at = at
  }

  #int32(value: number): void {
    const to = this.bytes
    const at = this.at
    to[at] = value >> 24
    to[at + 1] = value >> 16
    to[at + 2] = value >> 8
    to[at + 3] = value
    this.at = at + 4
  }
}

/** Typed arrays have the machine's byte order, which is little-endian wherever Node runs. */
const float64 = new Float64Array(1)
const float64Bytes = new Uint8Array(float64.buffer)
const float32 = new Float32Array(1)
const float32Bytes = new Uint8Array(float32.buffer)
