/**
 * Every SQLite vector of docs/canonical.md through the reader into PostgreSQL, which then has the value that the vector's
 * canonical bytes spell; an unfit one is named. The witness is tested with the same vectors by itself.
 */
import { readFileSync } from 'node:fs'
import { type FreshDatabase, freshDatabase, server } from '@sensei/contracts/servers'
import type { ColumnMapping } from '@sensei/core/plan'
import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openSqliteReader } from '../../reader/reader.ts'
import { column, connected, load, makeDatabase, mapping, temporaryFolder } from '../support.ts'

interface Vector {
  readonly conversion: ColumnMapping['conversion']
  readonly type: string
  readonly class: 'null' | 'integer' | 'real' | 'text' | 'blob'
  readonly value: string | null
  readonly formats?: NonNullable<ColumnMapping['formats']>
  readonly fidelity?: ColumnMapping['fidelity']
  readonly canonical: string | null
}

const file = new URL('../../../../docs/canonical-vectors.json', import.meta.url)
const { sqlite: vectors } = JSON.parse(readFileSync(file, 'utf8')) as { sqlite: Vector[] }

const folder = temporaryFolder()
let database: FreshDatabase
let client: Client

beforeAll(async () => {
  database = await freshDatabase(await server(18))
  client = await connected(database.url)
  await client.query(`set timezone = 'UTC'`)
})
afterAll(async () => {
  await client.end()
  await database.drop()
  folder.remove()
})

function stored({ class: storage, value }: Vector): string {
  if (value === null) return 'null'
  if (storage === 'text') return `cast(x'${value}' as text)`
  return storage === 'blob' ? `x'${value}'` : value
}

/** The payload of the canonical cell as PostgreSQL itself would write it, by tag. */
const SHOWN: Readonly<Record<string, string>> = {
  b: `case when c then 't' else 'f' end`,
  f: `right(case pg_typeof(c)::text when 'real' then encode(float4send(c::text::real), 'hex') else encode(float8send(c::text::float8), 'hex') end, 16)`,
  d: `case when c::numeric = 'Infinity' or c::numeric = '-Infinity' then c::text else trim_scale(c::numeric)::text end`,
  z: `(extract(epoch from c) * 1000000)::bigint::text`,
}

async function shown(tag: string, payload: Buffer): Promise<string | null> {
  if (tag === 'J') {
    const { rows } = await client.query<{ same: boolean }>('select c = $1::jsonb as same from t', [
      payload.toString(),
    ])
    return rows[0]?.same === true ? payload.toString() : null
  }
  if (tag === 'x') {
    const { rows } = await client.query<{ c: Buffer }>('select c from t')
    return rows[0]?.c.toString('hex') ?? null
  }
  const { rows } = await client.query<{ shown: string | null }>(
    `select ${SHOWN[tag] ?? 'c::text'} as shown from t`,
  )
  return rows[0]?.shown ?? null
}

describe.each([
  { path: 'fast', bytesMax: 100 },
  { path: 'exact', bytesMax: 2 ** 30 },
])('on the $path path', ({ bytesMax }) => {
  test('every vector arrives as its canonical bytes say, or is unfit where they are none', async () => {
    for (const vector of vectors) {
      const name = JSON.stringify(vector)
      const path = makeDatabase(
        folder,
        `create table t (c); insert into t values (${stored(vector)})`,
      )
      const more = {
        ...(vector.formats && { formats: vector.formats }),
        ...(vector.fidelity && { fidelity: vector.fidelity }),
      }
      const planned = column('c', vector.type, vector.conversion, more)
      await client.query(`drop table if exists t; create table t (c ${vector.type})`)
      const reader = openSqliteReader(path)
      const loaded = await load(reader, mapping('t', [planned], { bytes_max: bytesMax }), client)
      await reader.close()
      if (vector.canonical === null) {
        expect(loaded, name).toMatchObject({ rows: 0, unfit: [{ ordinal: 0, column: 'c' }] })
        continue
      }
      expect(loaded.rows, name).toBe(1)
      const cell = Buffer.from(vector.canonical, 'hex')
      const tag = String.fromCharCode(cell[0]!)
      const payload = cell.subarray(cell.indexOf(':') + 1)
      const expected =
        tag === 'n' ? null : tag === 'x' ? payload.toString('hex') : payload.toString()
      expect(await shown(tag, payload), name).toBe(expected)
    }
  }, 120_000)
})
