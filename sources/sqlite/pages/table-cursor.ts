/**
 * Walks the rows of a rowid table in the order of their rowids, over the pages themselves.
 *
 *   interior page  type 5, … cells: int32 left child, varint rowid (the greatest below that child); last: right child
 *   leaf page      type 13, … cells: varint payload bytes, varint rowid, payload, int32 first overflow page if it spills
 *   overflow page  int32 next page, then payload
 *   payload        the record: varint header bytes, one varint for each column (its serial type), then the values
 */
import { type PageFile, PageWindow } from './page-file.ts'

const INTERIOR = 5
const LEAF = 13
const DEPTH_MAX = 40

/** A row of at most this size is put together in memory when it spills; of a larger one only what is asked for. */
const ASSEMBLED_BYTES_MAX = 64 * 1024

export interface CursorOptions {
  readonly assembledBytesMax?: number
}

/** Exact: a bigint beyond 2^53. */
export type Rowid = number | bigint

export interface RowidBounds {
  readonly after: Rowid | null
  readonly through: Rowid | null
}

interface Level {
  readonly children: readonly number[]
  next: number
}

export class TableCursor {
  /** The current row: its rowid, and its record in `bytes` from `record`. */
  rowid: Rowid = 0
  bytes: Buffer
  record = 0
  payloadBytes = 0
  /** True where `bytes` holds only the beginning of the record: values are copied out by `copy`. */
  partial = false

  /** Serial types and places (from the record's beginning) of the values, in stored order. */
  readonly types: Uint32Array
  readonly places: Int32Array
  /** How many values the record has: fewer than columns when some were added later. */
  values = 0

  readonly #file: PageFile
  readonly #tree: PageWindow
  readonly #overflow: PageWindow
  readonly #root: number
  readonly #assembledBytesMax: number
  #through: Rowid | null = null
  #levels: Level[] = []
  #page = 0
  #cell = 0
  #cells = 0
  #assembled = Buffer.allocUnsafeSlow(0)
  #local = 0
  #localAt = 0
  #firstOverflow = 0

  constructor(file: PageFile, root: number, columns: number, options: CursorOptions = {}) {
    this.#file = file
    this.#assembledBytesMax = options.assembledBytesMax ?? ASSEMBLED_BYTES_MAX
    this.#tree = new PageWindow(file)
    this.#overflow = new PageWindow(file)
    this.#root = root
    this.bytes = this.#tree.bytes
    this.types = new Uint32Array(columns)
    this.places = new Int32Array(columns)
  }

  /** Stands before the first row of the range. */
  seek({ after, through }: RowidBounds): void {
    this.#through = through
    this.#levels = []
    this.#cell = 0
    this.#cells = 0
    this.#descend(this.#root, after)
    if (after === null) return
    while (this.#cell < this.#cells && this.#rowidOf(this.#cell) <= after) this.#cell += 1
  }

  /** Goes to the next row; false when there is none in the range. */
  next(): boolean {
    while (this.#cell >= this.#cells) if (!this.#nextLeaf()) return false
    this.#tree.seek(this.#page)
    const start = this.#cellAt(this.#cell)
    const { bytes } = this.#tree
    const payload = varint(bytes, start)
    const rowid = varint(bytes, varintEnd)
    this.rowid = toRowid(rowid)
    if (this.#through !== null && this.rowid > this.#through) {
      this.#cells = 0
      this.#levels = []
      return false
    }
    this.#cell += 1
    this.payloadBytes = Number(payload)
    this.#locate(varintEnd)
    this.#readHeader()
    return true
  }

  /** Copies a part of the record; needed only where it is `partial`. */
  copy(from: number, length: number, into: Uint8Array, at: number): void {
    const inPage = Math.max(0, Math.min(length, this.#local - from))
    if (inPage > 0) {
      const start = this.#localAt + from
      into.set(this.#tree.bytes.subarray(start, start + inPage), at)
    }
    const room = this.#file.usableBytes - 4
    let skipped = this.#local
    let done = inPage
    for (let page = this.#firstOverflow; done < length; ) {
      const begin = this.#overflow.seek(page)
      const { bytes } = this.#overflow
      const skip = from + done - skipped
      if (skip < room) {
        const part = Math.min(room - skip, length - done)
        into.set(bytes.subarray(begin + 4 + skip, begin + 4 + skip + part), at + done)
        done += part
      }
      skipped += room
      page = bytes.readUInt32BE(begin)
    }
  }

  #descend(root: number, after: Rowid | null): void {
    for (let page = root; ; ) {
      if (this.#levels.length > DEPTH_MAX) throw this.#file.damaged('a table whose tree has no end')
      const start = this.#tree.seek(page)
      const { bytes } = this.#tree
      const header = page === 1 ? start + 100 : start
      const cells = bytes.readUInt16BE(header + 3)
      if (bytes[header] === LEAF) {
        this.#page = page
        this.#cell = 0
        this.#cells = cells
        return
      }
      if (bytes[header] !== INTERIOR) throw this.#file.damaged(`page ${page} is no page of a table`)
      const children: number[] = []
      let first = 0
      for (let cell = 0; cell < cells; cell += 1) {
        const at = start + bytes.readUInt16BE(header + 12 + cell * 2)
        children.push(bytes.readUInt32BE(at))
        if (after !== null && toRowid(varint(bytes, at + 4)) <= after) first = cell + 1
      }
      children.push(bytes.readUInt32BE(header + 8))
      this.#levels.push({ children, next: first + 1 })
      page = children[first]!
    }
  }

  #nextLeaf(): boolean {
    for (;;) {
      const level = this.#levels.at(-1)
      if (level === undefined) return false
      const child = level.children[level.next]
      if (child !== undefined) {
        level.next += 1
        this.#descend(child, null)
        return true
      }
      this.#levels.pop()
    }
  }

  #cellAt(cell: number): number {
    const { bytes, at } = this.#tree
    const pointer = (this.#page === 1 ? at + 108 : at + 8) + cell * 2
    return at + ((bytes[pointer]! << 8) | bytes[pointer + 1]!)
  }

  #rowidOf(cell: number): Rowid {
    this.#tree.seek(this.#page)
    const { bytes } = this.#tree
    varint(bytes, this.#cellAt(cell))
    return toRowid(varint(bytes, varintEnd))
  }

  /** Where the record is; puts it together when it spills and is not too large. */
  #locate(start: number): void {
    const { usableBytes } = this.#file
    const size = this.payloadBytes
    this.#localAt = start
    this.partial = false
    if (size <= usableBytes - 35) {
      this.bytes = this.#tree.bytes
      this.record = start
      return
    }
    const least = Math.floor(((usableBytes - 12) * 32) / 255) - 23
    const filled = least + ((size - least) % (usableBytes - 4))
    this.#local = filled <= usableBytes - 35 ? filled : least
    this.#firstOverflow = this.#tree.bytes.readUInt32BE(start + this.#local)
    if (size > this.#assembledBytesMax && varint(this.#tree.bytes, start) <= this.#local) {
      this.bytes = this.#tree.bytes
      this.record = start
      this.partial = true
      return
    }
    if (size > this.#assembled.length) this.#assembled = Buffer.allocUnsafeSlow(size)
    this.copy(0, size, this.#assembled, 0)
    this.bytes = this.#assembled
    this.record = 0
  }

  #readHeader(): void {
    const { bytes, record, types, places } = this
    const headerBytes = Number(varint(bytes, record))
    const end = record + headerBytes
    let at = varintEnd
    let place = headerBytes
    let values = 0
    while (at < end && values < types.length) {
      let type = bytes[at]!
      if (type < 0x80) at += 1
      else {
        type = Number(varint(bytes, at))
        at = varintEnd
      }
      types[values] = type
      places[values] = place
      place += type < 12 ? SIZES[type]! : (type - 12) >> 1
      values += 1
    }
    if (place > this.payloadBytes) throw this.#file.damaged('a record that is longer than its row')
    this.values = values
  }
}

/** Bytes of the values with the serial types 0 to 11; from 12 on (type - 12) / 2, a blob if even, a text if odd. */
const SIZES = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0] as const

export const SERIAL = { null: 0, int64: 6, real: 7, zero: 8, one: 9, blob: 12, text: 13 } as const

export function sizeOf(type: number): number {
  return type < 12 ? SIZES[type]! : (type - 12) >> 1
}

/** An integer of the serial types 1 to 6, 8 and 9; a bigint where a double might not hold it. */
export function integerAt(bytes: Buffer, at: number, type: number): Rowid {
  switch (type) {
    case 1:
      return (bytes[at]! << 24) >> 24
    case 2:
      return (((bytes[at]! << 8) | bytes[at + 1]!) << 16) >> 16
    case 3:
      return (((bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!) << 8) >> 8
    case 4:
      return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
    case 5:
      return bytes.readIntBE(at, 6)
    case SERIAL.int64:
      return toRowid(bytes.readBigInt64BE(at))
    default:
      return type - SERIAL.zero
  }
}

/** The varint read last ends here. */
let varintEnd = 0

/** Seven bits a byte, the high bit says that another follows; the ninth byte has eight. */
function varint(bytes: Buffer, start: number): Rowid {
  let byte = bytes[start]!
  if (byte < 0x80) {
    varintEnd = start + 1
    return byte
  }
  let value = byte & 0x7f
  for (let at = start + 1; at < start + 7; at += 1) {
    byte = bytes[at]!
    value = value * 128 + (byte & 0x7f)
    if (byte < 0x80) {
      varintEnd = at + 1
      return value
    }
  }
  byte = bytes[start + 7]!
  if (byte < 0x80) {
    varintEnd = start + 8
    return (BigInt(value) << 7n) | BigInt(byte)
  }
  varintEnd = start + 9
  return BigInt.asIntN(
    64,
    (((BigInt(value) << 7n) | BigInt(byte & 0x7f)) << 8n) | BigInt(bytes[start + 8]!),
  )
}

function toRowid(value: Rowid): Rowid {
  if (typeof value === 'number') return value
  const plain = Number(value)
  return Number.isSafeInteger(plain) ? plain : value
}
