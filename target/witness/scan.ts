/** Reads a table through COPY … TO STDOUT (FORMAT binary), in ranges of its blocks. */
import type { Tag } from '@sensei/core/canonical/types'
import { SenseiError } from '@sensei/core/errors'
import type { Json } from '@sensei/core/json'
import { comparedColumns, type TableMapping } from '@sensei/core/plan'
import type { CanonicalBatch } from '@sensei/core/ports/witness'
import { quoteIdent, quoteLiteral, quoteQualified } from '@sensei/core/sql'
import type { Client } from 'pg'
import type { CatalogueColumn, CatalogueTable } from './catalogue.ts'
import { CopyOut } from './copy-out.ts'
import { decoderOf } from './decoders.ts'
import { kernelTuples, type KernelTuples, kindOf } from './kernel-tuples.ts'
import { lossOf } from './lost.ts'
import { type FieldPlan, TupleDecoder } from './tuples.ts'

/** Block numbers, `to` exclusive; null without a bound. */
interface BlockRange {
  readonly from: number
  readonly to: number | null
}

/** Places of single rows, as PostgreSQL spells a ctid. */
export interface RowPlaces {
  readonly places: readonly string[]
}

/** Fewer blocks are not worth a thread of their own. */
const BLOCKS_PER_RANGE_MIN = 256

export function splitBlocks(table: CatalogueTable, parts: number): Json[] {
  const count = Math.max(1, Math.min(parts, Math.floor(table.blocks / BLOCKS_PER_RANGE_MIN)))
  if (count === 1) return [null]
  return Array.from({ length: count }, (_, part) => ({
    from: Math.floor((part * table.blocks) / count),
    // The last range is open: nothing that the snapshot sees can hide behind a bound taken earlier.
    to: part === count - 1 ? null : Math.floor(((part + 1) * table.blocks) / count),
  }))
}

export interface ScanParts {
  readonly client: Client
  readonly schema: string
  readonly catalogue: CatalogueTable
  readonly table: TableMapping
  readonly range: Json
}

export async function* scanTable(parts: ScanParts): AsyncGenerator<CanonicalBatch> {
  const columns = comparedColumns(parts.table).map((column) =>
    catalogued(parts.catalogue, column.target),
  )
  const decoder = decoderOfRows(parts.table, columns)
  const sql = `copy (${selectOf(parts, columns)}) to stdout (format binary)`
  const copy = parts.client.query(new CopyOut(sql))
  try {
    for await (const chunk of copy.chunks()) {
      for (let at = 0; at < chunk.length; ) {
        at = decoder.push(chunk, at)
        while (decoder.full) {
          yield { ...decoder.batch(), rejected: 0 }
          decoder.taken()
        }
      }
    }
    if (!decoder.ended)
      throw new SenseiError('TARGET_UNREACHABLE', 'the target stopped in the middle of a table')
    while (decoder.rows > 0) {
      yield { ...decoder.batch(), rejected: 0 }
      decoder.taken()
    }
  } catch (error) {
    throw lossOf(error)
  } finally {
    decoder.release()
  }
}

/** Of larger rows most bytes are only copied, which no kernel does faster. */
const KERNEL_ROW_BYTES_MAX = 4096
const KERNEL_VALUE_BYTES_MAX = 64 * 1024

function decoderOfRows(
  table: TableMapping,
  columns: readonly CatalogueColumn[],
): TupleDecoder | KernelTuples {
  const fields = columns.map(fieldPlan)
  const large =
    table.bytes > KERNEL_ROW_BYTES_MAX * table.rows || table.bytes_max > KERNEL_VALUE_BYTES_MAX
  const kinds = columns.map(({ tag, baseName }) => kindOf(tag, baseName))
  return (large ? null : kernelTuples(fields, kinds)) ?? new TupleDecoder(fields)
}

/** The columns whose values arrive as the text that PostgreSQL gives them. */
function needsText(column: CatalogueColumn): boolean {
  return column.tag === 'p' || column.baseName === 'char'
}

function selectOf(
  { schema, catalogue, range }: ScanParts,
  columns: readonly CatalogueColumn[],
): string {
  const list = columns.map((column) => {
    const name = quoteIdent(column.name)
    if (needsText(column)) return `${name}::text`
    return column.baseName === 'oid' ? `${name}::int8` : name
  })
  const only = catalogue.kind === 'r' ? 'only ' : ''
  return `select ${list.join(', ')} from ${only}${quoteQualified(schema, catalogue.name)}${where(range as BlockRange | RowPlaces | null)}`
}

function where(range: BlockRange | RowPlaces | null): string {
  if (range === null) return ''
  if ('places' in range) {
    const places = range.places.map((place) => `${quoteLiteral(place)}::pg_catalog.tid`)
    return ` where ctid = any(array[${places.join(', ')}]::pg_catalog.tid[])`
  }
  const lower = `ctid >= '(${range.from},0)'::pg_catalog.tid`
  return range.to === null
    ? ` where ${lower}`
    : ` where ${lower} and ctid < '(${range.to},0)'::pg_catalog.tid`
}

export function catalogued(catalogue: CatalogueTable, name: string): CatalogueColumn {
  const column = catalogue.columns.find((candidate) => candidate.name === name)
  if (column !== undefined) return column
  throw new SenseiError(
    'TARGET_COLUMNS_DIFFER',
    `table "${catalogue.name}" of the target has no column "${name}"`,
    {
      details: { table: catalogue.name, column: name },
    },
  )
}

const VERBATIM: readonly Tag[] = ['t', 'x', 'j']

function fieldPlan(column: CatalogueColumn): FieldPlan {
  return {
    tag: column.tag,
    decode: decoderOf(column.tag, column.baseName),
    verbatim: VERBATIM.includes(column.tag) && column.baseName !== 'bpchar',
  }
}
