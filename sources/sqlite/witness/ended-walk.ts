/** Walks over the rows that SQLite wrote in the form of ended-columns.ts and writes them as canonical rows. */
import { CellBuffer } from '@sensei/core/canonical/cells'
import { canonicalType } from '@sensei/core/canonical/types'
import type { ColumnMapping } from '@sensei/core/plan'
import { finishedTag, scaleOf } from './columns.ts'
import { type Converter, converterOf } from './convert.ts'
import { type EndedKind, endedKind } from './ended-columns.ts'
import type { Walked } from './walk.ts'

const BUFFER_BYTES = 1024 * 1024
const [NUL, COMMA, MINUS, POINT, ZERO, COLON] = [0, 0x2c, 0x2d, 0x2e, 0x30, 0x3a] as const
const [INTEGER, TEXT, NULL] = [0x69, 0x74, 0x6e] as const
const [BOOLEAN, TRUE, FALSE, ONE] = [0x62, 0x74, 0x66, 0x31] as const
const [SCALED, SPELLED, DIGITS, WHOLE] = [0x65, 0x71, 0x37, 0x6b] as const
const [WORD_INTEGER, WORD_TEXT, WORD_NULL] = [7, 4, 4] as const
/** Fewer bytes are looked at one by one, faster than by a call. */
const FEW_BYTES = 40

export interface EndedColumn {
  readonly kind: EndedKind
  readonly converter: Converter
  readonly nullable: boolean
  readonly scale: number
  /** Of the texts or integers whose payload is what is stored; 0 without such. */
  readonly tag: number
  readonly asItIs: Converter['asItIs'] | null
  readonly boolean: boolean
}

export class EndedWalk {
  readonly #columns: readonly EndedColumn[]
  readonly #out = new CellBuffer(BUFFER_BYTES)
  #rows = 0
  #rejected = 0

  constructor(columns: readonly ColumnMapping[]) {
    this.#columns = columns.map(endedColumn)
  }

  /** Bytes that wait to be taken. */
  get waiting(): number {
    return this.#out.length
  }

  get idle(): boolean {
    return this.#rows + this.#rejected === 0
  }

  /** What is ready; valid until something is added again. */
  take(): Walked {
    const taken = { bytes: this.#out.written(), rows: this.#rows, rejected: this.#rejected }
    this.#out.length = 0
    this.#rows = 0
    this.#rejected = 0
    return taken
  }

  release(): void {
    this.#out.release()
  }

  /** Rows one behind the other, `rows` by SQLite's count. False when they have to be read in another form: nothing was added. */
  addGroup(bytes: Buffer, rows: number): boolean {
    const before = this.#out.length
    const rejected = this.#walk(bytes, rows)
    if (rejected >= 0) {
      this.#rows += rows - rejected
      this.#rejected += rejected
      return true
    }
    this.#out.length = before
    return false
  }

  /** How many rows were rejected; -1 where the bytes are not in the form. */
  #walk(bytes: Buffer, rows: number): number {
    const out = this.#out
    let rejected = 0
    let at = 0
    for (let row = 0; row < rows; row += 1) {
      const rowOut = out.length
      let unfit = false
      for (const column of this.#columns) {
        const end = cellEnd(bytes, at, column.kind)
        if (end < 0) return -1
        if (!putCell(out, column, bytes, at, end)) {
          if (column.nullable) out.null()
          else unfit = true
        }
        at = end + 1
      }
      if (unfit) {
        out.length = rowOut
        rejected += 1
      }
    }
    return at === bytes.length ? rejected : -1
  }
}

export function endedColumn(column: ColumnMapping): EndedColumn {
  const kind = endedKind(column) ?? 'text'
  const converter = converterOf(column)
  const type = canonicalType(column.type)
  const asItIs = converter.asItIs ?? null
  const whole = column.conversion === 'integer' && type?.name === 'int8'
  const tag = whole || asItIs !== null ? type?.tag : kind === 'text' ? finishedTag(column) : null
  return {
    kind,
    converter,
    nullable: column.unfit === 'null',
    scale: scaleOf(column),
    tag: tag?.charCodeAt(0) ?? 0,
    asItIs,
    boolean: column.conversion === 'boolean',
  }
}

/** Where the comma or the NUL is; -1 where the cell is of no class that this form has for the column. */
function cellEnd(bytes: Buffer, at: number, kind: EndedKind): number {
  if (kind === 'number') return numberEnd(bytes, at)
  const code = bytes[at]
  // A NUL within a word would be an end that nobody counts.
  if (code === NULL) return nulFrom(bytes, at) === at + WORD_NULL ? at + WORD_NULL : -1
  const [first, word] = kind === 'integer' ? [INTEGER, WORD_INTEGER] : [TEXT, WORD_TEXT]
  const end = code === first ? nulFrom(bytes, at) : -1
  return end < at + word ? -1 : end
}

function nulFrom(bytes: Buffer, at: number): number {
  const near = Math.min(at + FEW_BYTES, bytes.length)
  for (let place = at; place < near; place += 1) if (bytes[place] === NUL) return place
  return bytes.indexOf(NUL, near)
}

/** No byte of a number may be a NUL, or the count of the rows would prove nothing. */
function numberEnd(bytes: Buffer, at: number): number {
  let end = at + 1
  for (; bytes[end] !== COMMA; end += 1) {
    const byte = bytes[end] as number
    const ofNumber =
      (byte >= ZERO && byte <= 0x39) ||
      byte === MINUS ||
      byte === POINT ||
      byte === 0x2b ||
      byte === 0x65
    if (!ofNumber) return -1
  }
  const code = bytes[at]
  if (code === NULL) return end === at + 1 ? end : -1
  return code === SCALED || code === SPELLED || code === DIGITS || code === WHOLE ? end : -1
}

/** Writes the cell bytes[at, end); false where its value is unfit. */
export function putCell(
  out: CellBuffer,
  column: EndedColumn,
  bytes: Buffer,
  at: number,
  end: number,
): boolean {
  const code = bytes[at]
  if (code === NULL) {
    out.null()
    return true
  }
  if (column.kind === 'text') return putText(out, column, bytes, at + WORD_TEXT, end)
  if (column.kind === 'number') return putNumber(out, column, bytes, at, end)
  const from = at + WORD_INTEGER
  if (column.tag !== 0) return putAsItIs(out, column.tag, bytes, from, end)
  if (column.boolean && end === from + 1 && (bytes[from] === ZERO || bytes[from] === ONE)) {
    out.header(BOOLEAN, 1)
    out.bytes[out.length++] = bytes[from] === ONE ? TRUE : FALSE
    return true
  }
  return column.converter.integer(out, BigInt(bytes.toString('latin1', from, end)))
}

function putText(
  out: CellBuffer,
  { tag, asItIs, converter }: EndedColumn,
  bytes: Buffer,
  from: number,
  end: number,
): boolean {
  if (tag !== 0 && (asItIs === null || asItIs?.(bytes, from, end - from) === true))
    return putAsItIs(out, tag, bytes, from, end)
  return converter.text(out, bytes.subarray(from, end))
}

function putNumber(
  out: CellBuffer,
  { converter, scale }: EndedColumn,
  bytes: Buffer,
  at: number,
  end: number,
): boolean {
  const code = bytes[at]
  if (code === SCALED) {
    const units = unitsOf(bytes, at + 1, end)
    return converter.scaled?.(out, units, scale) ?? converter.real(out, units / 10 ** scale)
  }
  if (code === WHOLE) return converter.integer(out, BigInt(bytes.toString('latin1', at + 1, end)))
  const spelled =
    code === SPELLED ? converter.spelled?.(out, bytes.subarray(at + 1, end)) : undefined
  return spelled ?? converter.real(out, Number(bytes.toString('latin1', at + 1, end)))
}

/** At most 15 digits. */
function unitsOf(bytes: Buffer, from: number, end: number): number {
  const negative = bytes[from] === MINUS
  let value = 0
  for (let at = negative ? from + 1 : from; at < end; at += 1)
    value = value * 10 + (bytes[at] as number) - ZERO
  return negative ? -value : value
}

function putAsItIs(
  out: CellBuffer,
  tag: number,
  bytes: Buffer,
  from: number,
  end: number,
): boolean {
  const length = end - from
  if (length > 999) {
    out.header(tag, length)
    bytes.copy(out.bytes, out.length, from, end)
    out.length += length
    return true
  }
  out.reserve(length + 16)
  const target = out.bytes
  let place = out.length
  target[place++] = tag
  if (length > 99) target[place++] = ZERO + ((length / 100) | 0)
  if (length > 9) target[place++] = ZERO + (((length / 10) | 0) % 10)
  target[place++] = ZERO + (length % 10)
  target[place++] = COLON
  if (length > FEW_BYTES) bytes.copy(target, place, from, end)
  else for (let at = 0; at < length; at += 1) target[place + at] = bytes[from + at] as number
  out.length = place + length
  return true
}
