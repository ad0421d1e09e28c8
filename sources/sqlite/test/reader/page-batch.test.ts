/** The kernel against the code beside it: a row has the same bytes, or the same reason, whoever writes it. */
import { isUtf8 } from 'node:buffer'
import { Random } from '@sensei/apps/demo/random'
import type { ColumnMapping } from '@sensei/core/plan'
import { afterAll, expect, it } from 'vitest'
import { openReadOnly } from '../../open.ts'
import { layoutOf } from '../../pages/layout.ts'
import { PageFile } from '../../pages/page-file.ts'
import { KIND, RowKernel } from '../../pages/row-kernel.ts'
import { TableCursor } from '../../pages/table-cursor.ts'
import { kernelColumns } from '../../reader/kernel-columns.ts'
import { outBytes, PageBatch } from '../../reader/page-batch.ts'
import { HOSTILE, pageRowWriter } from '../../reader/page-path.ts'
import { type ReadableTable, readableTable } from '../../reader/table.ts'
import { TupleWriter } from '../../reader/tuple-writer.ts'
import { anyStored } from '../pages/values.ts'
import { column, makeDatabase, mapping, temporaryFolder } from '../support.ts'

const folder = temporaryFolder()
afterAll(() => folder.remove())

const SEED = Number(process.env['SENSEI_SEED'] ?? 20_261_123)
const LIMITS = { bytes: 20_000, rows: 50 } as const

/** Declared types, and what is made of their columns. */
const COLUMNS: readonly (readonly [string, string, ColumnMapping['conversion']])[] = [
  ['', 'bigint', 'integer'],
  ['real', 'bigint', 'integer'],
  ['', 'smallint', 'integer'],
  ['', 'boolean', 'boolean'],
  ['', 'double precision', 'real'],
  ['real', 'double precision', 'real'],
  ['', 'real', 'real'],
  ['', 'numeric(10,2)', 'decimal'],
  ['real', 'numeric(18,6)', 'decimal'],
  ['', 'numeric(5,0)', 'decimal'],
  ['', 'numeric', 'decimal'],
  ['', 'text', 'text'],
  ['', 'varchar(17)', 'text'],
  ['', 'char(16)', 'text'],
  ['', 'text', 'any-as-text'],
  ['', 'text', 'text-strip-nul'],
  ['', 'json', 'json'],
  ['', 'jsonb', 'jsonb'],
  ['', 'bytea', 'bytes'],
  ['', 'bytea', 'any-as-bytes'],
  ['', 'date', 'date'],
  ['', 'timestamp', 'timestamp'],
  ['', 'timestamp(3)', 'timestamp'],
  ['', 'timestamptz', 'timestamptz'],
  ['', 'time', 'time'],
  ['', 'uuid', 'uuid'],
]

/** Of a moment; an edited plan may name any of them for any column. */
const FORMATS = [
  'timestamp-iso',
  'date-iso',
  'timestamp-zone',
  'date-dmy-slash',
  'date-compact',
  'time-iso',
] as const
const MOMENTS: readonly ColumnMapping['conversion'][] = ['date', 'timestamp', 'timestamptz']

function anyColumn(random: Random, name: string): ColumnMapping {
  const [, type, conversion] = COLUMNS[random.below(COLUMNS.length)]!
  const planned = random.chance(0.7) && MOMENTS.includes(conversion)
  const formats = planned ? { formats: FORMATS.filter(() => random.chance(0.4)) } : {}
  // Mostly NULL where it does not fit: then a row goes on behind it.
  const unfit = random.chance(0.8) ? 'null' : 'reject'
  return column(name, type, conversion, { unfit, ...formats })
}

interface Written {
  readonly bytes: string
  readonly unfit: readonly unknown[]
  readonly hostile: readonly bigint[]
}

/** What PageBatch makes of the table, batch by batch. */
function batched(file: PageFile, table: ReadableTable, known: boolean, root: Layout): Written {
  const kernel = new RowKernel()
  const columns = kernelColumns(table, root).map((one) =>
    known ? one : { ...one, kind: KIND.other },
  )
  const room = outBytes(LIMITS, columns.length, file.pageBytes)
  const cursor = cursorOf(file, root, kernel, columns, room)
  const batch = new PageBatch(cursor, kernel, pageRowWriter(table, root), LIMITS)
  const written: Buffer[] = []
  const unfit: unknown[] = []
  const hostile: bigint[] = []
  let ordinal = 0
  cursor.seek({ after: null, through: null })
  for (let more = true; more; ) {
    more = batch.fill(ordinal)
    ordinal += batch.rows + batch.unfit.length
    written.push(Buffer.from(batch.bytes))
    unfit.push(...batch.unfit)
    expect(batch.rows + batch.unfit.length).toBeLessThanOrEqual(2 * LIMITS.rows)
    if (batch.hostile === null) continue
    hostile.push(BigInt(batch.hostile))
    cursor.seek({ after: batch.hostile, through: null })
  }
  return { bytes: Buffer.concat(written).toString('hex'), unfit, hostile }
}

type Layout = NonNullable<ReturnType<typeof layoutOf>>

function cursorOf(
  file: PageFile,
  layout: Layout,
  kernel: RowKernel,
  columns: ReturnType<typeof kernelColumns>,
  room: number,
): TableCursor {
  kernel.prepare(file, { columns, values: layout.values, outBytes: room, through: null })
  return new TableCursor(file, layout.root, layout.values, { window: kernel.window })
}

/** Row by row, without a kernel. */
function byHand(file: PageFile, table: ReadableTable, layout: Layout): Written {
  const writer = new TupleWriter(1_000)
  const cursor = new TableCursor(file, layout.root, layout.values)
  const write = pageRowWriter(table, layout)
  const unfit: unknown[] = []
  const hostile: bigint[] = []
  let ordinal = 0
  cursor.seek({ after: null, through: null })
  while (cursor.next()) {
    const result = write.row(cursor, writer, ordinal)
    if (result === HOSTILE) {
      hostile.push(BigInt(cursor.rowid))
      continue
    }
    ordinal += 1
    if (result !== null) unfit.push(result)
  }
  return { bytes: Buffer.from(writer.written()).toString('hex'), unfit, hostile }
}

it('the kernel writes what is written without it, for every column and every value', () => {
  console.log(`seed ${SEED}`)
  const random = new Random(SEED)
  let bytes = 0
  for (let round = 0; round < 60; round += 1) {
    const names = Array.from({ length: random.between(1, 9) }, (_, at) => `c${at}`)
    const columns = names.map((name) => anyColumn(random, name))
    const declared = columns.map((one) => {
      const found = COLUMNS.find(([, type, conversion]) => {
        return type === one.type && conversion === one.conversion
      })
      return `${one.source} ${found![0]}`
    })
    const path = makeDatabase(folder, (database) => {
      const size = random.pick([512, 4096, 65_536] as const)
      database.exec(`pragma page_size = ${size}; vacuum; create table t (${declared.join()}, last)`)
      database.exec('begin')
      for (let row = 0; row < 150; row += 1) {
        const values = names.map(() => anyStored(random, 0.1))
        const places = values.map(({ text }) => (text ? 'cast(? as text)' : '?')).join()
        database
          .prepare(`insert into t values (${places}, null)`)
          .run(...values.map(({ value }) => value))
      }
      database.exec('commit; alter table t add column late text')
    })
    const database = openReadOnly(path)
    const file = PageFile.open(path)!
    const late = random.chance(0.3) ? [column('late', 'text', 'text')] : []
    const table = readableTable(database, mapping('t', [...columns, ...late]))
    const layout = layoutOf(database, 't', [...names, ...late.map(({ target }) => target)])!
    const expected = byHand(file, table, layout)
    expect(batched(file, table, true, layout), path).toEqual(expected)
    expect(batched(file, table, false, layout), path).toEqual(expected)
    bytes += expected.bytes.length
    file.close()
    database.close()
  }
  expect(bytes).toBeGreaterThan(100_000)
}, 120_000)

const EDGE_BYTES = [
  [0, 1, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf],
  [0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff],
].flat()

it('a text is taken if it is UTF-8 without NUL, whichever bytes stand wherever in it', () => {
  const random = new Random(SEED + 1)
  const characters = ['a', 'é', '東', '😀'].map((one) => Buffer.from(one))
  const texts = Array.from({ length: 6_000 }, () => {
    const plain = Array.from({ length: random.below(20) }, () =>
      random.pick(characters as [Buffer]),
    )
    const flaw = Array.from(
      { length: random.below(5) },
      () => EDGE_BYTES[random.below(EDGE_BYTES.length)]!,
    )
    const place = random.below(plain.length + 1)
    return Buffer.concat([...plain.slice(0, place), Buffer.from(flaw), ...plain.slice(place)])
  })
  const path = makeDatabase(folder, (database) => {
    database.exec('create table t (a); begin')
    const insert = database.prepare('insert into t values (cast(? as text))')
    for (const text of texts) insert.run(text)
    database.exec('commit')
  })
  const database = openReadOnly(path)
  const file = PageFile.open(path)!
  const table = readableTable(database, mapping('t', [column('a', 'text', 'text')]))
  const written = batched(file, table, true, layoutOf(database, 't', ['a'])!)
  file.close()
  database.close()
  const hostile = texts.flatMap((text, at) =>
    isUtf8(text) && !text.includes(0) ? [] : [BigInt(at + 1)],
  )
  expect(hostile.length).toBeGreaterThan(1_000)
  expect(hostile.length).toBeLessThan(5_500)
  expect(written.hostile).toEqual(hostile)
}, 60_000)
