/** What PostgreSQL computes by itself about a table, in one pass. */
import { wantedAggregates, type WantedAggregate } from '@sensei/core/canonical/aggregates'
import type { TableMapping } from '@sensei/core/plan'
import type { Aggregate } from '@sensei/core/ports/witness'
import { quoteIdent, quoteQualified } from '@sensei/core/sql'
import type { ClientBase } from 'pg'
import type { CatalogueTable } from './catalogue.ts'
import { catalogued } from './scan.ts'

/** PostgreSQL takes 1,664 columns in a result. */
const PER_QUERY = 1_000

export async function aggregateTable(
  client: ClientBase,
  schema: string,
  catalogue: CatalogueTable,
  table: TableMapping,
): Promise<Aggregate[]> {
  const wanted = wantedAggregates(table)
  const only = catalogue.kind === 'r' ? 'only ' : ''
  const from = `${only}${quoteQualified(schema, catalogue.name)}`
  const found: Aggregate[] = []
  for (let at = 0; at < wanted.length; at += PER_QUERY) {
    const some = wanted.slice(at, at + PER_QUERY)
    const list = some.map((one) => `(${expression(one, catalogue)})::text`)
    const { rows } = await client.query<(string | null)[]>({
      text: `select ${list.join(', ')} from ${from}`,
      rowMode: 'array',
    })
    const values = rows[0] ?? []
    some.forEach(({ column, name }, place) =>
      found.push({ column: column?.target ?? null, name, value: values[place] ?? null }),
    )
  }
  return found
}

function expression({ column, name }: WantedAggregate, catalogue: CatalogueTable): string {
  if (column === null) return 'count(*)'
  const { name: named, baseName } = catalogued(catalogue, column.target)
  const cell = quoteIdent(named)
  switch (name) {
    case 'rows':
      return 'count(*)'
    case 'not null':
      return `count(${cell})`
    case 'true':
      return `count(*) filter (where ${baseName === 'bool' ? cell : `${cell}::text = 'true'`})`
    case 'bytes':
      return `sum(octet_length(${cell}${BYTES_COUNTED.includes(baseName) ? '' : '::text'}))`
    case 'sum':
      // The sum of int8 is a numeric, which has room for it; that of smaller types is an int8, which may have none.
      return WHOLE.includes(baseName)
        ? `sum(${cell}::pg_catalog.int8)`
        : `trim_scale(sum(${cell}::numeric))`
    case 'min':
    case 'max':
      return WHOLE.includes(baseName) ? `${name}(${cell})` : `trim_scale(${name}(${cell}::numeric))`
  }
}

/** Types that are compared and added without becoming a numeric value by value. */
const WHOLE: readonly string[] = ['int2', 'int4', 'int8']

/** Types with an octet_length of their own; json has none. */
const BYTES_COUNTED: readonly string[] = ['bytea', 'text', 'varchar']
