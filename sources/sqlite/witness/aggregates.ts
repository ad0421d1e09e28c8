/**
 * What SQLite computes by itself about a table, in one pass. First as cheaply as it can; where a result shows that a column
 * holds more than INTEGERs whose sum fits, that pass is done again with forms that are exact for every value.
 */
import type { DatabaseSync } from 'node:sqlite'
import { wantedAggregates, type WantedAggregate } from '@sensei/core/canonical/aggregates'
import type { TableMapping } from '@sensei/core/plan'
import type { Aggregate } from '@sensei/core/ports/witness'
import { quoteIdent } from '@sensei/core/sql'
import { isSqlError } from '../open.ts'
import { sourceCell } from './columns.ts'

const PER_QUERY = 500
const HALF = 4_294_967_296n

type Value = bigint | number | string | Uint8Array | null
/** How an aggregate is asked for and what its value is; null where the results cannot tell. */
interface Form {
  sql(cell: string, name: WantedAggregate['name']): readonly string[]
  value(results: readonly Value[], name: WantedAggregate['name'], rows: bigint): Value | undefined
}

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
    found.push(...(ask(database, table, some, CHEAP) ?? ask(database, table, some, EXACT) ?? []))
  }
  return found
}

function ask(
  database: DatabaseSync,
  table: TableMapping,
  wanted: readonly WantedAggregate[],
  form: Form,
): Aggregate[] | null {
  const lists = wanted.map(({ column, name }) =>
    column === null ? ['count(*)'] : form.sql(sourceCell(table.source, column), name),
  )
  const list = ['count(*)', ...lists.flat()].join(', ')
  const statement = database.prepare(`select ${list} from ${quoteIdent(table.source)}`)
  statement.setReadBigInts(true)
  statement.setReturnArrays(true)
  const values = resultsOf(() => statement.get() as unknown as Value[])
  if (values === null) return null
  const rows = values.shift() as bigint
  const found: Aggregate[] = []
  for (const [place, { column, name }] of wanted.entries()) {
    const results = values.splice(0, lists[place]?.length)
    const value = column === null ? rows : form.value(results, name, rows)
    if (value === undefined) return null
    found.push({ column: column?.target ?? null, name, value: value?.toString() ?? null })
  }
  return found
}

/** Null where a sum of integers leaves 64 bits, which SQLite calls an error. */
function resultsOf(get: () => Value[]): Value[] | null {
  try {
    return [...get()]
  } catch (error) {
    if (isSqlError(error)) return null
    throw error
  }
}

/** To skip the NULLs costs less than to count the others, and to compare whole numbers less than to cast them first. */
const CHEAP: Form = {
  sql(cell, name) {
    switch (name) {
      case 'rows':
        return ['count(*)']
      case 'not null':
        return [`count(*) filter (where ${cell} is null)`]
      case 'true':
        return [`count(*) filter (where ${cell} = 1)`]
      case 'bytes':
        return [`sum(octet_length(${cell}))`]
      default:
        return [`${name}(${cell})`]
    }
  },
  value([result = null], name, rows) {
    if (name === 'not null') return rows - (result as bigint)
    // A REAL makes the sum one, and a text or a blob is the maximum.
    return result === null || typeof result === 'bigint' ? result : undefined
  },
}

/** Halves are added, because sum() of integers may leave 64 bits. */
const EXACT: Form = {
  sql(cell, name) {
    const integer = `cast(${cell} as integer)`
    if (name === 'sum') return [`sum(${integer} / ${HALF})`, `sum(${integer} % ${HALF})`]
    if (name === 'min' || name === 'max') return [`${name}(${integer})`]
    return CHEAP.sql(cell, name)
  },
  value(results, name, rows) {
    if (name !== 'sum') return CHEAP.value(results, name, rows)
    const [high, low] = results
    return typeof high === 'bigint' && typeof low === 'bigint' ? high * HALF + low : null
  },
}
