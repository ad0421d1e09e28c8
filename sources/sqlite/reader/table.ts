/** What the reader needs to know of one mapped table, worked out once. */
import type { DatabaseSync } from 'node:sqlite'
import { SenseiError } from '@sensei/core/errors'
import { type ColumnMapping, copiedColumns, type TableMapping } from '@sensei/core/plan'
import { quoteIdent } from '@sensei/core/sql'
import { assertScalarExpression } from '../expression.ts'
import { prepared } from '../statements.ts'
import { type Convert, converter } from './convert.ts'
import { type KeySpace, keySpaceOf } from './key-space.ts'

export interface ReadableTable {
  readonly name: string
  /** Quoted. */
  readonly from: string
  readonly columns: readonly ReadableColumn[]
  /** Every column that a SELECT can name, generated ones included, in the table's order. */
  readonly stored: readonly string[]
  readonly keys: KeySpace
  readonly bytesAverage: number
  readonly bytesMax: number
}

export interface ReadableColumn {
  readonly mapping: ColumnMapping
  /** SQL that yields the value. */
  readonly sql: string
  readonly convert: Convert
}

export function readableTable(database: DatabaseSync, table: TableMapping): ReadableTable {
  const info = prepared(database, 'select name, hidden from pragma_table_xinfo(?)')
  const stored = (info.all(table.source) as { name: string; hidden: number }[])
    .filter(({ hidden }) => hidden !== 1)
    .map(({ name }) => name)
  if (stored.length === 0) {
    throw new SenseiError('SOURCE_SCHEMA_CHANGED', `the source has no table ${table.source}`)
  }
  return {
    name: table.source,
    from: quoteIdent(table.source),
    columns: copiedColumns(table).map((column) => readableColumn(database, table, column, stored)),
    stored,
    keys: keySpaceOf(database, table.source),
    bytesAverage: Math.max(16, Math.ceil(table.bytes / Math.max(1, table.rows))),
    bytesMax: table.bytes_max,
  }
}

function readableColumn(
  database: DatabaseSync,
  table: TableMapping,
  mapping: ColumnMapping,
  stored: readonly string[],
): ReadableColumn {
  const convert = converter(mapping)
  if (mapping.expression !== undefined) {
    assertScalarExpression(database, table.source, mapping.expression)
    return { mapping, sql: `(${mapping.expression})`, convert }
  }
  const source = mapping.source ?? ''
  if (!stored.includes(source)) {
    throw new SenseiError(
      'SOURCE_SCHEMA_CHANGED',
      `table ${table.source} of the source has no column ${source}`,
    )
  }
  return { mapping, sql: quoteIdent(source), convert }
}
