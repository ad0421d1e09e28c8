/** Random SQLite databases as they are found: declared types that mean little, mixed classes, odd dates, odd names. */
import { DatabaseSync } from 'node:sqlite'
import { quoteIdent } from '@sensei/core/sql'
import type { Random, Stored } from './values.ts'

const whole = (random: Random, below: number): number => Math.floor(random() * below)
const pick = <T>(random: Random, all: readonly T[]): T => all[whole(random, all.length)] as T

type Make = (random: Random) => Stored

const TEXTS = [
  '',
  ' ',
  'a',
  'A ',
  'é',
  'e\u0301',
  '日本',
  '😀',
  "it's",
  'a\tb',
  'a\nb',
  '\\N',
  'NULL',
  '0',
  '12',
  '1.5',
  'x'.repeat(3000),
]
const two = (value: number): string => String(value).padStart(2, '0')
const day: Make = (random) =>
  `${1900 + whole(random, 200)}-${two(1 + whole(random, 12))}-${two(1 + whole(random, 28))}`
const moment: Make = (random) =>
  `${String(day(random))}${pick(random, [' ', 'T'])}${two(whole(random, 24))}:${two(whole(random, 60))}:${two(whole(random, 60))}`
const integer: Make = (random) =>
  pick(random, [
    0n,
    1n,
    -1n,
    2n ** 53n + 1n,
    2n ** 63n - 1n,
    -(2n ** 63n),
    BigInt(whole(random, 1e6)),
  ])
const small: Make = (random) => BigInt(whole(random, 1000))
const real: Make = (random) =>
  pick(random, [0, 0.1, -1.5, 1e300, 5e-324, random(), random() * 1e9, whole(random, 1e5) / 100])
const text: Make = (random) => pick(random, TEXTS)
const blob: Make = (random) =>
  Uint8Array.from({ length: whole(random, 30) }, () => whole(random, 256))
const anything: Make = (random) => pick(random, [integer, real, text, blob, day])(random)

/** A declared type and what is found under it. */
const COLUMNS: readonly { readonly declared: string; readonly make: Make }[] = [
  { declared: 'INTEGER', make: integer },
  { declared: 'INT', make: small },
  { declared: 'BOOLEAN', make: (random) => BigInt(whole(random, 2)) },
  { declared: 'REAL', make: real },
  { declared: 'DOUBLE', make: real },
  { declared: 'DECIMAL(10,2)', make: (random) => whole(random, 1e7) / 100 },
  { declared: 'NUMERIC', make: (random) => pick(random, [small, real])(random) },
  { declared: 'TEXT', make: text },
  { declared: 'VARCHAR(20)', make: text },
  { declared: 'TEXT', make: day },
  { declared: 'DATE', make: day },
  { declared: 'DATETIME', make: moment },
  { declared: 'TEXT', make: moment },
  {
    declared: 'TIMESTAMP',
    make: (random) => `${String(moment(random))}${pick(random, ['Z', '+02:00', '-05:30'])}`,
  },
  {
    declared: 'TEXT',
    make: (random) => pick(random, ['{}', '[1, 2]', '{"b": 1.50, "a": "é"}', `{"n": ${random()}}`]),
  },
  { declared: 'JSON', make: (random) => pick(random, ['{"a": 1}', '[]', '{"a": {"b": null}}']) },
  { declared: 'BLOB', make: blob },
  { declared: '', make: anything },
  { declared: 'TEXT', make: anything },
  { declared: 'INTEGER', make: (random) => (random() < 0.1 ? text(random) : small(random)) },
]
const NAMES = [
  'name',
  'Name2',
  'select',
  'a b',
  'x"y',
  'größe',
  'value',
  'ctid',
  'user',
  'k1',
  'k2',
  'very_long_'.repeat(8),
]

export function makeSource(location: string, random: Random): void {
  const database = new DatabaseSync(location)
  if (random() < 0.15) database.exec(`pragma encoding = 'UTF-16le'`)
  database.exec('begin')
  const tables = 1 + whole(random, 3)
  for (let number = 0; number < tables; number += 1)
    makeTable(database, `${pick(random, ['t', 'Order ', 'log_'])}${number}`, random)
  database.exec('commit')
  database.close()
}

function makeTable(database: DatabaseSync, name: string, random: Random): void {
  const columns = Array.from({ length: 1 + whole(random, 6) }, (_, place) => ({
    name: `${pick(random, NAMES)}${place}`,
    ...pick(random, COLUMNS),
  }))
  const key = pick(random, ['rowid', 'text', 'none', 'without rowid'])
  const first =
    {
      rowid: 'id integer primary key, ',
      text: 'id text primary key, ',
      none: '',
      'without rowid': 'id integer primary key, ',
    }[key] ?? ''
  const list = columns.map((column) => `${quoteIdent(column.name)} ${column.declared}`).join(', ')
  database.exec(
    `create table ${quoteIdent(name)} (${first}${list})${key === 'without rowid' ? ' without rowid' : ''}`,
  )
  const marks = Array.from({ length: columns.length + (first === '' ? 0 : 1) }, () => '?').join(
    ', ',
  )
  const insert = database.prepare(`insert into ${quoteIdent(name)} values (${marks})`)
  const rows = whole(random, 60)
  for (let row = 0; row < rows; row += 1) {
    const values = columns.map(({ make }) => (random() < 0.1 ? null : make(random)))
    if (first === '') insert.run(...values)
    else insert.run(key === 'text' ? `key ${row} é` : BigInt(row), ...values)
  }
}
