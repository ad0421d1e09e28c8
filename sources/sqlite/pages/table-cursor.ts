/**
 * Walks the rows of a rowid table in the order of their rowids, over the pages themselves.
 *
 *   interior page  type 5, … cells: int32 left child, varint rowid (the greatest below that child); last: right child
 *   leaf page      type 13, … cells: varint payload bytes, varint rowid, payload, int32 first overflow page if it spills
 *   overflow page  int32 next page, then payload
 *   payload        the record: varint header bytes, one varint for each column (its serial type), then the values
 *
 * Whatever the file holds, a walk ends: with its rows, or with SOURCE_CORRUPT. It enters no more pages than there are,
 * rowids ascend, and no number in a page is believed before it is known to stay within that page, or its row.
 */
import { cellAt, headerOf, readInterior } from './interior.ts'
import { type PageFile, PageWindow } from './page-file.ts'
import { type Rowid, SERIAL, sizeOf, toRowid, varint, varintEnd } from './record.ts'

const LEAF_HEADER_BYTES = 8

/** SQLite itself holds no row that is larger. */
const PAYLOAD_BYTES_MAX = 0x7fff_ffff

/** A row of at most this size is put together in memory when it spills; of a larger one only what is asked for. */
const ASSEMBLED_BYTES_MAX = 64 * 1024

export interface CursorOptions {
  readonly assembledBytesMax?: number
  /** Where the pages are read to; `windowBytes` of them. */
  readonly window?: Buffer
}

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

  /** The cell that comes next, and how many the leaf page has. */
  cell = 0
  cells = 0
  /** The row before, once there is one: the next one has a greater rowid. */
  last: Rowid | null = null

  readonly #file: PageFile
  readonly #tree: PageWindow
  /** Only for records that spill: most tables have none. */
  #overflow: PageWindow | null = null
  readonly #root: number
  readonly #assembledBytesMax: number
  #through: Rowid | null = null
  #levels: Level[] = []
  #page = 0
  #visited = 0
  #assembled = Buffer.allocUnsafeSlow(0)
  #local = 0
  #localAt = 0
  #firstOverflow = 0

  constructor(file: PageFile, root: number, columns: number, options: CursorOptions = {}) {
    this.#file = file
    this.#assembledBytesMax = options.assembledBytesMax ?? ASSEMBLED_BYTES_MAX
    this.#tree = new PageWindow(file, options.window)
    this.#root = root
    this.bytes = this.#tree.bytes
    this.types = new Uint32Array(columns)
    this.places = new Int32Array(columns)
  }

  /** Where the leaf page begins in the window, and how far from there its header is. */
  get pageAt(): number {
    return this.#tree.at
  }

  get headerAt(): number {
    return headerOf(this.#page)
  }

  /** Stands before the first row of the range. */
  seek({ after, through }: RowidBounds): void {
    this.#through = through
    this.#levels = []
    this.#visited = 0
    this.cell = 0
    this.cells = 0
    this.last = after
    this.#descend(this.#root, after)
    if (after === null) return
    while (this.cell < this.cells && this.#rowidOf(this.cell) <= after) this.cell += 1
  }

  /** Goes to the leaf page that has the next row; false when there is none. */
  leaf(): boolean {
    while (this.cell >= this.cells) if (!this.#nextLeaf()) return false
    this.#tree.seek(this.#page)
    return true
  }

  /** There is nothing more in the range. */
  end(): void {
    this.cells = 0
    this.#levels = []
  }

  /** Goes to the next row; false when there is none in the range. */
  next(): boolean {
    if (!this.leaf()) return false
    const start = this.#cellAt(this.cell)
    const { bytes } = this.#tree
    const payload = varint(bytes, start)
    const rowid = toRowid(varint(bytes, varintEnd))
    if (this.last !== null && rowid <= this.last) {
      throw this.#file.damaged(`the rows of page ${this.#page} are not in their order`)
    }
    this.rowid = rowid
    if (this.#through !== null && rowid > this.#through) {
      this.end()
      return false
    }
    this.last = rowid
    this.cell += 1
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
    if (inPage === length) return
    const overflow = (this.#overflow ??= new PageWindow(this.#file))
    const room = this.#file.usableBytes - 4
    let skipped = this.#local
    let done = inPage
    for (let page = this.#firstOverflow; done < length; ) {
      const begin = overflow.seek(page)
      const { bytes } = overflow
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
      this.#visited += 1
      if (this.#visited > this.#file.pages) {
        throw this.#file.damaged('a table whose tree has no end')
      }
      const below = readInterior(this.#file, this.#tree, page)
      if (below === null) {
        const { bytes, at } = this.#tree
        this.#page = page
        this.cell = 0
        this.cells = bytes.readUInt16BE(at + this.headerAt + 3)
        return
      }
      const { children, bounds } = below
      const found = after === null ? 0 : bounds.findIndex((bound) => bound > after)
      const first = found === -1 ? bounds.length : found
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
    const pointers = this.headerAt + LEAF_HEADER_BYTES
    const offset = cellAt(this.#file, this.#tree, this.#page, pointers, this.cells, cell)
    return this.#tree.at + offset
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
    const room = this.#tree.at + usableBytes - start
    this.#localAt = start
    this.partial = false
    if (size <= usableBytes - 35) {
      if (size > room) throw this.#leaves()
      this.bytes = this.#tree.bytes
      this.record = start
      return
    }
    if (size > PAYLOAD_BYTES_MAX || size > this.#file.pages * usableBytes) {
      throw this.#file.damaged(`a row of page ${this.#page} is larger than the file`)
    }
    const least = Math.floor(((usableBytes - 12) * 32) / 255) - 23
    const filled = least + ((size - least) % (usableBytes - 4))
    this.#local = filled <= usableBytes - 35 ? filled : least
    if (this.#local + 4 > room) throw this.#leaves()
    this.#firstOverflow = this.#tree.bytes.readUInt32BE(start + this.#local)
    if (size > this.#assembledBytesMax && varint(this.#tree.bytes, start) <= this.#local) {
      this.bytes = this.#tree.bytes
      this.record = start
      this.partial = true
      return
    }
    // Nine bytes more, so that a varint at the end can be read before it is known to be too long.
    if (size + 9 > this.#assembled.length) this.#assembled = Buffer.alloc(size + 9)
    this.copy(0, size, this.#assembled, 0)
    this.bytes = this.#assembled
    this.record = 0
  }

  #leaves(): unknown {
    return this.#file.damaged(`a row of page ${this.#page} goes beyond it`)
  }

  #readHeader(): void {
    const { bytes, record, types, places, payloadBytes } = this
    const headerBytes = Number(varint(bytes, record))
    const end = record + headerBytes
    let at = varintEnd
    let place = headerBytes
    let values = 0
    let usual = place <= payloadBytes && at <= end
    while (usual && at < end && values < types.length) {
      let type = bytes[at]!
      if (type < 0x80) at += 1
      else {
        type = Number(varint(bytes, at))
        at = varintEnd
      }
      types[values] = type
      places[values] = place
      usual = type <= PAYLOAD_BYTES_MAX && type !== SERIAL.none && type !== SERIAL.reserved
      place += usual ? sizeOf(type) : 0
      usual &&= place <= payloadBytes && at <= end
      values += 1
    }
    if (!usual) throw this.#file.damaged(`a row of page ${this.#page} is no record`)
    this.values = values
  }
}
