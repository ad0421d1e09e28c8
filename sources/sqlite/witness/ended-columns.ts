/**
 * The cheapest SQL by which SQLite writes a row: the name of each cell's storage class, the value as text, and a NUL behind it.
 *
 *     integer DIGITS NUL     text BYTES NUL     null NUL
 *     n ','                  a NULL in a column of numbers
 *     e DIGITS ','           a number that is this integer over a power of ten (scaleOf)
 *     q TEXT ','             a REAL that its 15-digit text spells
 *     7 TEXT ','             a REAL with all its digits
 *     k DIGITS ','           an INTEGER
 *     ?                      not in this form: read the rows by another one
 *
 * A text may hold a NUL itself. No other cell does, so a group whose walk ends with its last byte after as many rows as SQLite
 * counted holds none: each NUL more would be an end more (ended-walk.ts).
 */
import type { ColumnMapping } from '@sensei/core/plan'
import { canonicalType } from '@sensei/core/canonical/types'
import { allDigits, powerOf, scaledExactly, shortSpelling, sourceCell } from './columns.ts'

export type EndedKind = 'integer' | 'text' | 'number'

/** How a column is written in this form; null where its usual values have no place in it. */
export function endedKind(column: ColumnMapping): EndedKind | null {
  switch (column.conversion) {
    case 'integer':
    case 'boolean':
      return 'integer'
    case 'real':
    case 'decimal':
      return 'number'
    case 'bytes':
    case 'any-as-text':
    case 'any-as-bytes':
      return null
    default:
      return canonicalType(column.type) === null ? null : 'text'
  }
}

/** The cell as arguments of one concat(). */
export function endedCell(table: string, column: ColumnMapping): readonly string[] {
  const c = sourceCell(table, column)
  return endedKind(column) === 'number' ? [numberCell(column, c)] : [`typeof(${c})`, c, `x'00'`]
}

/**
 * The first branch is taken without asking for the class: there INTEGER 5 and REAL 5.0 are the same value, and any other class
 * is in no range. Half of a unit and a cast cost less than round(); what they miss, the division finds.
 */
function numberCell(column: ColumnMapping, c: string): string {
  const units = `cast(${c} * ${powerOf(column)} + iif(${c} < 0, -0.5, 0.5) as integer)`
  const real = `case when ${shortSpelling(c)} then 'q'||${c}||',' when ${allDigits(c)} then '7'||quote(${c})||',' else '?' end`
  return `case when ${scaledExactly(column, c, units)} then 'e'||${units}||',' when ${c} is null then 'n,' else
    case typeof(${c}) when 'real' then ${real} when 'integer' then 'k'||${c}||',' else '?' end end`
}
