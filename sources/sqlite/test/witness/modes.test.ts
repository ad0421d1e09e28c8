/** Groups of rows, single rows and values in pieces are three ways to read one table; all must write the same rows. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { cellsEnd } from '@sensei/core/canonical/cells'
import { CONVERSIONS, type Conversion, type TableMapping } from '@sensei/core/plan'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { openSqliteWitness } from '../../witness/witness.ts'

const seed = 41
const folder = mkdtempSync(join(tmpdir(), 'sensei-modes-'))
afterAll(() => rmSync(folder, { recursive: true }))

const TYPES: Readonly<Record<Conversion, string>> = {
  integer: 'bigint',
  boolean: 'boolean',
  real: 'double precision',
  decimal: 'numeric(12,4)',
  text: 'text',
  'text-strip-nul': 'text',
  'text-replace-invalid': 'varchar(8)',
  'any-as-text': 'text',
  bytes: 'bytea',
  'any-as-bytes': 'bytea',
  date: 'date',
  timestamp: 'timestamp',
  timestamptz: 'timestamptz',
  time: 'time',
  json: 'json',
  jsonb: 'jsonb',
  uuid: 'uuid',
}

/** A stored cell as an SQL literal. */
const cell = fc.oneof(
  fc.constant('null'),
  fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n }).map(String),
  fc.integer({ min: -2, max: 3 }).map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => `(${value} * 1.0)`),
  fc.integer({ min: -1e6, max: 1e6 }).map((cents) => `(${cents} / 100.0)`),
  fc.constantFrom('9e999', '-9e999', '0.0', '0.1 + 0.2', '1e22', '123456789012345.6', '0.00001'),
  fc
    .constantFrom(
      '2024-02-29',
      '2023-02-29',
      '2024-02-29 10:20:30',
      '2024-02-29T10:20:30.5',
      '10:20',
      '{"a":1.0}',
      '[1,',
      '12.50',
      '',
      ' ',
      'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    )
    .map((text) => `'${text}'`),
  fc
    .uint8Array({ maxLength: 12 })
    .map((bytes) => `cast(x'${Buffer.from(bytes).toString('hex')}' as text)`),
  fc.uint8Array({ maxLength: 12 }).map((bytes) => `x'${Buffer.from(bytes).toString('hex')}'`),
)

/** Without these, SQLite ends its cells with a NUL instead of telling their length. */
const FRAMED: readonly Conversion[] = ['bytes', 'any-as-text', 'any-as-bytes']
const ENDED = CONVERSIONS.filter((conversion) => !FRAMED.includes(conversion))

function columnsOf(conversions: readonly Conversion[]): string[] {
  return ['id', ...conversions.map((_, place) => `c${place}`)]
}

function mapping(
  source: string,
  bytesMax: number,
  conversions: readonly Conversion[] = CONVERSIONS,
): TableMapping {
  const column = { generated: null, fidelity: 'lossy' }
  return {
    source,
    target: source,
    rows: 20,
    bytes: 2_000,
    bytes_max: bytesMax,
    key: ['id'],
    columns: [
      {
        ...column,
        source: 'id',
        target: 'id',
        type: 'bigint',
        conversion: 'integer',
        unfit: 'reject',
      },
      ...conversions.map((conversion, place) => ({
        ...column,
        source: `c${place}`,
        target: `c${place}`,
        type: TYPES[conversion],
        conversion,
        unfit: place % 3 === 0 ? 'reject' : 'null',
      })),
    ],
  } as unknown as TableMapping
}

async function rowsOf(
  path: string,
  table: TableMapping,
): Promise<{ rows: string[]; rejected: number }> {
  const witness = await openSqliteWitness({
    kind: 'private copy',
    name: path,
    sha256: null,
    takenAt: '',
    location: path,
    notes: [],
  })
  const rows: string[] = []
  let rejected = 0
  // With bounds, because a table of a few rows is read row by row without them.
  const bounds = { from: String(-(2n ** 63n)), to: String(2n ** 63n - 1n) }
  for await (const batch of witness.scan(table, table.source === 'keyed' ? bounds : null)) {
    rejected += batch.rejected
    for (let at = 0; at < batch.bytes.length; ) {
      const end = cellsEnd(batch.bytes, at, table.columns.length)
      rows.push(Buffer.from(batch.bytes.subarray(at, end)).toString('latin1'))
      at = end
    }
  }
  await witness.close()
  return { rows: rows.sort(), rejected }
}

for (const [name, conversions] of [
  ['in tables of every conversion', CONVERSIONS],
  ['in tables whose cells end with a NUL', ENDED],
] as const) {
  test(`hostile rows come out alike, whichever way they are read, ${name} (seed ${seed})`, async () => {
    let number = 0
    // Mostly one odd cell in a row, so that rows are not all rejected for something.
    const row = fc.tuple(
      fc.nat(conversions.length - 1),
      fc.array(cell, { minLength: conversions.length, maxLength: conversions.length }),
      fc.boolean(),
    )
    const columns = columnsOf(conversions).slice(1)
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { minLength: 1, maxLength: 20 }),
        fc.boolean(),
        async (rows, typed) => {
          const path = join(folder, `${conversions.length}-${(number += 1)}.db`)
          const database = new DatabaseSync(path)
          for (const [table, tail] of [
            ['keyed', ''],
            ['bare', ' without rowid'],
          ]) {
            // A column of texts has its own way to compare numbers.
            const declared = columns.map((column) => (typed ? `${column} text` : column))
            database.exec(
              `create table ${table} (id integer primary key, ${declared.join(', ')})${tail}`,
            )
            rows.forEach(([odd, cells, all], id) => {
              const values = cells.map((literal, place) =>
                all || place === odd ? literal : 'null',
              )
              database.exec(`insert into ${table} values (${id}, ${values.join(', ')})`)
            })
          }
          database.close()
          const grouped = await rowsOf(path, mapping('keyed', 100, conversions))
          expect(grouped.rows.length + grouped.rejected).toBe(rows.length)
          expect(await rowsOf(path, mapping('bare', 100, conversions))).toEqual(grouped)
          expect(await rowsOf(path, mapping('keyed', 2 ** 24, conversions))).toEqual(grouped)
          expect(await rowsOf(path, mapping('bare', 2 ** 24, conversions))).toEqual(grouped)
          rmSync(path)
        },
      ),
      { seed, numRuns: 60 },
    )
  }, 120_000)
}

const TEXTS: readonly Conversion[] = ['text', 'integer', 'text']
/** The second text is always `b`. */
const NEIGHBOURS: readonly Conversion[] = ['text', 'text', 'integer']

function textsOf(
  values: readonly string[],
  ids: readonly bigint[],
  conversions: readonly Conversion[] = TEXTS,
): string {
  const path = join(folder, `texts-${ids.length}-${ids.at(-1)}-${values.length}.db`)
  const database = new DatabaseSync(path)
  database.exec('begin')
  for (const tail of ['', ' without rowid']) {
    const table = tail === '' ? 'keyed' : 'bare'
    database.exec(`create table ${table} (id integer primary key, c0, c1, c2)${tail}`)
    const places = conversions.map((one) => (one === 'text' ? 'cast(? as text)' : '?'))
    const insert = database.prepare(`insert into ${table} values (?, ${places.join()})`)
    ids.forEach((id, place) => {
      const value = Buffer.from(values[place % values.length] ?? '', 'latin1')
      const texts = [value, Buffer.from('b'), value]
      // A number would be a REAL, with which no group is in the form that this is about.
      insert.run(id, ...conversions.map((one, at) => (one === 'text' ? texts[at]! : 7n)))
    })
  }
  database.exec('commit')
  database.close()
  return path
}

test('a text with a NUL cannot pass for the end of its cell, even where the rest of it looks like cells', async () => {
  const hostile = [
    'a\0integer7\0textb\0integer1\0texta',
    'a\0null\0null\0integer2\0null',
    '\0integer7\0text\0integer3\0text',
    // Here the end of the real cell stands within the word of the false one.
    'a\0t',
    'a\0ta',
    'a\0t\0',
    'a\0nul',
    'a\0',
    '\0',
    'plain',
  ]
  for (const conversions of [TEXTS, NEIGHBOURS]) {
    for (const values of [
      hostile,
      ...hostile.map((one) => [one]),
      ...hostile.map((one) => [one, 'b']),
    ]) {
      const path = textsOf(values, [1n, 2n, 3n, 4n], conversions)
      const grouped = await rowsOf(path, mapping('keyed', 100, conversions))
      expect(grouped, values.join()).toEqual(await rowsOf(path, mapping('bare', 100, conversions)))
      rmSync(path)
    }
  }
})

test('rowids with gaps, dense stretches and both ends are all read once', async () => {
  const dense = (from: bigint, count: number): bigint[] =>
    Array.from({ length: count }, (_, place) => from + BigInt(place))
  const ids = [
    -(2n ** 63n),
    -(2n ** 62n),
    ...dense(-1_500n, 2_700),
    ...dense(10n ** 6n, 3_100).map((id) => id * 7n),
    ...dense(2n ** 40n, 2_500),
    2n ** 63n - 2n,
    2n ** 63n - 1n,
  ]
  const path = textsOf(['a', 'b', ''], ids)
  const grouped = await rowsOf(path, mapping('keyed', 100, TEXTS))
  expect(grouped.rows.length).toBe(ids.length)
  expect(grouped).toEqual(await rowsOf(path, mapping('bare', 100, TEXTS)))
})
