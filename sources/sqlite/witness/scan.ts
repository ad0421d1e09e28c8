/**
 * Reads a table of the snapshot as canonical rows. Where the rows have a rowid and nothing stands in the way, SQLite joins a
 * thousand of them into one blob; a group that holds something only Node can convert exactly is read again row by row.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { freeMemory } from '@sensei/core/canonical/cells'
import type { Json } from '@sensei/core/json'
import { type ColumnMapping, comparedColumns, type TableMapping } from '@sensei/core/plan'
import type { CanonicalBatch } from '@sensei/core/ports/witness'
import { quoteIdent } from '@sensei/core/sql'
import { type CellSql, cellSql, groupedCell, type Mode, PIECE_BYTES, pieceSql } from './columns.ts'
import { endedCell, endedKind } from './ended-columns.ts'
import { EndedWalk } from './ended-walk.ts'
import { KernelWalk } from './kernel-walk.ts'
import { type Bounds, Groups } from './groups.ts'
import type { RowidAlias } from './split.ts'
import { concatenation, rowidOf } from './sql.ts'
import { type ExtraValue, Walk } from './walk.ts'

const BATCH_BYTES = 512 * 1024
/** For fewer rows the statements of a group cost more than they save. */
const GROUPED_ROWS_MIN = 200
/** Values from this size on are not concatenated. */
const LARGE_BYTES = 1024 * 1024
/** After so many groups in a row that had to be read again, grouping is given up for the range. */
const FRUITLESS_GROUPS_MAX = 3

const KERNEL_ROW_BYTES_MAX = 4096
const KERNEL_COLUMNS_MAX = 2048

/** Both ends included, as text: they may exceed 2^53. */
export interface RowidRange {
  readonly from: string
  readonly to: string
}

const EVERYTHING: RowidRange = { from: String(-(2n ** 63n)), to: String(2n ** 63n - 1n) }

export interface ScanParts {
  readonly database: DatabaseSync
  readonly encoding: string
  readonly table: TableMapping
  /** A name under which this table's rowid can be read; null without one. */
  readonly rowid: RowidAlias | null
  readonly range: Json
}

export async function* scanTable(parts: ScanParts): AsyncGenerator<CanonicalBatch> {
  const range = parts.range as RowidRange | null
  const wide = parts.encoding !== 'UTF-8' || parts.table.bytes_max > LARGE_BYTES
  const few = range === null && parts.table.rows < GROUPED_ROWS_MIN
  if (parts.rowid === null || few || wide) {
    const pieces = parts.encoding === 'UTF-8' && parts.rowid !== null
    yield* readRows(parts, range, !wide ? 'single' : pieces ? 'pieces' : 'wide')
  } else {
    const bounds = range ?? EVERYTHING
    yield* readGroups(parts, { from: BigInt(bounds.from), to: BigInt(bounds.to) })
  }
}

/** The forms in which SQLite writes a group, the cheapest first. A group that is not in one of them is read by the next. */
async function* readGroups(
  parts: ScanParts,
  range: Bounds,
  form: GroupForm = endedForm(parts) ?? framedForm(parts),
): AsyncGenerator<CanonicalBatch> {
  try {
    yield* groupsIn(parts, range, form)
  } finally {
    form.walk.release()
  }
}

async function* groupsIn(
  parts: ScanParts,
  range: Bounds,
  form: GroupForm,
): AsyncGenerator<CanonicalBatch> {
  const groups = new Groups(parts, form.cells, range)
  let fruitless = 0
  let before: Uint8Array | null = null
  for (let group = groups.next(); group !== null; group = groups.next()) {
    if (form.walk.addGroup(asBuffer(group.bytes), group.rows)) {
      fruitless = 0
      // It is copied, or was taken: only the newest group may be handed on as it is.
      if (before !== null) freeMemory(before)
      before = group.bytes
      if (form.walk.waiting >= BATCH_BYTES) yield form.walk.take()
      continue
    }
    if (!form.walk.idle) yield form.walk.take()
    fruitless += 1
    const to = fruitless > FRUITLESS_GROUPS_MAX ? range.to : group.to
    const rest = { from: group.from, to }
    if (form.next === null) yield* readRows(parts, asRange(rest), 'single')
    else yield* readGroups(parts, rest, form.next())
    if (to === range.to) return
  }
  if (!form.walk.idle) yield form.walk.take()
}

interface GroupForm {
  readonly cells: readonly string[]
  readonly walk: {
    readonly waiting: number
    readonly idle: boolean
    addGroup(bytes: Buffer, rows: number): boolean
    take(): CanonicalBatch
    release(): void
  }
  /** null: what is not in this form is read row by row. */
  readonly next: (() => GroupForm) | null
}

function framedForm(parts: ScanParts): GroupForm {
  const columns = comparedColumns(parts.table)
  return {
    cells: columns.flatMap((column) => groupedCell(parts.table.source, column)),
    walk: new Walk(columns, [], parts.encoding),
    next: null,
  }
}

/** Null where the table has a column that this form cannot hold. */
function endedForm(parts: ScanParts): GroupForm | null {
  const columns = comparedColumns(parts.table)
  if (columns.some((column) => endedKind(column) === null)) return null
  return {
    cells: columns.flatMap((column) => endedCell(parts.table.source, column)),
    walk: isSmall(parts.table) ? new KernelWalk(columns) : new EndedWalk(columns),
    next: () => framedForm(parts),
  }
}

/** Of larger rows most bytes are only copied, which no kernel does faster. */
function isSmall({ rows, bytes, columns }: TableMapping): boolean {
  return bytes <= KERNEL_ROW_BYTES_MAX * rows && columns.length <= KERNEL_COLUMNS_MAX
}

async function* readRows(
  parts: ScanParts,
  range: RowidRange | null,
  mode: Mode,
): AsyncGenerator<CanonicalBatch> {
  const columns = comparedColumns(parts.table)
  const cells = columns.map((column) => cellSql(parts.table.source, column, mode))
  const walk = new Walk(
    columns,
    cells.map(({ extra }) => extra !== null),
    parts.encoding,
  )
  const statement = parts.database.prepare(
    rowSql(parts, cells, { bounded: range !== null, rowid: mode === 'pieces' }),
  )
  statement.setReturnArrays(true)
  statement.setReadBigInts(true)
  const bounds = range === null ? [] : [BigInt(range.from), BigInt(range.to)]
  const fetch = mode === 'pieces' ? new Pieces(parts) : null
  try {
    for (const row of statement.iterate(...bounds) as unknown as Iterable<
      [string | Uint8Array, ...ExtraValue[]]
    >) {
      const [text, ...extras] = row
      const bytes = typeof text === 'string' ? Buffer.from(text, 'latin1') : asBuffer(text)
      if (fetch === null) walk.addRow(bytes, extras)
      else
        walk.addRow(bytes, extras, (column, from) =>
          fetch.read(column, extras.at(-1) as bigint, from),
        )
      if (walk.waiting >= BATCH_BYTES) yield walk.take()
    }
    if (!walk.idle) yield walk.take()
  } finally {
    walk.release()
  }
}

/** Reads large values of one row after the other in pieces, with a statement for each column. */
class Pieces {
  readonly #parts: ScanParts
  readonly #statements = new Map<number, StatementSync>()

  constructor(parts: ScanParts) {
    this.#parts = parts
  }

  read(column: number, rowid: bigint, from: number): Uint8Array {
    const { database, table } = this.#parts
    const statement =
      this.#statements.get(column) ??
      database.prepare(
        pieceSql(
          table.source,
          comparedColumns(table)[column] as ColumnMapping,
          this.#parts.rowid ?? '',
        ),
      )
    this.#statements.set(column, statement)
    statement.setReturnArrays(true)
    const [part] = statement.get(rowid, from + 1, PIECE_BYTES) as unknown as [Uint8Array]
    return part
  }
}

/** In a UTF-16 database the text stays a text (all ASCII there): as a blob it would be UTF-16. */
function rowSql(
  parts: ScanParts,
  cells: readonly CellSql[],
  { bounded, rowid }: { bounded: boolean; rowid: boolean },
): string {
  const text = concatenation(cells.map(({ cell }) => cell))
  const list = [
    parts.encoding === 'UTF-8' ? `cast(${text} as blob)` : text,
    ...cells.flatMap(({ extra }) => (extra === null ? [] : [extra])),
    ...(rowid ? [rowidOf(parts.table, parts.rowid)] : []),
  ]
  const where = bounded ? ` where ${rowidOf(parts.table, parts.rowid)} between ?1 and ?2` : ''
  return `select ${list.join(', ')} from ${quoteIdent(parts.table.source)}${where}`
}

function asRange({ from, to }: Bounds): RowidRange {
  return { from: String(from), to: String(to) }
}

function asBuffer(bytes: Uint8Array | null): Buffer {
  return bytes === null
    ? Buffer.alloc(0)
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
