/** Rows held in memory while two sides are compared: many, and some of them large. */
import { keyHash, type RowShape } from '@sensei/core/canonical/buckets'
import { CellBuffer, cellEnd, cellsEnd } from '@sensei/core/canonical/cells'
import { rowHash } from '@sensei/core/canonical/row-sums'

const ROW_BYTES_MAX = 4096
const PAYLOAD_BYTES_MAX = 512
const PREVIEW_BYTES = 200

/** What a held row counts for in memory, its entry included. */
export const HELD_BYTES = 200

export interface LocatedRow {
  readonly row: Uint8Array
  readonly keyEnd: number
  readonly bucket: number
}

/** The rows of a batch; each is valid until the next is asked for. */
export function* rowsOf(bytes: Uint8Array, shape: RowShape, bits: number): Generator<LocatedRow> {
  const mask = 2 ** bits - 1
  for (let at = 0; at < bytes.length; ) {
    const keyEnd = cellsEnd(bytes, at, shape.keyColumns)
    const end = cellsEnd(bytes, keyEnd, shape.columns - shape.keyColumns)
    const hashed = shape.keyColumns === 0 ? end : keyEnd
    yield {
      row: bytes.subarray(at, end),
      keyEnd: keyEnd - at,
      bucket: keyHash(bytes, at, hashed) & mask,
    }
    at = end
  }
}

/** A row that is kept after its batch is gone. */
export interface HeldRow {
  /**
   * The row; of a large one each long cell behind the key is replaced by its beginning, its length and its hash. Two
   * rows are equal exactly when these bytes are.
   */
  readonly bytes: Buffer
  /** Row hash of the whole row, where it is not the one of `bytes`. */
  readonly wholeDigest: Buffer | null
  readonly bucket: number
}

export function hold({ row, keyEnd, bucket }: LocatedRow): HeldRow {
  if (row.length <= ROW_BYTES_MAX) return { bytes: Buffer.from(row), wholeDigest: null, bucket }
  const out = new CellBuffer(2 * ROW_BYTES_MAX)
  out.cells(row.subarray(0, keyEnd))
  for (let at = keyEnd; at < row.length; ) {
    const end = cellEnd(row, at)
    const cell = row.subarray(at, end)
    const payload = cell.subarray(cell.indexOf(0x3a) + 1)
    if (cell.length === 1 || payload.length <= PAYLOAD_BYTES_MAX) out.cells(cell)
    else {
      const tail = `… ${payload.length} bytes, BLAKE2b-512 ${rowHash(payload).toString('hex')}`
      out.cell(
        cell[0] as number,
        Buffer.concat([payload.subarray(0, PREVIEW_BYTES), Buffer.from(tail)]),
      )
    }
    at = end
  }
  return { bytes: Buffer.from(out.written()), wholeDigest: rowHash(row), bucket }
}

export function digestOf(row: HeldRow): Buffer {
  return row.wholeDigest ?? rowHash(row.bytes)
}

/** What two rows are told to be the same by: the key, or where there is none all of it. */
export function identityOf(row: HeldRow, keyEnd: number): string {
  return (keyEnd === 0 ? row.bytes : row.bytes.subarray(0, keyEnd)).toString('latin1')
}

/** Equal rows are kept once: a table without a key may hold one row a million times. */
export interface HeldRowTimes {
  readonly row: HeldRow
  times: number
}

/** Rows by their identity; several of one key where nothing forbids it. */
export class HeldRows {
  readonly rows = new Map<string, HeldRowTimes[]>()

  add(identity: string, row: HeldRow): void {
    const same = this.rows.get(identity)
    const equal = same?.find((kept) => kept.row.bytes.equals(row.bytes))
    if (equal !== undefined) equal.times += 1
    else if (same !== undefined) same.push({ row, times: 1 })
    else this.rows.set(identity, [{ row, times: 1 }])
  }

  /** Takes out one row equal to this; false where there is none. */
  remove(identity: string, row: HeldRow): boolean {
    const same = this.rows.get(identity)
    const place = same?.findIndex((kept) => kept.row.bytes.equals(row.bytes)) ?? -1
    const equal = same?.[place]
    if (same === undefined || equal === undefined) return false
    equal.times -= 1
    if (equal.times > 0) return true
    if (same.length === 1) this.rows.delete(identity)
    else same.splice(place, 1)
    return true
  }
}
