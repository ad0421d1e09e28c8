import type { SQLInputValue } from 'node:sqlite'
import { Random } from '@sensei/apps/demo/random'
import { afterAll, expect, it } from 'vitest'
import { openReadOnly } from '../../open.ts'
import { layoutOf } from '../../pages/layout.ts'
import { PageFile } from '../../pages/page-file.ts'
import { scanPages } from '../../survey/page-scan.ts'
import { type ScanRequest, type ScanResult, scanRange } from '../../survey/scan.ts'
import { profileOf } from '../../survey/tally.ts'
import { anyStored } from '../pages/values.ts'
import { makeDatabase, temporaryFolder } from '../support.ts'

const folder = temporaryFolder()
afterAll(() => folder.remove())

const SEED = Number(process.env['SENSEI_SEED'] ?? 20_260_727)
const TYPES = [
  'integer',
  'text',
  'real',
  'decimal(10,2)',
  'blob',
  'json',
  'datetime',
  'jsonb',
  '',
] as const

it('the scan of the pages counts what the scan by SQL counts, whatever the columns hold', () => {
  console.log(`seed ${SEED}`)
  const random = new Random(SEED)
  for (let table = 0; table < 40; table += 1) {
    const types = Array.from({ length: random.between(1, 8) }, () => random.pick(TYPES))
    const path = makeDatabase(folder, (database) => {
      database.exec(`create table t (${types.map((type, at) => `c${at} ${type}`).join()})`)
      const insert = database.prepare(`insert into t values (${types.map(() => '?').join()})`)
      database.exec('begin')
      const texts = Array.from({ length: 6 }, () => anyText(random))
      for (let row = random.below(300); row > 0; row -= 1) {
        insert.run(...types.map((type) => anyValue(random, type, texts)))
      }
      database.exec('commit')
      // The same bytes as a text, whatever they are.
      if (random.chance(0.3))
        database.exec(`update t set c0 = cast(c0 as text) where rowid % 3 = 0`)
      if (random.chance(0.3)) database.exec('alter table t add column late text')
      if (random.chance(0.3)) database.exec('alter table t add column later real default 1.5')
    })
    const [pages, sql] = scans(path)
    expect(said(pages), path).toEqual(said(sql))
  }
}, 60_000)

it('values that come again and again are counted as they are by SQL, every kind of them', () => {
  const random = new Random(SEED + 1)
  for (let table = 0; table < 60; table += 1) {
    const types = Array.from({ length: 12 }, () =>
      random.pick(['', '', '', 'real', 'jsonb'] as const),
    )
    // After three examples of a kind the kernel counts it alone.
    const pools = types.map(() =>
      Array.from({ length: random.between(1, 4) }, () => anyStored(random, 0.3)),
    )
    const path = makeDatabase(folder, (database) => {
      database.exec(`create table t (${types.map((type, at) => `c${at} ${type}`).join()})`)
      database.exec('begin')
      for (let row = 0; row < 30; row += 1) {
        const values = pools.map((pool) => pool[random.below(pool.length)]!)
        const places = values.map(({ text }) => (text ? 'cast(? as text)' : '?')).join()
        const insert = database.prepare(`insert into t values (${places})`)
        insert.run(...values.map(({ value }) => value))
      }
      database.exec('commit')
    })
    const [pages, sql] = scans(path)
    expect(said(pages), path).toEqual(said(sql))
  }
}, 60_000)

it('rows from before a column with a default are left to SQLite', () => {
  const path = makeDatabase(folder, (database) => {
    database.exec(`create table t (a); insert into t values (1)`)
    database.exec(`alter table t add column b text default 'x'`)
  })
  expect(fromPages(path)).toBeNull()
  expect(scans(path)[0].tallies[1]).toMatchObject({ text: 1, textBytesMax: 1 })
})

/** Everything that is told of it; how a number is held is not. */
function said({ tallies, ...sizes }: ScanResult): unknown {
  return { ...sizes, columns: tallies.map((tally) => [profileOf(tally, {}), tally.examples]) }
}

function requestOf(path: string): ScanRequest {
  const database = openReadOnly(path)
  const info = database.prepare('select name, type from pragma_table_info(?)').all('t')
  database.close()
  const columns = info.map(({ name, type }) => ({
    name: String(name),
    jsonb: type === 'jsonb',
    numeric: /int|real|dec/.test(String(type)),
  }))
  return {
    table: 't',
    columns,
    encoding: 'UTF-8',
    number: 0,
    range: { after: null, through: null },
  }
}

function scans(path: string): [ScanResult, ScanResult] {
  const database = openReadOnly(path)
  const pages = PageFile.open(path)!
  const request = requestOf(path)
  const results = [pages, null].map((file) => ended(scanRange(database, request, file)))
  pages.close()
  database.close()
  return results as [ScanResult, ScanResult]
}

function fromPages(path: string): ScanResult | null {
  const database = openReadOnly(path)
  const pages = PageFile.open(path)!
  const request = requestOf(path)
  const layout = layoutOf(
    database,
    't',
    request.columns.map(({ name }) => name),
  )!
  const result = ended(scanPages(pages, layout, request))
  pages.close()
  database.close()
  return result
}

function ended<T>(scan: Generator<number, T>): T {
  let step = scan.next()
  while (step.done !== true) step = scan.next()
  return step.value
}

function anyValue(random: Random, type: string, texts: readonly string[]): SQLInputValue {
  const kind = random.chance(0.85) ? type : random.pick(TYPES)
  if (random.chance(0.1)) return null
  switch (kind) {
    case 'integer':
      return random.pick([0n, 1n, -1n, 200n, 2n ** 40n, 2n ** 63n - 1n, -(2n ** 63n)] as const)
    case 'real':
    case 'decimal(10,2)':
      return anyReal(random)
    case 'blob':
      return Buffer.alloc(random.pick([0, 16, 300, 9_000] as const), random.below(256))
    default:
      return texts[random.below(texts.length)]!
  }
}

function anyReal(random: Random): number {
  const cents = random.below(10_000_000) / 100
  const others = [
    0,
    -0,
    5e-324,
    1e300,
    -Infinity,
    0.1 + 0.2,
    1 / 3,
    1e15,
    123_456.789_012_3,
    1e-7,
    7,
  ] as const
  return random.chance(0.7) ? cents : random.pick(others)
}

function anyText(random: Random): string {
  const plain = [
    '',
    'x',
    '12',
    '-12.50',
    '1',
    '2024-02-29',
    '2023-02-29',
    '29/02/2024',
    '02.03.2024',
    '20240229',
  ] as const
  const moments = [
    '12:30',
    '2024-02-29 12:30:45.5',
    '2024-02-29T12:30:45Z',
    '2024-02-29 12:30:45+02:00',
  ] as const
  const others = [
    '{"a": 1, "a": 2}',
    '[1.0e2]',
    '{"a": ',
    'a\u0000b',
    'é'.repeat(9_000),
    'name'.repeat(30),
  ] as const
  const uuid = '3f2504e0-4f89-41d3-9a0c-0305e82c3301'
  return random.pick([random.pick(plain), random.pick(moments), random.pick(others), uuid] as const)
}
