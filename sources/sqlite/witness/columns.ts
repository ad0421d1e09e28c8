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
 *     7 TEXT ','               a REAL with all its digits
 *     2, 5, 6                  a REAL, TEXT, BLOB which is the row's next extra result column
 *     l TAG LENGTH ','         a large value, to be fetched in pieces: its bytes are the payload
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
 * large (concatenation copies) or because the database is UTF-16. `pieces`: the same, but the largest are left where they are.
 */
export type Mode = 'grouped' | 'single' | 'wide' | 'pieces'

/** Values from this size on are fetched in pieces of this size. */
export const PIECE_BYTES = 8 * 1024 * 1024

export function cellSql(table: string, column: ColumnMapping, mode: Mode): CellSql {
  const c = sourceCell(table, column)
  const finished = finishedCell(column, c)
  const usual = finished?.storage ?? (takesReal(column) ? 'real' : 'text')
  // The likeliest comes first: SQLite compares the name of the class with each in turn.
  const classes = [
    usual,
    'null',
    ...(['integer', 'text', 'real', 'blob'] as const).filter((storage) => storage !== usual),
  ] as const
  const branches = classes.map((storage) => {
    const own = finished?.storage === storage && (!isWide(mode) || finished.short)
    const cell = own ? finished.cell : unfinishedCell(column, c, storage, mode)
    const inPieces = mode === 'pieces' && finished?.storage === storage && !finished.short
    return `when '${storage}' then ${inPieces ? largeCell(column, c, cell) : cell}`
  })
  const extra = isWide(mode) || (mode === 'single' && takesReal(column))
  return {
    cell: `case typeof(${c}) ${branches.join(' ')} end`,
    extra: extra ? extraSql(c, mode) : null,
  }
}

function isWide(mode: Mode): boolean {
  return mode === 'wide' || mode === 'pieces'
}

function largeCell(column: ColumnMapping, c: string, otherwise: string): string {
  const tag = canonicalType(column.type)?.tag ?? ''
  return `case when octet_length(${c}) > ${PIECE_BYTES} then 'l${tag}'||octet_length(${c})||',' else ${otherwise} end`
}

/** Bytes ?2 to ?2 + ?3 (counted from 1) of the value in the row with rowid ?1. */
export function pieceSql(table: string, column: ColumnMapping, rowid: string): string {
  const c = sourceCell(table, column)
  // A cast would hold a blob twice; a text counts characters without it.
  const bytes = column.conversion === 'bytes' ? c : `cast(${c} as blob)`
  return `select substr(${bytes}, ?2, ?3) from ${quoteIdent(table)} where ${quoteIdent(table)}.${rowid} = ?1`
}

/** The stored cell, or the expression that the plan has for it. */
export function sourceCell(table: string, column: ColumnMapping): string {
  return column.expression === undefined
    ? `${quoteIdent(table)}.${quoteIdent(column.source ?? '')}`
    : `(${column.expression})`
}

/**
 * The cell of a group as arguments of one concat(), which copies each byte once. It takes only the storage class that the
 * conversion expects: any other gives `?`, or a tag that is not the column's, and the group is read row by row.
 */
export function groupedCell(table: string, column: ColumnMapping): readonly string[] {
  const c = sourceCell(table, column)
  const finished = finishedCell(column, c)
  // Of NULL only the tag is left, because all else is NULL as well.
  const tagged = (storage: string, tag: string): string[] => [
    tag === storage.charAt(0)
      ? `substr(typeof(${c}),1,1)`
      : `iif(typeof(${c})='${storage}','${tag}',iif(${c} is null,'n','?'))`,
    `octet_length(${c})`,
    // Not `':' || c`, which would copy the value once more.
    `iif(${c} is null,'',':')`,
    c,
  ]
  const tag = finishedTag(column)
  if (finished !== null && tag !== null) return tagged(finished.storage, tag)
  if (TEXT_ONLY.includes(column.conversion)) return tagged('text', '3')
  return [cellSql(table, column, 'grouped').cell]
}

/** The tag of the texts or blobs that SQLite finishes by itself; null where it does not. */
export function finishedTag(column: ColumnMapping): string | null {
  const finished = finishedCell(column, '')
  const type = canonicalType(column.type)
  if (finished === null || finished.storage === 'integer') return null
  return finished.storage === 'blob' ? 'x' : column.conversion === 'text' ? 't' : (type?.tag ?? 'j')
}

const TEXT_ONLY: readonly string[] = [
  'date',
  'timestamp',
  'timestamptz',
  'time',
  'jsonb',
  'text',
  'json',
  'text-strip-nul',
  'text-replace-invalid',
]

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
      return isWide(mode) ? `'5'` : payload('3', c)
    case 'blob':
      return isWide(mode) ? `'6'` : payload('4', c)
  }
}

/** A TEXT arrives as its bytes: as a string, Node would replace what is not UTF-8. */
function extraSql(c: string, mode: Mode): string {
  const real = `case typeof(${c}) when 'real' then ${c}`
  if (!isWide(mode)) return `${real} end`
  const kept = mode === 'pieces' ? ` and octet_length(${c}) <= ${PIECE_BYTES}` : ''
  return `case when typeof(${c}) = 'real' then ${c} when typeof(${c}) = 'text'${kept} then cast(${c} as blob)
    when typeof(${c}) = 'blob'${kept} then ${c} end`
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
  const units = `cast(round(${c} * ${powerOf(column)}) as integer)`
  return `case when ${scaledExactly(column, c, units)} then 'e'||${units}||',' when ${shortSpelling(c)} then 'q'||${c}||',' when ${allDigits(c)} then '7'||quote(${c})||',' else '?' end`
}

/** As SQL writes it, a REAL. */
export function powerOf(column: ColumnMapping): string {
  return `1${'0'.repeat(scaleOf(column))}.0`
}

export function shortSpelling(c: string): string {
  return `abs(${c}) < 1e15 and abs(${c}) >= 1e-4 and length(${c}) <= 16 and cast(cast(${c} as text) as real) = ${c}`
}

/** quote() writes 20 digits where 15 are not enough, of which 17 name a double; far out it is asked for itself. */
export function allDigits(c: string): string {
  return `abs(${c}) between 1e-290 and 1e290`
}

/** The text of a zero does not show its sign; only the conversions that keep it need to look. */
export function scaledExactly(column: ColumnMapping, c: string, units: string): string {
  const signed = !['decimal', 'integer'].includes(column.conversion)
  const zero = signed ? ` and (${c} <> 0.0 or atan2(${c}, -1.0) > 0)` : ''
  // Without the plus, a column of texts would have the numbers compared as texts.
  return `+${c} between -1e11 and 1e11 and ${units} / ${powerOf(column)} = +${c}${zero}`
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
      return type?.tag === 'i'
        ? { storage: 'integer', cell: integerCell(type.name, c), short: true }
        : null
    case 'boolean':
      return {
        storage: 'integer',
        cell: `case ${c} when 0 then 'b1:f' when 1 then 'b1:t' else '!' end`,
        short: true,
      }
    case 'text':
      return checked || type?.name === 'bpchar' || type?.size != null
        ? null
        : { storage: 'text', cell: payload('t', c), short: false }
    case 'bytes':
      return { storage: 'blob', cell: payload('x', c), short: false }
    case 'json':
      return checked || type?.size != null
        ? null
        : { storage: 'text', cell: payload(type?.tag ?? 'j', c), short: false }
    default:
      return null
  }
}

const payload = (tag: string, c: string): string => `'${tag}'||octet_length(${c})||':'||${c}`

function integerCell(name: string, c: string): string {
  const cell = `'k'||${c}||','`
  if (name === 'int8') return cell
  const [low, high] =
    name === 'int2'
      ? [-32768, 32767]
      : name === 'int4'
        ? [-2147483648, 2147483647]
        : [0, 4294967295]
  return `case when ${c} between ${low} and ${high} then ${cell} else '!' end`
}
