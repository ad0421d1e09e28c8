/** Batches, ordinals, rejects, ranges and keys of the reader, on tables that are larger than one batch. */
import { DatabaseSync } from 'node:sqlite'
import { type FreshDatabase, freshDatabase, server } from '@sensei/contracts/servers'
import type { Chunk } from '@sensei/core/ports/source'
import type { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openSqliteReader } from '../../reader/reader.ts'
import {
  CHUNK,
  column,
  connected,
  load,
  makeDatabase,
  mapping,
  temporaryFolder,
} from '../support.ts'

const folder = temporaryFolder()
let database: FreshDatabase
let client: Client

beforeAll(async () => {
  database = await freshDatabase(await server(18))
  client = await connected(database.url)
})
afterAll(async () => {
  await client.end()
  await database.drop()
  folder.remove()
})

const numbers = (count: number) =>
  `with recursive n(i) as (select 1 union all select i + 1 from n limit ${count})`

test('a chunk of many batches arrives whole, whatever stands in the middle of it', async () => {
  const rows = 30_000
  // A NUL, invalid UTF-8, a text among the integers and a long text send their batches another way; the others stay fast.
  const path = makeDatabase(
    folder,
    `create table t (id integer primary key, k integer, s text);
    insert into t ${numbers(rows)} select i * 2, case when i = 9000 then 'x' else i end,
      case when i = 12345 then 'a' || char(0) || 'b' when i = 20000 then cast(x'ff' as text) when i = 25000 then replace(hex(zeroblob(50000)), '0', 'é') else 'row ' || i end from n`,
  )
  const table = mapping(
    't',
    [
      column('id', 'bigint', 'integer'),
      column('k', 'bigint', 'integer'),
      column('s', 'text', 'text'),
    ],
    {
      rows,
      bytes: rows * 30,
      bytes_max: 200_010,
    },
  )
  await client.query('drop table if exists t; create table t (id bigint, k bigint, s text)')
  const reader = openSqliteReader(path)
  const loaded = await load(reader, table, client, { rowsMax: 28_000, bytesMax: 64e6 })
  expect(loaded).toMatchObject({ rows: rows - 3, chunks: 2 })
  expect(loaded.unfit.map(({ ordinal, column: of, key }) => [ordinal, of, key])).toEqual([
    [8_999, 'k', '18000'],
    [12_344, 's', '24690'],
    [19_999, 's', '40000'],
  ])
  const { rows: found } = await client.query(
    `select count(*) as rows, sum(id) as ids, sum(length(s)) as chars, count(distinct id) as distinct_ids from t`,
  )
  const sqlite = new DatabaseSync(path, { readOnly: true })
  const expected = sqlite
    .prepare(
      `select count(*) as rows, sum(id) as ids, sum(length(s)) as chars from t where id not in (18000, 24690, 40000)`,
    )
    .get() as Record<string, number>
  sqlite.close()
  expect(found[0]).toEqual({
    rows: String(expected.rows),
    ids: String(expected.ids),
    chars: String(expected.chars),
    distinct_ids: String(expected.rows),
  })
  await reader.close()
})

test('a reject shows every stored cell as it is', async () => {
  const path = makeDatabase(
    folder,
    `create table t (a text, b, c real, d blob, e integer, g as (e + 1)); insert into t values ('first', 1, 1, null, 0), ('a' || char(0), cast(x'ff' as text), 0.1, x'00ff', 9007199254740993)`,
  )
  const reader = openSqliteReader(path)
  const table = mapping('t', [column('e', 'bigint', 'integer')])
  const whole: Chunk = { number: 1, range: null, rowsEstimated: 2 }
  const { key, cells } = await reader.raw(table, whole, 1)
  expect(key).toBe('2')
  expect(cells).toEqual([
    { column: 'a', class: 'text', value: Buffer.from('a\0').toString('base64') },
    { column: 'b', class: 'text', value: Buffer.from([0xff]).toString('base64') },
    { column: 'c', class: 'real', value: '0.1' },
    { column: 'd', class: 'blob', value: Buffer.from([0, 0xff]).toString('base64') },
    { column: 'e', class: 'integer', value: '9007199254740993' },
    { column: 'g', class: 'integer', value: '9007199254740994' },
  ])
  await expect(reader.raw(table, whole, 2)).rejects.toMatchObject({ code: 'INTERNAL' })
  await reader.close()
})

test('ranges cut from one snapshot cover every later one, without overlap', async () => {
  const build = (rows: string, more = '') =>
    `create table t (id integer primary key); ${rows}; ${more}`
  const first = openSqliteReader(
    makeDatabase(folder, build(`insert into t ${numbers(100)} select i * 10 from n`)),
  )
  const table = mapping('t', [column('id', 'bigint', 'integer')])
  const chunks: Chunk[] = []
  for await (const chunk of first.chunks(table, { rowsMax: 30, bytesMax: 1e9 })) chunks.push(chunk)
  await first.close()
  expect(chunks.map(({ number, rowsEstimated }) => [number, rowsEstimated])).toEqual([
    [1, 30],
    [2, 30],
    [3, 30],
    [4, 10],
  ])
  // They travel as JSON, and rows have come before, between and behind.
  const travelled = JSON.parse(JSON.stringify(chunks)) as Chunk[]
  const later = openSqliteReader(
    makeDatabase(folder, build(`insert into t ${numbers(3000)} select i - 1000 from n`)),
  )
  let rows = 0
  for (const chunk of travelled)
    for await (const batch of later.read(table, chunk)) rows += batch.rows
  expect(rows).toBe(3_000)
  await later.close()
})

test('an empty table has one chunk and no batch', async () => {
  const reader = openSqliteReader(makeDatabase(folder, 'create table t (id integer primary key)'))
  const table = mapping('t', [column('id', 'bigint', 'integer')], {
    rows: 0,
    bytes: 0,
    bytes_max: 0,
  })
  await client.query('drop table if exists t; create table t (id bigint)')
  expect(await load(reader, table, client)).toEqual({ rows: 0, chunks: 1, unfit: [] })
  await reader.close()
})

const cell = (tag: string, payload: string | Uint8Array) => {
  const bytes = Buffer.from(payload as string)
  return Buffer.concat([Buffer.from(`${tag}${bytes.length}:`), bytes])
}

test('rows are found by the canonical bytes of their key, whatever it is made of', async () => {
  const path = makeDatabase(
    folder,
    `create table t (i integer, s text collate nocase, u text, b blob, f boolean, v integer, primary key (s, i));
    create index iu on t(u); create index ib on t(b);
    insert into t values (1, 'Ab', 'c56a4180-65aa-42ec-a945-5fd21dec0538', x'00ff', 1, 10), (1, 'x:y', 'c56a4180-65aa-42ec-a945-5fd21dec0539', x'', 0, 20), (-9007199254740993, '', x'c56a418065aa42eca9455fd21dec0540', x'74', 0, 30)`,
  )
  const columns = [
    column('i', 'bigint', 'integer'),
    column('s', 'text', 'text'),
    column('u', 'uuid', 'uuid'),
    column('b', 'bytea', 'bytes'),
    column('f', 'boolean', 'boolean'),
    column('v', 'bigint', 'integer'),
  ]
  const reader = openSqliteReader(path)
  const pick = async (key: readonly string[], ...keys: Uint8Array[]) => {
    const table = mapping('t', columns, { key })
    expect(reader.pickable(table)).toBe(true)
    await client.query(
      'drop table if exists t; create table t (i bigint, s text, u uuid, b bytea, f boolean, v bigint)',
    )
    const parts: Buffer[] = []
    let rows = 0
    for await (const batch of reader.pick(table, keys)) {
      parts.push(Buffer.from(batch.bytes))
      rows += batch.rows
    }
    // The last field of each tuple is v: 8 bytes.
    const all = Buffer.concat(parts)
    return rows === 0 ? [] : rows === 1 ? [Number(all.readBigInt64BE(all.length - 8))] : rows
  }
  expect(await pick(['s', 'i'], Buffer.concat([cell('t', 'Ab'), cell('i', '1')]))).toEqual([10])
  expect(
    await pick(['s', 'i'], Buffer.concat([cell('t', 'ab'), cell('i', '1')])),
    'equal only without case',
  ).toEqual([])
  expect(await pick(['s', 'i'], Buffer.concat([cell('t', 'x:y'), cell('i', '1')]))).toEqual([20])
  expect(
    await pick(['i', 's'], Buffer.concat([cell('i', '-9007199254740993'), cell('t', '')])),
  ).toEqual([30])
  expect(await pick(['u'], cell('u', 'c56a4180-65aa-42ec-a945-5fd21dec0540'))).toEqual([30])
  expect(await pick(['b'], cell('x', Uint8Array.of(0, 255)))).toEqual([10])
  expect(await pick(['f', 'i'], Buffer.concat([cell('b', 't'), cell('i', '1')]))).toEqual([10])
  expect(await pick(['v'], cell('i', '10'), cell('i', '999'), cell('i', '30'))).toBe(2)
  expect(reader.pickable(mapping('t', columns))).toBe(false)
  const dated = [column('i', 'date', 'date')]
  expect(reader.pickable(mapping('t', dated, { key: ['i'] }))).toBe(false)
  await reader.close()
})

test('a table as wide as PostgreSQL takes is read on both paths', async () => {
  const names = Array.from({ length: 1_500 }, (_, at) => `c${at}`)
  for (const encoding of ['UTF-8', 'UTF-16le']) {
    const path = makeDatabase(
      folder,
      `pragma encoding = '${encoding}'; create table t (${names.join(', ')}); insert into t values (${names.map((_, at) => at).join(', ')})`,
    )
    const table = mapping(
      't',
      names.map((name) => column(name, 'smallint', 'integer')),
    )
    await client.query(
      `drop table if exists t; create table t (${names.map((name) => `${name} smallint`).join(', ')})`,
    )
    const reader = openSqliteReader(path)
    expect((await load(reader, table, client)).rows).toBe(1)
    const raw = await reader.raw(table, { number: 1, range: null, rowsEstimated: 1 }, 0)
    expect(raw.cells[1_499]).toEqual({ column: 'c1499', class: 'integer', value: '1499' })
    await reader.close()
    expect((await client.query('select c0, c1499 from t')).rows).toEqual([{ c0: 0, c1499: 1499 }])
  }
})

test('a column or table that the source no longer has is named, never read as something else', async () => {
  const reader = openSqliteReader(makeDatabase(folder, 'create table t (a)'))
  const read = async (source: string, name: string) => {
    for await (const chunk of reader.chunks(mapping(source, [column(name, 'text', 'text')]), CHUNK))
      expect(chunk).toBeUndefined()
  }
  await expect(read('t', 'b')).rejects.toMatchObject({ code: 'SOURCE_SCHEMA_CHANGED' })
  await expect(read('gone', 'a')).rejects.toMatchObject({ code: 'SOURCE_SCHEMA_CHANGED' })
  await reader.close()
})

test('a conversion into a type that it cannot write is refused before anything is read', async () => {
  const reader = openSqliteReader(makeDatabase(folder, 'create table t (a)'))
  const table = mapping('t', [column('a', 'inet', 'integer')])
  await expect(reader.chunks(table, CHUNK)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
    code: 'PLAN_INVALID',
  })
  await reader.close()
})

test('every double that SQLite writes as text reads back as the same double', async () => {
  const path = makeDatabase(folder, (sqlite) => {
    sqlite.exec('create table t (id integer primary key, r real); begin')
    const insert = sqlite.prepare('insert into t(r) values (?)')
    const bits = new BigUint64Array(1)
    const double = new Float64Array(bits.buffer)
    let seed = 88_172_645_463_325_252n
    for (let at = 0; at < 200_000; at += 1) {
      seed ^= (seed << 13n) & 0xffff_ffff_ffff_ffffn
      seed ^= seed >> 7n
      seed ^= (seed << 17n) & 0xffff_ffff_ffff_ffffn
      // Every fourth one is subnormal.
      bits[0] = at % 4 === 0 ? seed & 0x800f_ffff_ffff_ffffn : seed
      if (Number.isFinite(double[0]!)) insert.run(double[0]!)
      insert.run(Number((double[0]! % 1e6).toFixed(2)) || 0)
    }
    sqlite.exec('commit')
  })
  const table = mapping('t', [column('r', 'double precision', 'real')], {
    rows: 400_000,
    bytes: 3_200_000,
    bytes_max: 8,
  })
  const reader = openSqliteReader(path)
  const sqlite = new DatabaseSync(path, { readOnly: true })
  const stored = sqlite.prepare('select r from t order by id')
  stored.setReturnArrays(true)
  const values = stored.iterate() as Iterator<unknown> as Iterator<[number]>
  let wrong = 0
  let read = 0
  for await (const chunk of reader.chunks(table, CHUNK)) {
    for await (const { bytes } of reader.read(table, chunk)) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      for (let at = 0; at < bytes.length; at += 14) {
        const { value } = values.next()
        read += 1
        if (!Object.is(view.getFloat64(at + 6), value![0])) wrong += 1
      }
    }
  }
  sqlite.close()
  await reader.close()
  expect(read).toBeGreaterThan(390_000)
  expect(wrong).toBe(0)
}, 60_000)
