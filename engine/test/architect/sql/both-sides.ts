/** One table with hostile values, in a real SQLite and in a real PostgreSQL, to evaluate expressions on both. */
import { DatabaseSync } from 'node:sqlite'
import { freshDatabase, server } from '@sensei/contracts/servers'
import fc from 'fast-check'
import { Client } from 'pg'
import type { SurveyTable } from '@sensei/core/survey'
import { aColumn, aTable, blobs, integers, reals, texts, withNulls } from '../surveys.ts'

const DATES = { formats: { 'date-iso': 100 }, dateless: 0 } as const
const MOMENTS = { formats: { 'timestamp-iso': 100 }, dateless: 0, timestampsPlain: 100 } as const
const UUIDS = { formats: { uuid: 100 } } as const

export const TABLE: SurveyTable = aTable('t', [
  aColumn('k', 'integer', integers()),
  aColumn('i', 'integer', withNulls(integers(), 9)),
  aColumn('j', 'integer', integers()),
  aColumn('f', 'real', withNulls(reals(100, { roundTrips: 50 }), 9)),
  aColumn('n', 'decimal(10,2)', withNulls(reals(), 9)),
  aColumn('s', 'text', withNulls(texts(), 9)),
  aColumn('u', 'text', texts()),
  aColumn('c', 'text', texts(), { collation: 'NOCASE' }),
  aColumn('b', 'boolean', withNulls(integers(100, { zeroOrOne: 100 }), 9)),
  aColumn('d', 'date', withNulls(texts(100, DATES), 9)),
  aColumn('m', 'datetime', withNulls(texts(100, MOMENTS), 9)),
  aColumn('g', 'text', texts(100, UUIDS)),
  aColumn('x', 'blob', withNulls(blobs(), 9)),
])

const PG_TYPES = [
  'bigint',
  'bigint',
  'bigint',
  'float8',
  'numeric(10,2)',
  'text',
  'text',
  'text',
  'boolean',
  'date',
  'timestamp',
  'uuid',
  'bytea',
]

const WORDS = [
  '',
  'a',
  'A',
  'b',
  'B',
  'ab',
  'aB',
  'AB',
  'ä',
  'Ä',
  'ß',
  'é',
  'é',
  'z',
  'Z',
  '%',
  '_',
  '\\',
  "it's",
  ' a',
  'a ',
  '10',
  '9',
  '日本',
  '🙂',
  'é%',
  'I',
  'ı',
  'i',
]

/** A row as SQLite stores it; dates and uuids are texts there. */
const row = fc.tuple(
  fc.option(fc.integer({ min: -9, max: 9 })),
  fc.integer({ min: -3, max: 3 }),
  fc.option(fc.constantFrom(-2.5, -1.5, -0.1, 0, 0.1, 0.5, 1, 1.5, 2.25, 1e15)),
  fc.option(fc.integer({ min: -500, max: 500 }).map((cents) => cents / 100)),
  fc.option(fc.constantFrom(...WORDS)),
  fc.constantFrom(...WORDS),
  fc.constantFrom(...WORDS),
  fc.option(fc.constantFrom(0, 1)),
  fc.option(fc.constantFrom('2024-01-31', '2024-02-29', '1999-12-31', '0999-01-01')),
  fc.option(
    fc.constantFrom(
      '2024-01-31 00:00:00',
      '2024-01-31 10:20:30',
      '2024-01-31 10:20:30.5',
      '2024-01-31 10:20:30.000001',
      '1999-12-31 23:59:59',
    ),
  ),
  fc.constantFrom('00000000-0000-4000-8000-000000000000', 'ffffffff-ffff-4fff-bfff-ffffffffffff'),
  fc.option(fc.constantFrom('', '00', 'ff00', '61')),
)

export interface BothSides {
  /** Each expression over every row, as comparable text. */
  inSqlite(expressions: readonly string[]): readonly (readonly string[])[]
  inPostgres(expressions: readonly string[]): Promise<readonly (readonly string[])[]>
  sqliteRows(sql: string): readonly (readonly string[])[]
  postgresRows(sql: string): Promise<readonly (readonly string[])[]>
  /** Runs a statement in PostgreSQL and takes it back. */
  inTransaction(sql: string): Promise<void>
  close(): Promise<void>
}

export async function bothSides(seed: number, rows: number): Promise<BothSides> {
  const sqlite = new DatabaseSync(':memory:')
  const database = await freshDatabase(await server(18))
  const client = new Client({ connectionString: database.url })
  await client.connect()
  const columns = TABLE.columns.map(
    ({ name, declared, collation }) =>
      `${name} ${declared} ${collation === null ? '' : `collate ${collation}`}`,
  )
  sqlite.exec(`create table t (${columns.join(', ')})`)
  await client.query(
    `create table t (${TABLE.columns.map(({ name }, at) => `${name} ${PG_TYPES[at]}`).join(', ')})`,
  )
  const marks = TABLE.columns.map((_, at) => `$${at + 1}`).join(', ')
  const insert = sqlite.prepare(`insert into t values (${TABLE.columns.map(() => '?').join(', ')})`)
  for (const [at, values] of fc.sample(row, { seed, numRuns: rows }).entries()) {
    const hex = values.at(-1) as string | null
    const blob = hex === null ? null : Buffer.from(hex, 'hex')
    insert.run(at, ...(values.slice(0, -1) as (string | number | null)[]), blob)
    const flag = values[7] === null ? null : values[7] === 1
    await client.query(`insert into t values (${marks})`, [
      at,
      ...values.slice(0, 7),
      flag,
      ...values.slice(8, -1),
      blob,
    ])
  }
  const sqliteRows = (sql: string) => {
    const statement = sqlite.prepare(sql)
    statement.setReadBigInts(true)
    statement.setReturnArrays(true)
    return (statement.all() as unknown as unknown[][]).map((values) => values.map(comparable))
  }
  const postgresRows = async (sql: string) => {
    const result = await client.query<unknown[]>({
      text: sql,
      rowMode: 'array',
      types: { getTypeParser: (oid: number) => parserOf(oid) } as never,
    })
    return result.rows.map((values) => values.map(comparable))
  }
  return {
    inSqlite: (expressions) =>
      sqliteRows(`select ${expressions.map((sql) => `(${sql})`).join(', ')} from t order by t.k`),
    inPostgres: (expressions) =>
      postgresRows(`select ${expressions.join(', ')} from t order by t.k`),
    sqliteRows,
    postgresRows,
    inTransaction: async (sql) => {
      await client.query('begin')
      try {
        await client.query(sql)
      } finally {
        await client.query('rollback')
      }
    },
    close: async () => {
      sqlite.close()
      await client.end()
      await database.drop()
    },
  }
}

const BOOL = 16
const BYTEA = 17
const NUMBERS = new Set([20, 21, 23, 700, 701, 1700])

function parserOf(oid: number): (text: string) => unknown {
  if (oid === BOOL) return (text) => (text === 't' ? 1n : 0n)
  if (oid === BYTEA) return (text) => Buffer.from(text.slice(2), 'hex')
  if (NUMBERS.has(oid)) return (text) => Number(text)
  return (text) => text
}

/** Numbers by value (SQLite's doubles stand for PostgreSQL's decimals), everything else with its class. */
function comparable(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value === 'bigint') return `number ${Number(value)}`
  if (typeof value === 'number') return `number ${value === 0 ? 0 : value}`
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('hex')}`
  return `text ${value as string}`
}
