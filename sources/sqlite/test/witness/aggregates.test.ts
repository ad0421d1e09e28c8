/** What SQLite is asked for at once must be what it says about each cell by itself. */
import { DatabaseSync } from 'node:sqlite'
import type { Conversion, TableMapping } from '@sensei/core/plan'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { aggregateTable } from '../../witness/aggregates.ts'

const seed = 43
const CONVERSIONS: readonly (readonly [Conversion, string])[] = [
  ['integer', 'bigint'],
  ['integer', 'bigint'],
  ['boolean', 'boolean'],
  ['text', 'text'],
  ['bytes', 'bytea'],
  ['decimal', 'numeric'],
]

const table = {
  source: 't',
  target: 't',
  key: null,
  columns: CONVERSIONS.map(([conversion, type], place) => ({
    source: `c${place}`,
    target: `c${place}`,
    type,
    conversion,
    unfit: 'reject',
    generated: null,
  })),
} as unknown as TableMapping

type Stored = bigint | number | string | Uint8Array | null

const HUGE = [2n ** 63n - 1n, -(2n ** 63n), 2n ** 62n, -(2n ** 62n), 2n ** 53n + 1n]
const whole: fc.Arbitrary<Stored> = fc.oneof(
  fc.constant(null),
  fc.integer().map(BigInt),
  fc.constantFrom(...HUGE),
)
const anything: fc.Arbitrary<Stored> = fc.oneof(
  whole,
  fc.constantFrom(-0, 0.5, 1e18, 9e18, -3, 1e300, Infinity),
  fc.constantFrom('', '12', '9223372036854775807', '1e3', 'a\0b', 'Łódź', ' 7 '),
  fc.uint8Array({ maxLength: 6 }),
)

/** Of each cell by itself, added up by JavaScript. */
function expected(database: DatabaseSync): Map<string, string | null> {
  const found = new Map<string, string | null>()
  const ask = (sql: string): bigint[] => {
    const statement = database.prepare(`select ${sql} as v from t`)
    statement.setReadBigInts(true)
    return statement.all().flatMap(({ v }) => (v === null ? [] : [v as bigint]))
  }
  const put = (key: string, values: readonly bigint[], of: (all: readonly bigint[]) => bigint) =>
    found.set(key, values.length === 0 ? null : String(of(values)))
  const sum = (all: readonly bigint[]): bigint => all.reduce((one, other) => one + other, 0n)
  found.set('null rows', String(ask('1').length))
  CONVERSIONS.forEach(([conversion], place) => {
    const c = `c${place}`
    found.set(`${c} not null`, String(ask(`case when ${c} is not null then 1 end`).length))
    if (conversion === 'integer') {
      const values = ask(`cast(${c} as integer)`)
      put(`${c} sum`, values, sum)
      put(`${c} min`, values, (all) => all.reduce((one, other) => (one < other ? one : other)))
      put(`${c} max`, values, (all) => all.reduce((one, other) => (one > other ? one : other)))
    }
    if (conversion === 'boolean')
      found.set(`${c} true`, String(ask(`case when ${c} = 1 then 1 end`).length))
    if (conversion === 'text' || conversion === 'bytes')
      put(`${c} bytes`, ask(`octet_length(${c})`), sum)
  })
  return found
}

function compare(rows: readonly (readonly Stored[])[]): void {
  const database = new DatabaseSync(':memory:')
  const columns = CONVERSIONS.map((_, place) => `c${place}`)
  database.exec(`create table t (${columns.join(', ')})`)
  const insert = database.prepare(`insert into t values (${columns.map(() => '?').join(', ')})`)
  for (const row of rows) insert.run(...row)
  const found = aggregateTable(database, 'UTF-8', table).map(
    ({ column, name, value }) => [`${column} ${name}`, value] as const,
  )
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected(database)))
  database.close()
}

const rowsOf = (cell: fc.Arbitrary<Stored>): fc.Arbitrary<Stored[][]> =>
  fc.array(fc.array(cell, { minLength: CONVERSIONS.length, maxLength: CONVERSIONS.length }), {
    maxLength: 12,
  })

test(`integers are added exactly, also where their sum leaves 64 bits (seed ${seed})`, () => {
  fc.assert(fc.property(rowsOf(whole), compare), { seed, numRuns: 300 })
  compare(Array.from({ length: 5 }, () => CONVERSIONS.map(() => 2n ** 63n - 1n)))
  compare([HUGE, HUGE, HUGE].map((row) => [...row, 0n]))
})

test(`what is no integer changes no aggregate (seed ${seed})`, () => {
  fc.assert(fc.property(rowsOf(anything), compare), { seed, numRuns: 300 })
})
