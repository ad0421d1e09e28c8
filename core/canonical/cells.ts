/**
 * Cells and rows of the canonical encoding as bytes (docs/canonical.md sections 1 and 2): writing them into a
 * buffer that grows, and finding their ends again. What a value's payload is, is not known here.
 */
import { SenseiError } from '../errors.ts'
import type { Tag } from './types.ts'

const NULL_CELL = 0x6e // n
const COLON = 0x3a
const ZERO = 0x30

/** A buffer of complete cells. The decoders of a witness write payloads straight into `bytes`. */
export class CellBuffer {
  bytes: Buffer
  length = 0

  constructor(capacity: number) {
    this.bytes = Buffer.allocUnsafeSlow(capacity)
  }

  /** Afterwards at least `more` bytes fit behind `length`. */
  reserve(more: number): void {
    const needed = this.length + more
    if (needed <= this.bytes.length) return
    const grown = Buffer.allocUnsafeSlow(
      Math.max(needed, Math.min(2 * this.bytes.length, needed + 2 ** 23)),
    )
    this.bytes.copy(grown, 0, 0, this.length)
    freeMemory(this.bytes)
    this.bytes = grown
  }

  /** Gives its memory back at once; it is of no use afterwards. */
  release(): void {
    freeMemory(this.bytes)
    this.length = 0
  }

  null(): void {
    this.reserve(1)
    this.bytes[this.length++] = NULL_CELL
  }

  /** Writes tag, length and colon, and makes room for the payload, which the caller writes at `length`. */
  header(tag: number, payloadLength: number): void {
    this.reserve(payloadLength + 16)
    const bytes = this.bytes
    bytes[this.length++] = tag
    if (payloadLength < 10) {
      bytes[this.length++] = ZERO + payloadLength
    } else if (payloadLength < 100) {
      bytes[this.length++] = ZERO + ((payloadLength / 10) | 0)
      bytes[this.length++] = ZERO + (payloadLength % 10)
    } else {
      this.length += bytes.write(String(payloadLength), this.length, 'latin1')
    }
    bytes[this.length++] = COLON
  }

  cell(tag: number, payload: Uint8Array): void {
    this.header(tag, payload.length)
    this.#append(payload, 0, payload.length)
  }

  /** For payloads that are ASCII by definition. */
  ascii(tag: number, payload: string): void {
    this.header(tag, payload.length)
    this.length += this.bytes.write(payload, this.length, 'latin1')
  }

  text(tag: number, payload: string): void {
    this.cell(tag, Buffer.from(payload, 'utf8'))
  }

  /** Appends complete cells: source[from, to). */
  cells(source: Uint8Array, from = 0, to = source.length): void {
    if (from === to) return
    this.reserve(to - from)
    this.#append(source, from, to)
  }

  #append(source: Uint8Array, from: number, to: number): void {
    const bytes = this.bytes
    let length = this.length
    // A few bytes are copied faster than a view of them is made.
    if (to - from < 64) for (let at = from; at < to; at += 1) bytes[length++] = source[at] as number
    else {
      bytes.set(source.subarray(from, to), length)
      length += to - from
    }
    this.length = length
  }

  /** The bytes written so far; valid until the buffer is written again. */
  written(): Buffer {
    return this.bytes.subarray(0, this.length)
  }
}

/** Of smaller ones the garbage collector has seen enough by itself. */
const FREED_BYTES_MIN = 64 * 1024

/**
 * Frees what a large buffer holds, without waiting for the garbage collector: it hardly sees memory outside of its heap, and a
 * few forgotten rows of 64 MB are all that a process may have.
 */
export function freeMemory(bytes: Uint8Array): void {
  const { buffer } = bytes
  const alone = bytes.byteLength === buffer.byteLength && bytes.byteLength > FREED_BYTES_MIN
  if (alone && buffer instanceof ArrayBuffer) buffer.transfer(0)
}

/** Where the cell that begins at `at` ends. */
export function cellEnd(bytes: Uint8Array, at: number): number {
  if (bytes[at] === NULL_CELL) return at + 1
  let length = 0
  let place = at + 1
  for (; bytes[place] !== COLON; place += 1) {
    const digit = (bytes[place] ?? 0) - ZERO
    if (digit < 0 || digit > 9) throw notCanonical(at)
    length = length * 10 + digit
  }
  const end = place + 1 + length
  if (place === at + 1 || end > bytes.length) throw notCanonical(at)
  return end
}

/** Where the `cells` cells that begin at `at` end. */
export function cellsEnd(bytes: Uint8Array, at: number, cells: number): number {
  let end = at
  for (let count = 0; count < cells; count += 1) end = cellEnd(bytes, end)
  return end
}

export interface Cell {
  readonly tag: Tag
  readonly payload: Uint8Array
}

/** The cells of one row; null for NULL. */
export function parseRow(row: Uint8Array): (Cell | null)[] {
  const cells: (Cell | null)[] = []
  for (let at = 0; at < row.length; ) {
    const end = cellEnd(row, at)
    if (row[at] === NULL_CELL) cells.push(null)
    else
      cells.push({
        tag: String.fromCharCode(row[at] ?? 0) as Tag,
        payload: row.subarray(row.indexOf(COLON, at) + 1, end),
      })
    at = end
  }
  return cells
}

/** For people: the payload as text, bytes as hex, long ones cut. */
export function showCell(cell: Cell | null | undefined, charactersMax = 200): string | null {
  if (cell === null || cell === undefined) return null
  const bytes = cell.payload.subarray(0, charactersMax * 4)
  const text =
    cell.tag === 'x'
      ? `\\x${Buffer.from(bytes).toString('hex')}`
      : Buffer.from(bytes).toString('utf8')
  const shown = cell.tag === 'f' ? showFloat(text) : text
  const cut = shown.length > charactersMax || bytes.length < cell.payload.length
  return cut ? `${shown.slice(0, charactersMax)}… (${cell.payload.length} bytes)` : shown
}

/** -0 is shown as such: it is the difference that a person would not see. */
function showFloat(bits: string): string {
  const bytes = Buffer.from(bits, 'hex')
  const value = bytes.length === 4 ? bytes.readFloatBE() : bytes.readDoubleBE()
  return Object.is(value, -0) ? '-0' : String(value)
}

export function notCanonical(at: number): SenseiError {
  return new SenseiError('INTERNAL', `these bytes are no canonical row (at byte ${at})`)
}
