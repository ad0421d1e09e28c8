/** Walks over the cells that SQLite wrote (columns.ts), finishes the unfinished ones and leaves out the rejected rows. */
import { CellBuffer, cellEnd, freeMemory } from '@sensei/core/canonical/cells'
import { SenseiError } from '@sensei/core/errors'
import type { ColumnMapping } from '@sensei/core/plan'
import { scaleOf } from './columns.ts'
import { finishedTag } from './columns.ts'
import { type Converter, converterOf } from './convert.ts'
import { type Utf16, utf16Of, utf8OfUtf16 } from './utf.ts'

const BUFFER_BYTES = 1024 * 1024
const COLON = 0x3a
const COMMA = 0x2c
const MINUS = 0x2d
const ZERO = 0x30
const WHOLE = 'i'.charCodeAt(0)
const CODES = {
  null: 0x6e,
  unfit: 0x21,
  notHere: 0x3f,
  spelled: 0x71,
  scaled: 0x65,
  whole: 0x6b,
  large: 0x6c,
  integer: 0x31,
  real: 0x32,
  text: 0x33,
  blob: 0x34,
  extraText: 0x35,
  extraBlob: 0x36,
  digits: 0x37,
} as const

export type ExtraValue = bigint | number | Uint8Array | null

/** A part of a large value of the row that is walked over: of the n-th column, from a byte on (counted from 0). */
export type Fetch = (column: number, from: number) => Uint8Array

const NOTHING_LARGE: Fetch = () => {
  throw new SenseiError('INTERNAL', 'this way of reading has no large values')
}

interface WalkedColumn {
  readonly converter: Converter
  readonly nullable: boolean
  /** The one tag of its finished cells; 0 where there may be several. */
  readonly tag: number
  /** Place of its extra value, -1 where it has none. */
  readonly extra: number
  readonly scale: number
  readonly place: number
}

export interface Walked {
  readonly bytes: Uint8Array
  readonly rows: number
  readonly rejected: number
}

export class Walk {
  readonly #columns: readonly WalkedColumn[]
  /** null in a UTF-8 database. */
  readonly #utf16: Utf16 | null
  readonly #out = new CellBuffer(BUFFER_BYTES)
  /** A group in which nothing was left to do is handed on as it is. */
  #whole: Uint8Array | null = null
  #rows = 0
  #rejected = 0

  /** `extras`: for each column whether it has an extra value. */
  constructor(columns: readonly ColumnMapping[], extras: readonly boolean[], encoding: string) {
    let next = 0
    this.#columns = columns.map((column, place) => ({
      converter: converterOf(column),
      nullable: column.unfit === 'null',
      tag: finishedTag(column)?.charCodeAt(0) ?? 0,
      extra: extras[place] === true ? next++ : -1,
      scale: scaleOf(column),
      place,
    }))
    this.#utf16 = utf16Of(encoding)
  }

  /** Bytes that wait to be taken. */
  get waiting(): number {
    return this.#whole?.length ?? this.#out.length
  }

  get idle(): boolean {
    return this.#rows + this.#rejected === 0
  }

  /** What is ready; valid until something is added again. */
  take(): Walked {
    const taken = {
      bytes: this.#whole ?? this.#out.written(),
      rows: this.#rows,
      rejected: this.#rejected,
    }
    // A buffer that a large row made grow is kept: the next one needs it again, and a dropped one is not freed at once.
    this.#out.length = 0
    this.#whole = null
    this.#rows = 0
    this.#rejected = 0
    return taken
  }

  release(): void {
    this.#out.release()
  }

  /** Rows one behind the other. False when one of them has to be read by itself: then nothing was added. */
  addGroup(bytes: Buffer): boolean {
    if (bytes.length === 0) return true
    this.#keepWhole()
    const before = { length: this.#out.length, rows: this.#rows, rejected: this.#rejected }
    if (this.#walk(bytes, [], NOTHING_LARGE)) return true
    this.#out.length = before.length
    this.#rows = before.rows
    this.#rejected = before.rejected
    return false
  }

  /** One row with the values of the extra result columns. */
  addRow(bytes: Buffer, extras: readonly ExtraValue[], fetch: Fetch = NOTHING_LARGE): void {
    this.#keepWhole()
    this.#walk(bytes, extras, fetch)
  }

  /** More is coming: what was to be handed on as it is goes before it. */
  #keepWhole(): void {
    if (this.#whole === null) return
    this.#out.cells(this.#whole)
    this.#whole = null
  }

  #walk(bytes: Buffer, extras: readonly ExtraValue[], fetch: Fetch): boolean {
    const out = this.#out
    /** Finished cells from here on are not copied yet. */
    let span = 0
    for (let at = 0; at < bytes.length; ) {
      const rowAt = at
      let rowOut = -1
      let rejected = false
      for (const column of this.#columns) {
        const code = bytes[at] as number
        if (code === CODES.notHere) return false
        if (
          code >= 0x40 &&
          code !== CODES.whole &&
          code !== CODES.scaled &&
          code !== CODES.spelled &&
          code !== CODES.large
        ) {
          if (column.tag !== 0 && code !== column.tag && code !== CODES.null) return false
          at = code === CODES.null ? at + 1 : cellEnd(bytes, at)
          continue
        }
        if (rowOut < 0) {
          out.cells(bytes, span, rowAt)
          rowOut = out.length
          span = rowAt
        }
        out.cells(bytes, span, at)
        const end = unfinishedEnd(bytes, at, code)
        let fit = true
        if (code === CODES.whole) putWhole(out, bytes, at + 1, end - 1)
        else if (code === CODES.large)
          putLarge(out, bytes.subarray(at, end), (from) => fetch(column.place, from))
        else fit = this.#finish(column, bytes.subarray(at, end), extras[column.extra])
        if (!fit) {
          if (column.nullable) out.null()
          else rejected = true
        }
        at = end
        span = end
      }
      if (rejected) {
        out.length = rowOut
        span = at
        this.#rejected += 1
      } else this.#rows += 1
    }
    if (span === 0 && out.length === 0) this.#whole = bytes
    else out.cells(bytes, span)
    return true
  }

  #finish(
    { converter, scale }: WalkedColumn,
    cell: Buffer,
    extra: ExtraValue | undefined,
  ): boolean {
    const payload = (): Buffer => cell.subarray(cell.indexOf(COLON) + 1)
    const out = this.#out
    switch (cell[0]) {
      case CODES.spelled:
        return (
          converter.spelled?.(out, cell.subarray(1, -1)) ??
          converter.real(out, Number(cell.toString('latin1', 1, cell.length - 1)))
        )
      case CODES.scaled:
        return (
          converter.scaled?.(out, wholeOf(cell), scale) ??
          converter.real(out, wholeOf(cell) / 10 ** scale)
        )
      case CODES.digits:
        return converter.real(out, Number(cell.toString('latin1', 1, cell.length - 1)))
      case CODES.integer:
        return converter.integer(out, BigInt(payload().toString('latin1')))
      case CODES.real:
        return converter.real(out, extra as number)
      case CODES.text:
        return converter.text(out, payload())
      case CODES.blob:
        return converter.blob(out, payload())
      case CODES.extraText:
        return converter.text(out, this.#utf8(extra as Uint8Array, converter))
      case CODES.extraBlob:
        return converter.blob(out, extra as Uint8Array)
      default:
        return false
    }
  }

  #utf8(bytes: Uint8Array, { replaces = false }: Converter): Uint8Array {
    return this.#utf16 === null ? bytes : utf8OfUtf16(bytes, this.#utf16, replaces)
  }
}

function putWhole(out: CellBuffer, bytes: Buffer, from: number, to: number): void {
  out.header(WHOLE, to - from)
  for (let at = from; at < to; at += 1) out.bytes[out.length++] = bytes[at] as number
}

/** `lx67108864,`: neither Node nor SQLite ever holds a second copy of the value. */
function putLarge(out: CellBuffer, cell: Buffer, fetch: (from: number) => Uint8Array): void {
  const length = Number(cell.toString('latin1', 2, cell.length - 1))
  out.header(cell[1] as number, length)
  for (let from = 0; from < length; ) {
    const part = fetch(from)
    if (part.length === 0)
      throw new SenseiError('SNAPSHOT_LOST', 'a value of the source ended before its length')
    out.cells(part)
    from += part.length
    freeMemory(part)
  }
}

/** `e-1250,`: at most 15 digits. */
function wholeOf(cell: Buffer): number {
  const negative = cell[1] === MINUS
  let value = 0
  for (let at = negative ? 2 : 1; at < cell.length - 1; at += 1)
    value = value * 10 + (cell[at] as number) - ZERO
  return negative ? -value : value
}

function unfinishedEnd(bytes: Buffer, at: number, code: number): number {
  if (
    code === CODES.whole ||
    code === CODES.scaled ||
    code === CODES.spelled ||
    code === CODES.digits ||
    code === CODES.large
  ) {
    let end = at + 1
    while (bytes[end] !== COMMA) end += 1
    return end + 1
  }
  const inline = code === CODES.integer || code === CODES.text || code === CODES.blob
  return inline ? cellEnd(bytes, at) : at + 1
}
