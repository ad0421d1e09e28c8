/** Numerics of every width are written as PostgreSQL itself writes their value. */
import { freshDatabase, servers } from '@sensei/contracts/servers'
import { cellEnd } from '@sensei/core/canonical/cells'
import type { TableMapping } from '@sensei/core/plan'
import fc from 'fast-check'
import { Client } from 'pg'
import { expect, test } from 'vitest'
import { parseTargetUrl } from '../../settings.ts'
import { openTargetWitness } from '../../witness/witness.ts'

const seed = 47
const digits = fc
  .array(fc.constantFrom('0', '0', '1', '5', '9', '0000', '9999', '10000'), { maxLength: 9 })
  .map((parts) => parts.join(''))
const numeric = fc
  .tuple(fc.constantFrom('', '-'), digits, digits)
  .map(([sign, whole, fraction]) => `${sign}${whole}0.${fraction}0`)

test(`a numeric is its digits, whatever its groups are (seed ${seed})`, async () => {
  const values = [...new Set(fc.sample(numeric, { seed, numRuns: 3_000 }))]
  const database = await freshDatabase((await servers()).pg18)
  const client = new Client({ connectionString: database.url })
  await client.connect()
  await client.query('create table n (i int, v numeric)')
  await client.query(
    'insert into n select i, v::numeric from unnest($1::text[]) with ordinality as t (v, i)',
    [values],
  )
  const { rows } = await client.query<{ v: string }>('select trim_scale(v)::text as v from n')
  await client.end()
  const column = { source: 'v', target: 'v', type: 'numeric', conversion: 'decimal' }
  const table = { target: 'n', key: null, columns: [column] } as unknown as TableMapping
  const witness = await openTargetWitness(parseTargetUrl(database.url), { schema: 'public' })
  const found: string[] = []
  for await (const { bytes } of witness.scan(table, null)) {
    for (let at = 0; at < bytes.length; at = cellEnd(bytes, at)) {
      const cell = Buffer.from(bytes.subarray(at, cellEnd(bytes, at))).toString()
      found.push(cell.slice(cell.indexOf(':') + 1))
    }
  }
  await witness.close()
  await database.drop()
  expect(found).toEqual(rows.map(({ v }) => v))
}, 60_000)
