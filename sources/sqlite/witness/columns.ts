/**
 * The SQL by which SQLite itself writes the cells of a row, in C, so that Node only walks over bytes.
 *
 * A finished cell begins with its tag, or is `n`. What SQLite cannot finish exactly begins with something else, and the walk
 * (walk.ts) finishes it with the exact converter:
 *
 *     1 LENGTH ':' DIGITS      an INTEGER                  4 LENGTH ':' BYTES    a BLOB
 *     3 LENGTH ':' BYTES       a TEXT                      k DIGITS ','          an INTEGER that fits, for tag `i`
 *     q TEXT ','               a REAL that its 15-digit text spells
 *     e DIGITS ','             a REAL that is this integer over a power of ten (scaleOf)
 *     2, 5, 6                  a REAL, TEXT, BLOB which is the row's next extra result column
 *     !                        unfit                       ?                     not in this mode: read the rows one by one
 */
import { canonicalType } from '@sensei/core/canonical/types'
import type { ColumnMapping } from '@sensei/core/plan'
import { quoteIdent } from '@sensei/core/sql'

export interface CellSql {
  /** Text of the cell. */
  readonly cell: string
  /** The extra result column, for what the text cannot carry; null where there is none. */
  readonly extra: string | null
}

/**
 * `grouped`: many rows become one text, without extra columns. `wide`: texts and blobs come as extra columns, because they are
 * large (concatenation copies) or because the database is UTF-16.
 */
export type Mode = 'grouped' | 'single' | 'wide'

export function cellSql(table: string, column: ColumnMapping, mode: Mode): CellSql {
  const c = column.expression === undefined ? `${quoteIdent(table)}.${quoteIdent(column.source ?? '')}` : `(${column.expression})`
  const finished = finishedCell(column, c)
  const usual = finished?.storage ?? (takesReal(column) ? 'real' : 'text')
  // The likeliest comes first: SQLite compares the name of the class with each in turn.
  const classes = [usual, 'null', ...(['integer', 'text', 'real', 'blob'] as const).filter((storage) => storage !== usual)] as const
  const branches = classes.map((storage) => {
    const own = finished?.storage === storage && (mode !== 'wide' || finished.short)
    return `when '${storage}' then ${own ? finished.cell : unfinishedCell(column, c, storage, mode)}`
  })
  const extra = mode === 'wide' || (mode === 'single' && takesReal(column))
  return {
    cell: `case typeof(${c}) ${branches.join(' ')} end`,
    extra: extra ? extraSql(c, mode) : null,
  }
}

type Storage = 'null' | 'integer' | 'real' | 'text' | 'blob'

function unfinishedCell(column: ColumnMapping, c: string, storage: Storage, mode: Mode): string {
  switch (storage) {
    case 'null':
      return `'n'`
    case 'integer':
      return `'1'||length(${c})||':'||${c}`
    case 'real':
      return realCell(column, c, mode)
    case 'text':
      return mode === 'wide' ? `'5'` : payload('3', c)
    case 'blob':
      return mode === 'wide' ? `'6'` : payload('4', c)
  }
}

/** A TEXT arrives as its bytes: as a string, Node would replace what is not UTF-8. */
function extraSql(c: string, mode: Mode): string {
  const real = `case typeof(${c}) when 'real' then ${c}`
  return mode === 'wide' ? `${real} when 'text' then cast(${c} as blob) when 'blob' then ${c} end` : `${real} end`
}

function takesReal(column: ColumnMapping): boolean {
  return ['real', 'decimal', 'any-as-text', 'any-as-bytes', 'integer'].includes(column.conversion)
}

/**
 * Numbers of this size have no exponent in SQLite's text. With at most 15 digits (16 characters with the point) a text
 * that reads back as the number is the shortest one, and any parser reads it exactly; with 17 digits neither is sure.
 */
function realCell(column: ColumnMapping, c: string, mode: Mode): string {
  if (!takesReal(column)) return `'!'`
  if (mode !== 'grouped') return `'2'`
  const spelled = `abs(${c}) < 1e15 and abs(${c}) >= 1e-4 and length(${c}) <= 16 and cast(cast(${c} as text) as real) = ${c}`
  // The text of a zero does not show its sign; only the conversions that keep it need to look.
  const signed = !['decimal', 'integer'].includes(column.conversion)
  const power = `1${'0'.repeat(scaleOf(column))}.0`
  const scaled = `cast(round(${c} * ${power}) as integer)`
  const exact = `abs(${c}) < 1e11 and ${scaled} / ${power} = ${c}${signed ? ` and (${c} <> 0.0 or atan2(${c}, -1.0) > 0)` : ''}`
  return `case when ${exact} then 'e'||${scaled}||',' when ${spelled} then 'q'||${c}||',' else '?' end`
}

/**
 * Decimals after the point that a REAL is tried with first: integers are written faster than doubles. An integer below
 * 2^53 over such a power of ten is the double nearest to that decimal, and its shortest spelling is no longer one.
 */
export function scaleOf(column: ColumnMapping): number {
  const scale = canonicalType(column.type)?.scale ?? null
  return scale !== null && scale >= 0 && scale <= SCALE ? scale : SCALE
}

const SCALE = 4

interface Finished {
  readonly storage: 'integer' | 'text' | 'blob'
  readonly cell: string
  /** Never long, and ASCII: it can be concatenated in every mode. */
  readonly short: boolean
}

/** The storage class that SQLite can finish by itself, where the conversion has one. */
function finishedCell(column: ColumnMapping, c: string): Finished | null {
  const type = canonicalType(column.type)
  const checked = column.unfit === 'null'
  switch (column.conversion) {
    case 'integer':
      return type?.tag === 'i' ? { storage: 'integer', cell: integerCell(type.name, c), short: true } : null
    case 'boolean':
      return { storage: 'integer', cell: `case ${c} when 0 then 'b1:f' when 1 then 'b1:t' else '!' end`, short: true }
    case 'text':
      return checked || type?.name === 'bpchar' || type?.size != null ? null : { storage: 'text', cell: payload('t', c), short: false }
    case 'bytes':
      return { storage: 'blob', cell: payload('x', c), short: false }
    case 'json':
      return checked || type?.size != null ? null : { storage: 'text', cell: payload(type?.tag ?? 'j', c), short: false }
    default:
      return null
  }
}

const payload = (tag: string, c: string): string => `'${tag}'||octet_length(${c})||':'||${c}`

function integerCell(name: string, c: string): string {
  const cell = `'k'||${c}||','`
  if (name === 'int8') return cell
  const [low, high] = name === 'int2' ? [-32768, 32767] : name === 'int4' ? [-2147483648, 2147483647] : [0, 4294967295]
  return `case when ${c} between ${low} and ${high} then ${cell} else '!' end`
}
