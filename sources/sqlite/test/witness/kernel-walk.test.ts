/** The kernel must write what the walk in JavaScript writes, and refuse what that refuses. */
import type { ColumnMapping } from '@sensei/core/plan'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EndedWalk } from '../../witness/ended-walk.ts'
import { KernelWalk } from '../../witness/kernel-walk.ts'

const seed = 73

const digits = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  fc.integer({ min: -70_000, max: 70_000 }).map(String),
  fc.constantFrom('0', '1', '2', '-1', '9999', '2147483648'),
)
const integerCell = digits.map((text) => `integer${text}\0`)
/** Not on the border of 15 digits alone: up to 10^15 itself, which has 16. */
const units = fc.oneof(
  fc.integer({ min: -100_000, max: 100_000 }).map(String),
  fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }).map(String),
  fc.constantFrom('0', '10000', '-10000', '1000000000000000', '5', '120000'),
)
const real = fc
  .oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true, min: 1e-4, max: 1e15 }),
    fc.float({ noNaN: true, noDefaultInfinity: true, min: 0, max: 1000 }),
    fc.integer({ min: 1, max: 10 ** 9 }).map((value) => value / 1_000),
  )
  .map((value) => value.toPrecision(15).replace(/0+$/, ''))
const numberCell = fc.oneof(
  units.map((text) => `e${text},`),
  fc.tuple(fc.constantFrom('', '-'), real).map(([sign, text]) => `q${sign}${text},`),
  fc.constantFrom('q0.5,', 'q-0.0,', 'q12.,', 'q.5,', 'q1e5,', 'q1.2.3,', 'q123456789012345.6,'),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => `7${value},`),
  digits.map((text) => `k${text},`),
)
const two = fc.integer({ min: 0, max: 60 }).map((value) => String(value).padStart(2, '0'))
const moment = fc
  .tuple(fc.integer({ min: 0, max: 9999 }), two, two, two, two, two)
  .map(([y, mo, d, h, mi, s]) => `${String(y).padStart(4, '0')}-${mo}-${d} ${h}:${mi}:${s}`)
const texts = fc.oneof(
  fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0')),
  fc.constantFrom('', 'Łódź', 'x'.repeat(63), 'x'.repeat(64), 'x'.repeat(65), 'y'.repeat(1_200)),
  moment,
  moment.map((text) => text.slice(0, 10)),
  fc.constantFrom(
    '2024-02-29',
    '2023-02-29',
    '2024-01-31',
    '2024-04-31',
    '1900-02-29',
    '2000-02-29',
  ),
  fc.constantFrom('2024-1-31x', '2024-02-29 23:59:59', '2024-02-29T23:59:59', '{"a": 1}', '[1e2]'),
)
const textCell = texts.map((text) => `text${text}\0`)
/** What is in no form, or ends in no place. */
const broken = fc.constantFrom(
  'real1.5\0',
  'blobxx\0',
  '?',
  'null',
  'n',
  'nx,',
  'e1',
  'e1x,',
  'ea\0,',
  'text',
  '',
  '\0',
  ',',
  'textx',
)

const column = (
  conversion: string,
  type: string,
  cell: fc.Arbitrary<string>,
  more: object = {},
): readonly [ColumnMapping, fc.Arbitrary<string>] => [
  { source: 'a', target: 'a', conversion, type, unfit: 'reject', ...more } as never,
  cell,
]
const COLUMNS = [
  column('integer', 'bigint', integerCell),
  column('integer', 'smallint', integerCell),
  column('integer', 'numeric(5,0)', integerCell, { unfit: 'null' }),
  column('boolean', 'boolean', integerCell, { unfit: 'null' }),
  column('decimal', 'numeric(12,4)', numberCell),
  column('decimal', 'numeric(6,2)', numberCell, { unfit: 'null', fidelity: 'lossy' }),
  column('decimal', 'numeric', numberCell),
  column('decimal', 'numeric(4,0)', numberCell, { unfit: 'null' }),
  column('real', 'double precision', numberCell),
  column('real', 'real', numberCell),
  column('text', 'text', textCell),
  column('text', 'text', textCell, { unfit: 'null' }),
  column('text', 'varchar(20)', textCell, { unfit: 'null' }),
  column('date', 'date', textCell, { unfit: 'null' }),
  column('timestamp', 'timestamp', textCell, { unfit: 'null' }),
  column('timestamptz', 'timestamptz', textCell, { unfit: 'null' }),
  column('json', 'json', textCell),
  column('jsonb', 'jsonb', textCell, { unfit: 'null' }),
]
const nullCell = ({ conversion }: ColumnMapping): string =>
  conversion === 'decimal' || conversion === 'real' ? 'n,' : 'null\0'

function rowOf(columns: typeof COLUMNS, hostile: boolean): fc.Arbitrary<string> {
  const cells = columns.map(([mapping, cell]) => {
    const usual = fc.oneof({ weight: 8, arbitrary: cell }, fc.constant(nullCell(mapping)))
    return hostile ? fc.oneof({ weight: 30, arbitrary: usual }, broken) : usual
  })
  return fc.tuple(...cells).map((row) => row.join(''))
}

interface Result {
  readonly added: readonly boolean[]
  readonly rows: number
  readonly rejected: number
  readonly bytes: string
}

function walked(walk: EndedWalk | KernelWalk, groups: readonly (readonly string[])[]): Result {
  const added = groups.map((rows) => walk.addGroup(Buffer.from(rows.join('')), rows.length))
  const { bytes, rows, rejected } = walk.take()
  const found = { added, rows, rejected, bytes: Buffer.from(bytes).toString('latin1') }
  expect(walk.idle && walk.waiting === 0).toBe(true)
  walk.release()
  return found
}

function expectSame(columns: typeof COLUMNS, groups: readonly (readonly string[])[]): Result {
  const mappings = columns.map(([mapping]) => mapping)
  const found = walked(new KernelWalk(mappings), groups)
  expect(found).toEqual(walked(new EndedWalk(mappings), groups))
  return found
}

test(`rows of every conversion, unfit ones among them (seed ${seed})`, () => {
  let rows = 0
  let rejected = 0
  fc.assert(
    fc.property(
      fc.array(fc.array(rowOf(COLUMNS, false), { maxLength: 6 }), { maxLength: 4 }),
      (groups) => {
        const found = expectSame(COLUMNS, groups)
        expect(found.added.every(Boolean)).toBe(true)
        rows += found.rows
        rejected += found.rejected
      },
    ),
    { seed, numRuns: 600 },
  )
  expect(rows).toBeGreaterThan(300)
  expect(rejected).toBeGreaterThan(300)
})

test(`each column by itself, where it decides alone whether a row is kept (seed ${seed})`, () => {
  for (const one of COLUMNS) {
    const rows = fc.sample(rowOf([one], false), { seed, numRuns: 4_000 })
    expectSame([one], [rows.slice(0, 1_000), [], rows.slice(1_000)])
  }
})

test(`groups that are not in the form are refused, and leave nothing behind (seed ${seed})`, () => {
  let refused = 0
  fc.assert(
    fc.property(
      fc.array(fc.array(rowOf(COLUMNS.slice(4, 14), true), { maxLength: 5 }), { maxLength: 4 }),
      (groups) => {
        refused += expectSame(COLUMNS.slice(4, 14), groups).added.filter((added) => !added).length
      },
    ),
    { seed, numRuns: 1_000 },
  )
  expect(refused).toBeGreaterThan(300)
})

test('a NUL in a text is more rows than SQLite counted, or fewer', () => {
  const [text] = [column('text', 'text', textCell)]
  expect(expectSame([text], [['texta\0textb\0'], ['texta\0', 'textb\0']]).added).toEqual([
    false,
    true,
  ])
  expect(expectSame([text], [['texta\0', ''], ['textb\0']]).added).toEqual([false, true])
})

test('a number that grows beyond all bounds is not written over what comes behind it', () => {
  const one = column('jsonb', 'jsonb', textCell)
  const row = `text[${Array.from({ length: 40 }, () => '1e300').join()}]\0`
  const mappings = [one[0]]
  const kernel = new KernelWalk(mappings)
  // A hundred million bytes of digits: no room for them, and so not in this form.
  expect(kernel.addGroup(Buffer.from(row.repeat(5_000)), 5_000)).toBe(false)
  expect(kernel.addGroup(Buffer.from(row.repeat(10)), 10)).toBe(true)
  const exact = new EndedWalk(mappings)
  exact.addGroup(Buffer.from(row.repeat(10)), 10)
  expect(Buffer.from(kernel.take().bytes).equals(exact.take().bytes)).toBe(true)
  kernel.release()
})

test('a group that no window holds is left to the other form', () => {
  const one = column('text', 'text', textCell)
  const kernel = new KernelWalk([one[0]])
  expect(kernel.addGroup(Buffer.from(`text${'x'.repeat(2 ** 21)}\0`), 1)).toBe(false)
  expect(kernel.idle).toBe(true)
  kernel.release()
})
