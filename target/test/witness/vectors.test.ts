import { readFileSync } from 'node:fs'
import { freshDatabase, servers, type FreshDatabase } from '@sensei/contracts/servers'
import { cellEnd } from '@sensei/core/canonical/cells'
import type { TableMapping } from '@sensei/core/plan'
import type { TargetWitness } from '@sensei/core/ports/target'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseTargetUrl } from '../../settings.ts'
import { openTargetWitness } from '../../witness/witness.ts'

interface Vector {
  readonly type: string
  readonly literal: string | null
  readonly canonical: string
}

const vectors = (
  JSON.parse(
    readFileSync(new URL('../../../docs/canonical-vectors.json', import.meta.url), 'utf8'),
  ) as { postgres: Vector[] }
).postgres

const mapping = (types: readonly string[]): TableMapping =>
  ({
    target: 'vectors',
    key: null,
    columns: types.map((type, place) => ({
      source: `c${place}`,
      target: `c${place}`,
      type,
      generated: null,
    })),
  }) as unknown as TableMapping

async function rowsOf(witness: TargetWitness, table: TableMapping): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const batch of witness.scan(table, null)) parts.push(Uint8Array.from(batch.bytes))
  return Buffer.concat(parts)
}

describe.each([18, 15] as const)('PostgreSQL %i', (version) => {
  let database: FreshDatabase
  let client: Client

  beforeAll(async () => {
    const both = await servers()
    database = await freshDatabase(version === 18 ? both.pg18 : both.pg15)
    client = new Client({ connectionString: database.url })
    await client.connect()
    // One row with a column for each vector.
    const columns = vectors.map(({ type }, place) => `c${place} ${type}`)
    await client.query(`create table vectors (${columns.join(', ')})`)
    await client.query(
      `insert into vectors values (${vectors.map((_, place) => `$${place + 1}`).join(', ')})`,
      vectors.map(({ literal }) => literal),
    )
  })

  afterAll(async () => {
    await client.end()
    await database.drop()
  })

  test('the witness writes every vector as the page says', async () => {
    const witness = await openTargetWitness(parseTargetUrl(database.url), { schema: 'public' })
    const row = await rowsOf(witness, mapping(vectors.map(({ type }) => type)))
    await witness.close()
    let at = 0
    for (const vector of vectors) {
      const end = cellEnd(row, at)
      const cell = row.subarray(at, end)
      expect(cell.toString('latin1'), `${vector.type} ${vector.literal}`).toBe(
        Buffer.from(vector.canonical, 'hex').toString('latin1'),
      )
      at = end
    }
    expect(at).toBe(row.length)
  })

  test('a domain counts as its base type, also in two steps; an enum is its label; other types are spelled', async () => {
    await client.query(`
      create domain inner_amount as numeric(8, 3); create domain amount as inner_amount check (value > 0);
      create type mood as enum ('sad', 'très happy'); create type pair as (a int, b text);
      create table odd (c0 amount, c1 mood, c2 pair, c3 mood[], c4 xid8);
      insert into odd values (1.500, 'très happy', '(1,"x y")', '{sad}', '7'), (null, null, null, null, null)`)
    const witness = await openTargetWitness(parseTargetUrl(database.url), { schema: 'public' })
    const table = { ...mapping(['amount', 'mood', 'pair', 'mood[]', 'xid8']), target: 'odd' }
    const rows = (await rowsOf(witness, table)).toString()
    await witness.close()
    expect(rows).toBe('d3:1.5t11:très happyp14:pair/(1,"x y")p11:_mood/{sad}p6:xid8/7nnnnn')
  })

  test('the payloads of text, date, time and numeric are the text that PostgreSQL prints', async () => {
    await client.query("set datestyle = 'ISO, YMD'; set timezone = 'UTC'")
    const plain = vectors.flatMap((vector, place) =>
      /^(text|varchar|date|timestamp(\(3\))?|time|uuid|bigint|integer|json)$/.test(vector.type) &&
      vector.literal !== null
        ? [{ vector, place }]
        : [],
    )
    const { rows } = await client.query({
      text: `select ${plain.map(({ place }) => `c${place}::text`).join(', ')} from vectors`,
      rowMode: 'array',
    })
    plain.forEach(({ vector }, place) => {
      const cell = Buffer.from(vector.canonical, 'hex').toString()
      expect(cell.slice(cell.indexOf(':') + 1)).toBe((rows[0] as string[])[place])
    })
  })
})
