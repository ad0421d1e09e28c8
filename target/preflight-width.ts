/**
 * Will the rows fit? PostgreSQL makes a table of 1,600 text columns without a word and refuses its first full row:
 * what stays in the page after everything long was moved out must fit 8 kB.
 */
import type { ColumnMapping, TableMapping } from '@sensei/core/plan'
import type { PreflightFinding } from '@sensei/core/ports/target'

/** MaxHeapTupleSize of an 8 kB page. */
const tupleBytesMax = 8_160
const tupleHeaderBytes = 24
/** A value that was moved out of the row leaves a pointer of this size. */
const pointerBytes = 18
/** One value, and the row that PostgreSQL builds before it moves anything out. */
const valueBytesMax = 1_073_741_823
const indexRowBytesMax = 2_704

const FIXED_BYTES: Readonly<Record<string, number>> = {
  boolean: 1,
  smallint: 2,
  integer: 4,
  bigint: 8,
  real: 4,
  'double precision': 8,
  date: 4,
  time: 8,
  timestamp: 8,
  timestamptz: 8,
  'timestamp with time zone': 8,
  'timestamp without time zone': 8,
  interval: 16,
  uuid: 16,
}

export function widthFindings(table: TableMapping, rowBytesMax: number): PreflightFinding[] {
  return [...rowSize(table, rowBytesMax), ...rowWidth(table), ...keyWidth(table)]
}

function rowSize(table: TableMapping, rowBytesMax: number): PreflightFinding[] {
  const limit = Math.min(rowBytesMax, valueBytesMax)
  if (table.bytes_max <= limit) return []
  const why =
    table.bytes_max > valueBytesMax
      ? 'PostgreSQL holds at most 1 GB in a row'
      : `at most ${limit} bytes are held in memory for one row`
  const message = `The longest row of "${table.target}" has ${table.bytes_max} bytes; ${why}`
  return [{ code: 'ROW_TOO_LARGE', table: table.target, message }]
}

/** Refused only when the average row would not fit either; where only the longest may not, it is advice. */
function rowWidth(table: TableMapping): PreflightFinding[] {
  const average = table.rows === 0 ? 0 : table.bytes / table.rows
  const longest = tupleBytes(table.columns, table.bytes_max)
  if (longest <= tupleBytesMax) return []
  const certain = tupleBytes(table.columns, average) > tupleBytesMax
  const message =
    `A row of "${table.target}" (${table.columns.length} columns) needs about ${longest} bytes in its page, ` +
    `PostgreSQL has ${tupleBytesMax}: leave columns out in the plan, or split the table`
  return [{ code: certain ? 'TABLE_TOO_WIDE' : null, table: table.target, message }]
}

/** What stays in the page when the values of a row together have so many bytes, spread evenly. */
function tupleBytes(columns: readonly ColumnMapping[], valueBytes: number): number {
  const variable = columns.filter((column) => fixedBytes(column) === null).length
  const fixed = columns.reduce((sum, column) => sum + (fixedBytes(column) ?? 0), 0)
  const perValue = variable === 0 ? 0 : Math.min(pointerBytes, 1 + valueBytes / variable)
  return Math.ceil(tupleHeaderBytes + columns.length / 8 + fixed + perValue * variable)
}

function fixedBytes(column: ColumnMapping): number | null {
  return FIXED_BYTES[column.type.toLowerCase().replace(/\(\d+\)/, '')] ?? null
}

function keyWidth(table: TableMapping): PreflightFinding[] {
  if (table.bytes_max <= indexRowBytesMax) return []
  const keys = [...(table.primary_key === null ? [] : [table.primary_key]), ...table.uniques]
  return keys
    .filter((key) => key.columns.some((name) => isLong(table, name)))
    .map((key) => ({
      code: null,
      table: table.target,
      message:
        `Key "${key.name}" of "${table.target}" holds text; a value of more than ${indexRowBytesMax} bytes ` +
        'cannot be in it. Such rows are listed when the key is built',
    }))
}

function isLong(table: TableMapping, name: string): boolean {
  const column = table.columns.find((candidate) => candidate.target === name)
  return column !== undefined && fixedBytes(column) === null && !column.type.startsWith('numeric')
}
