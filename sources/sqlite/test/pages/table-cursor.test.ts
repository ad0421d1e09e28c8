import { openSync, readSync, writeSync } from 'node:fs'
import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { Random } from '@sensei/apps/demo/random'
import { afterAll, describe, expect, it } from 'vitest'
import { openReadOnly } from '../../open.ts'
import { layoutOf, ROWID, type TableLayout } from '../../pages/layout.ts'
import { PageFile } from '../../pages/page-file.ts'
import { integerAt, type Rowid, SERIAL, sizeOf } from '../../pages/record.ts'
import { TableCursor } from '../../pages/table-cursor.ts'
import { makeDatabase, temporaryFolder } from '../support.ts'

const folder = temporaryFolder()
afterAll(() => folder.remove())

const SEED = Number(process.env['SENSEI_SEED'] ?? 20_260_726)

describe('rows read from the pages', () => {
  it.each([512, 1024, 4096, 65_536])(
    'are those that SQLite reads, with pages of %i bytes',
    (size) => {
      console.log(`seed ${SEED}`)
      const random = new Random(SEED + size)
      const path = makeDatabase(folder, (database) => {
        database.exec(`pragma page_size = ${size}; vacuum`)
        database.exec('create table t (a, id integer primary key, b text, c real, d blob)')
        fill(database, random, 400)
        database.exec('alter table t add column e')
        fill(database, random, 400)
        database.exec('delete from t where id % 7 = 3')
      })
      const names = ['a', 'id', 'b', 'c', 'd', 'e']
      using(path, names, (database, file, layout) => {
        const rows = database.prepare('select rowid, * from t order by id')
        rows.setReturnArrays(true)
        rows.setReadBigInts(true)
        const expected = (rows.all() as unknown as unknown[][]).map((row) => row.map(plain))
        expect(read(file, layout, null, null)).toEqual(expected)
        for (let round = 0; round < 20; round += 1) {
          const place = random.below(expected.length)
          const places = [place, random.below(expected.length)].toSorted(
            (one, other) => one - other,
          )
          const [after, through] = places.map((at) => expected[at]![0]) as [bigint, bigint]
          const inRange = expected.filter(
            ([id]) => (id as bigint) > after && (id as bigint) <= through,
          )
          expect(read(file, layout, rowid(after), rowid(through))).toEqual(inRange)
        }
      })
    },
  )

  it('a table that is one page, an empty one, and a range without rows', () => {
    const path = makeDatabase(
      folder,
      'create table t (a); create table u (a); insert into t values (7)',
    )
    using(path, ['a'], (_database, file, layout) => {
      expect(read(file, layout, null, null)).toEqual([[1n, 7n]])
      expect(read(file, layout, 1, null)).toEqual([])
      expect(read(file, { ...layout, root: layout.root + 1 }, null, null)).toEqual([])
    })
  })

  it('is not offered where columns are computed when read, or where text is UTF-16', () => {
    const computed = makeDatabase(folder, 'create table t (a, b as (a + 1), c as (a + 2) stored)')
    const database = openReadOnly(computed)
    expect(layoutOf(database, 't', ['a', 'b'])).toBeNull()
    expect(layoutOf(database, 't', ['a', 'c'])?.columns.map(({ place }) => place)).toEqual([0, 1])
    database.close()
    const wide = makeDatabase(folder, `pragma encoding = 'UTF-16'; create table t (a)`)
    expect(PageFile.open(wide)).toBeNull()
  })

  it('a page that is no page of a table is damage, never rows', () => {
    const path = makeDatabase(folder, 'create table t (a); insert into t values (1)')
    using(path, ['a'], (_database, file, layout) => {
      const at = (layout.root - 1) * file.pageBytes
      const descriptor = openSync(path, 'r+')
      const type = Buffer.alloc(1)
      readSync(descriptor, type, 0, 1, at)
      expect(type[0]).toBe(13)
      writeSync(descriptor, Buffer.from([10]), 0, 1, at)
      expect(() => read(file, layout, null, null)).toThrow(/damaged/)
    })
  })
})

function fill(database: DatabaseSync, random: Random, rows: number): void {
  const table = database.prepare('select name from pragma_table_info(?)').all('t')
  const insert = database.prepare(`insert or ignore into t values (${table.map(() => '?').join()})`)
  database.exec('begin')
  for (let row = 0; row < rows; row += 1) {
    const values = table.map(({ name }) => (name === 'id' ? anyRowid(random) : anyValue(random)))
    insert.run(...values)
  }
  database.exec('commit')
}

const EDGES = [
  0n,
  1n,
  127n,
  128n,
  -1n,
  -129n,
  2n ** 31n,
  -(2n ** 47n),
  2n ** 53n + 1n,
  2n ** 63n - 1n,
  -(2n ** 63n),
] as const

function anyRowid(random: Random): bigint {
  return random.chance(0.1) ? random.pick(EDGES) : BigInt(random.between(-1_000, 100_000))
}

function anyValue(random: Random): SQLInputValue {
  switch (random.below(7)) {
    case 0:
      return null
    case 1:
      return random.pick(EDGES)
    case 2:
      return random.below(1_000_000) / 64
    case 3:
      return random.pick([0, -0.5, 1e300, 5e-324, Infinity, 3] as const)
    case 4:
      return 'é'.repeat(random.below(random.chance(0.02) ? 200_000 : 40))
    default:
      return Buffer.alloc(random.below(random.chance(0.05) ? 150_000 : 700), random.below(256))
  }
}

function using(
  path: string,
  names: readonly string[],
  body: (database: DatabaseSync, file: PageFile, layout: TableLayout) => void,
): void {
  const database = openReadOnly(path)
  const file = PageFile.open(path)!
  body(database, file, layoutOf(database, 't', names)!)
  file.close()
  database.close()
}

function read(
  file: PageFile,
  layout: TableLayout,
  after: Rowid | null,
  through: Rowid | null,
): unknown[][] {
  const cursor = new TableCursor(file, layout.root, layout.values)
  cursor.seek({ after, through })
  const rows: unknown[][] = []
  while (cursor.next())
    rows.push([
      BigInt(cursor.rowid),
      ...layout.columns.map((column) => plain(valueOf(cursor, column))),
    ])
  return rows
}

function valueOf(cursor: TableCursor, { place, real }: TableLayout['columns'][number]): unknown {
  if (place === ROWID) return BigInt(cursor.rowid)
  const type = cursor.values <= place ? SERIAL.null : cursor.types[place]!
  if (type === SERIAL.null) return null
  const bytes = Buffer.alloc(sizeOf(type))
  if (cursor.partial) cursor.copy(cursor.places[place]!, bytes.length, bytes, 0)
  else cursor.bytes.copy(bytes, 0, cursor.record + cursor.places[place]!)
  if (type === SERIAL.real) return bytes.readDoubleBE(0)
  if (type >= SERIAL.blob) return type % 2 === 0 ? bytes : bytes.toString()
  const whole = BigInt(integerAt(bytes, 0, type))
  return real ? Number(whole) : whole
}

/** Comparable whatever Buffer or Uint8Array it came in; long ones in short. */
function plain(value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value
}

function rowid(value: bigint): Rowid {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value
}
