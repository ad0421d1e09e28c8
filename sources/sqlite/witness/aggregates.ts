/** What SQLite computes by itself about a table, in one pass. Its sum() of integers overflows: halves are added instead. */
import type { DatabaseSync } from 'node:sqlite'
import { wantedAggregates, type WantedAggregate } from '@sensei/core/canonical/aggregates'
import type { ColumnMapping, TableMapping } from '@sensei/core/plan'
import type { Aggregate } from '@sensei/core/ports/witness'
import { quoteIdent } from '@sensei/core/sql'

const PER_QUERY = 500
const HALF = 4_294_967_296n

export function aggregateTable(
  database: DatabaseSync,
  encoding: string,
  table: TableMapping,
): Aggregate[] {
  const wanted = wantedAggregates(table).filter(
    ({ name }) => name !== 'bytes' || encoding === 'UTF-8',
  )
  const found: Aggregate[] = []
  for (let at = 0; at < wanted.length; at += PER_QUERY) {
    const some = wanted.slice(at, at + PER_QUERY)
    const list = some.flatMap((one) => expressions(table.source, one))
    const statement = database.prepare(`select ${list.join(', ')} from ${quoteIdent(table.source)}`)
    statement.setReadBigInts(true)
    statement.setReturnArrays(true)
    const values = [...(statement.get() as unknown as (bigint | null)[])]
    for (const { column, name } of some) {
      const value =
        name === 'sum' ? whole(values.shift(), values.shift()) : (values.shift() ?? null)
      found.push({ column: column?.target ?? null, name, value: value?.toString() ?? null })
    }
  }
  return found
}

function whole(high: bigint | null | undefined, low: bigint | null | undefined): bigint | null {
  return high == null || low == null ? null : high * HALF + low
}

function expressions(table: string, { column, name }: WantedAggregate): string[] {
  if (column === null) return ['count(*)']
  const cell = cellOf(table, column)
  const integer = `cast(${cell} as integer)`
  switch (name) {
    case 'rows':
      return ['count(*)']
    case 'not null':
      return [`count(${cell})`]
    case 'true':
      return [`count(*) filter (where ${cell} = 1)`]
    case 'bytes':
      return [`sum(octet_length(${cell}))`]
    case 'sum':
      return [`sum(${integer} / ${HALF})`, `sum(${integer} % ${HALF})`]
    case 'min':
    case 'max':
      return [`${name}(${integer})`]
  }
}

function cellOf(table: string, column: ColumnMapping): string {
  if (column.expression !== undefined) return `(${column.expression})`
  return `${quoteIdent(table)}.${quoteIdent(column.source ?? '')}`
}
