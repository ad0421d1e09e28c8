/**
 * The full scan over the pages of the private copy: every value of a range of rows is counted as it is stored, without
 * SQL. What lies on overflow pages is read only where its bytes decide something; of a blob the length is enough.
 */
import { ROWID, type StoredColumn, type TableLayout } from '../pages/layout.ts'
import type { PageFile } from '../pages/page-file.ts'
import { integerAt, SERIAL, sizeOf, TableCursor } from '../pages/table-cursor.ts'
import { isHostile } from '../reader/page-path.ts'
import { rowidBound } from '../reader/key-space.ts'
import type { ScanRequest, ScanResult } from './scan.ts'
import {
  addBlob,
  addIntegerValue,
  addRealValue,
  addText,
  addUncheckedText,
  emptyTally,
  here,
  type Tally,
} from './tally.ts'

const ROWS_A_TURN = 4_096

/** Thrown at an old record whose column has a default, which only SQLite can work out. */
const ABSENT = Symbol('absent')

/** Null where SQLite has to be asked: for a table with old records whose new columns have defaults. */
export function* scanPages(
  file: PageFile,
  layout: TableLayout,
  request: ScanRequest,
): Generator<number, ScanResult | null> {
  const tallies = request.columns.map(({ jsonb }) => emptyTally(jsonb))
  const cursor = new TableCursor(file, layout.root, layout.values, { assembledBytesMax: 0 })
  const { after, through } = request.range
  cursor.seek({ after: rowidBound(after), through: rowidBound(through) })
  let rows = 0
  let bytesMax = 0
  let bytesTotal = 0
  here.range = request.number
  try {
    while (cursor.next()) {
      here.ordinal = rows
      let size = 0
      for (let index = 0; index < tallies.length; index += 1) {
        size += addValue(cursor, layout.columns[index]!, tallies[index]!)
      }
      rows += 1
      bytesTotal += size
      if (size > bytesMax) bytesMax = size
      if (rows % ROWS_A_TURN !== 0) continue
      yield rows
      here.range = request.number
    }
  } catch (error) {
    if (error !== ABSENT) throw error
    return null
  }
  return { tallies, rows, bytesMax, bytesTotal }
}

const small = Buffer.alloc(8)

/** Returns the bytes that the value counts for. */
function addValue(cursor: TableCursor, column: StoredColumn, tally: Tally): number {
  const { place } = column
  if (place === ROWID) return addIntegerValue(tally, cursor.rowid)
  if (place >= cursor.values && !column.nullWhereAbsent) throw ABSENT
  const type = place >= cursor.values ? SERIAL.null : cursor.types[place]!
  if (type === SERIAL.null) {
    tally.null += 1
    return 0
  }
  const size = sizeOf(type)
  if (type >= SERIAL.blob && type % 2 === 0) return addBlob(tally, size)
  let { bytes } = cursor
  let at = cursor.record + cursor.places[place]!
  if (cursor.partial) {
    bytes = size <= small.length ? small : Buffer.allocUnsafeSlow(size)
    at = 0
    cursor.copy(cursor.places[place]!, size, bytes, 0)
  }
  if (type >= SERIAL.text) {
    const end = at + size
    if (!isHostile(bytes, at, end)) return addText(tally, bytes, at, end)
    return addUncheckedText(tally, bytes.subarray(at, end), true)
  }
  if (type !== SERIAL.real) {
    const value = integerAt(bytes, at, type)
    return column.real ? addRealValue(tally, Number(value)) : addIntegerValue(tally, value)
  }
  const value = bytes.readDoubleBE(at)
  if (!Number.isNaN(value)) return addRealValue(tally, value)
  // SQLite reads it as NULL.
  tally.null += 1
  return 0
}
