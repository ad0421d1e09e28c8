/** Views and queries run on both sides, their rows compared: as a multiset unless the query orders. */
import { type Cell, parseRow } from '@sensei/core/canonical/cells'
import { isSenseiError } from '@sensei/core/errors'
import type { QueryLimits, QueryResult, Witness } from '@sensei/core/ports/witness'
import { quoteIdent, quoteQualified } from '@sensei/core/sql'
import type { ViewMapping } from '@sensei/core/plan'
import type { QueryVerification, TableVerification } from '@sensei/core/verdict'

export const QUERY_LIMITS: QueryLimits = { timeoutMs: 30_000, rowsMax: 200_000 }

export const CUT = `more than ${QUERY_LIMITS.rowsMax} rows`

/**
 * Sums of floats depend on the order in which an engine adds; such a number is compared to this precision, relative to
 * the largest number of its column: what cancels out to 0 in one engine may leave the last digits of its parts in the other.
 */
const FLOAT_PRECISION = 1e-9

export interface QueryToRun {
  readonly name: string
  readonly source: string
  readonly target: string
}

/** A view; one with too many rows to hold is at least counted. */
export interface ViewToRun extends QueryToRun {
  readonly counted: Omit<QueryToRun, 'name'>
}

export function queryOfView(schema: string, view: ViewMapping): ViewToRun {
  const [source, target] = [quoteIdent(view.source), quoteQualified(schema, view.target)]
  return {
    name: view.target,
    source: `select * from ${source}`,
    target: `select * from ${target}`,
    counted: { source: `select count(*) from ${source}`, target: `select count(*) from ${target}` },
  }
}

/**
 * Null for a view of which both sides have equally many rows, but too many to compare: its tables were compared row by
 * row, and it is named as not checked.
 */
export async function compareView(
  source: Witness,
  target: Witness,
  view: ViewToRun,
): Promise<QueryVerification | null> {
  const compared = await compareQuery(source, target, view)
  if (compared.reason !== CUT) return compared
  const counts = await compareQuery(source, target, { name: view.name, ...view.counted })
  if (counts.equal === null) return { ...compared, reason: counts.reason }
  return counts.equal ? null : { ...compared, equal: false, reason: null }
}

export async function compareQuery(
  source: Witness,
  target: Witness,
  query: QueryToRun,
): Promise<QueryVerification> {
  const ordered = isOrdered(query.source) && isOrdered(query.target)
  const base = { name: query.name, ordered, rowsSource: 0, rowsTarget: 0 }
  const left = await attempt(() => source.query(query.source, QUERY_LIMITS))
  const right = await attempt(() => target.query(query.target, QUERY_LIMITS))
  if (typeof left === 'string') return { ...base, equal: null, reason: left }
  if (typeof right === 'string') return { ...base, equal: null, reason: right }
  const counts = { ...base, rowsSource: left.rows.length, rowsTarget: right.rows.length }
  if (left.cut || right.cut) return { ...counts, equal: null, reason: CUT }
  return { ...counts, equal: sameRows(left, right, ordered), reason: null }
}

/**
 * The queries that a person asked for. No plan knows what they read: once rows were rejected, and found to be just those,
 * a query that gives other rows is undecided.
 */
export async function compareQueries(
  { source, target }: { readonly source: Witness; readonly target: Witness },
  queries: readonly QueryToRun[],
  tables: readonly TableVerification[],
): Promise<QueryVerification[]> {
  const short = tables.filter(({ rowsRejected }) => rowsRejected > 0).map((table) => table.target)
  const compared: QueryVerification[] = []
  for (const query of queries) {
    const found = await compareQuery(source, target, query)
    const undecided = found.equal === false && short.length > 0
    compared.push(undecided ? { ...found, equal: null, reason: mayReadLess(short) } : found)
  }
  return compared
}

function mayReadLess(tables: readonly string[]): string {
  return `it gives other rows, and it may read ${tables.join(', ')}, of which rows were rejected`
}

async function attempt(run: () => Promise<QueryResult>): Promise<QueryResult | string> {
  try {
    return await run()
  } catch (error) {
    if (isSenseiError(error)) return error.message
    throw error
  }
}

/** An ORDER BY of the query itself, not of something inside brackets, quotes or comments. */
export function isOrdered(sql: string): boolean {
  const bare = sql.replace(/--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"/g, ' ')
  let depth = 0
  let outside = ''
  for (const char of bare) {
    if (char === ')') depth -= 1
    if (depth === 0) outside += char
    if (char === '(') depth += 1
  }
  return /\border\s+by\b/i.test(outside)
}

type Row = readonly (Cell | null)[]

function sameRows(left: QueryResult, right: QueryResult, ordered: boolean): boolean {
  if (left.rows.length !== right.rows.length || left.columns.length !== right.columns.length)
    return false
  const [one, other] = [left.rows.map(parseRow), right.rows.map(parseRow)]
  if (!ordered) {
    one.sort(compareRows)
    other.sort(compareRows)
  }
  const slack = left.columns.map(
    (_, column) => FLOAT_PRECISION * largest([...one, ...other], column),
  )
  return one.every((row, place) =>
    row.every((cell, column) => sameCell(cell, other[place]?.[column] ?? null, slack[column] ?? 0)),
  )
}

function largest(rows: readonly Row[], column: number): number {
  let found = 0
  for (const row of rows) {
    const cell = row[column]
    const size = cell != null && isNumber(cell) ? Math.abs(numberOf(cell)) : 0
    if (Number.isFinite(size) && size > found) found = size
  }
  return found
}

function sameCell(left: Cell | null, right: Cell | null, slack: number): boolean {
  if (left === null || right === null) return left === right
  if (!isNumber(left) || !isNumber(right))
    return left.tag === right.tag && Buffer.compare(left.payload, right.payload) === 0
  if (left.tag === 'd' && right.tag === 'd') return textOf(left) === textOf(right)
  const [one, other] = [numberOf(left), numberOf(right)]
  return (
    one === other || (Number.isNaN(one) && Number.isNaN(other)) || Math.abs(one - other) <= slack
  )
}

/** Everything but floats first: their last digits must not decide which rows are compared with each other. */
function compareRows(left: Row, right: Row): number {
  for (const exact of [true, false]) {
    for (let column = 0; column < left.length; column += 1) {
      const order = compareCells(left[column] ?? null, right[column] ?? null, exact)
      if (order !== 0) return order
    }
  }
  return 0
}

function compareCells(left: Cell | null, right: Cell | null, exact: boolean): number {
  if (left === null || right === null) return Number(left === null) - Number(right === null)
  if (isNumber(left) && isNumber(right)) return exact ? 0 : numberOf(left) - numberOf(right)
  return exact ? Buffer.compare(left.payload, right.payload) : 0
}

const isNumber = (cell: Cell): boolean => cell.tag === 'd' || cell.tag === 'f'
const textOf = (cell: Cell): string => Buffer.from(cell.payload).toString('latin1')

function numberOf(cell: Cell): number {
  return cell.tag === 'd' ? Number(textOf(cell)) : Buffer.from(textOf(cell), 'hex').readDoubleBE()
}
