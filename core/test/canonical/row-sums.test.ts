/** The kernel against an oracle that shares nothing with it: OpenSSL's BLAKE2b, and sums and key hashes in BigInt. */
import { createHash } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import type { BucketTable, RowShape } from '../../canonical/buckets.ts'
import { type RowKernel, RowSums, rowKernel } from '../../canonical/row-sums.ts'
import { wasm } from '../../canonical/row-sums.wasm.ts'

/** A row as its cells; null for NULL. */
type Row = readonly (Uint8Array | null)[]

const seed = 512
let drawn = 0
function random(length: number): Buffer {
  drawn += 1
  return createHash('shake256', { outputLength: length }).update(`${seed} ${drawn}`).digest()
}

const KEYED: RowShape = { columns: 2, keyColumns: 1 }
const WINDOW = rowKernel().windowBytes()

const cell = (payload: Uint8Array | null) =>
  payload === null ? Buffer.from('n') : Buffer.concat([Buffer.from(`x${payload.length}:`), payload])
const encoded = (row: Row) => Buffer.concat(row.map(cell))

function oracle(rows: readonly Row[], keyColumns: number, bits: number): Map<number, string> {
  const sums = new Map<number, { count: bigint; sum: bigint }>()
  for (const row of rows) {
    const bytes = encoded(row)
    const key = keyColumns === 0 ? bytes : encoded(row.slice(0, keyColumns))
    const bucket = Number(mixed(key) % BigInt(2 ** bits))
    const { count, sum } = sums.get(bucket) ?? { count: 0n, sum: 0n }
    const digest = createHash('blake2b512').update(bytes).digest('hex')
    sums.set(bucket, { count: count + 1n, sum: sum + BigInt(`0x${digest}`) })
  }
  const leaf = ({ count, sum }: { count: bigint; sum: bigint }) =>
    count.toString(16).padStart(16, '0') + (sum % 2n ** 512n).toString(16).padStart(128, '0')
  return new Map([...sums].map(([bucket, entry]) => [bucket, leaf(entry)]))
}

function mixed(key: Uint8Array): bigint {
  const word = 2n ** 32n
  let h = 0x811c9dc5n
  for (const byte of key) h = ((h ^ BigInt(byte)) * 0x01000193n) % word
  h = ((h ^ (h >> 16n)) * 0x85ebca6bn) % word
  h = ((h ^ (h >> 13n)) * 0xc2b2ae35n) % word
  return h ^ (h >> 16n)
}

interface Case {
  readonly rows: readonly Row[]
  readonly shape: RowShape
  readonly bits: number
  readonly kernel?: RowKernel
}

/** Each batch is one call. */
function summed({ rows, shape, bits, kernel }: Case, batches: readonly Uint8Array[]): BucketTable {
  const sums = new RowSums(bits, kernel)
  for (const batch of batches) sums.add(batch, shape)
  const table = sums.finish()
  expect(table.rows).toBe(rows.length)
  return table
}

function agrees(given: Case, batches = [Buffer.concat(given.rows.map(encoded))]): boolean {
  const table = summed(given, batches)
  const wanted = oracle(given.rows, given.shape.keyColumns, given.bits)
  const empty = '0'.repeat(144)
  return Array.from({ length: 2 ** given.bits }, (_, bucket) => bucket).every(
    (bucket) => table.leaf(bucket).toString('hex') === (wanted.get(bucket) ?? empty),
  )
}

const everyLength: Case = {
  rows: Array.from({ length: 601 }, (_, length) => [Buffer.from(`${length}`), random(length)]),
  shape: KEYED,
  bits: 3,
}

test(`rows with cells of every length up to 600 have the sums that OpenSSL and BigInt give (seed ${seed})`, () => {
  expect(agrees(everyLength)).toBe(true)
  for (const row of everyLength.rows) {
    expect(agrees({ rows: [row], shape: KEYED, bits: 0 }), `${row[1]?.length}`).toBe(true)
  }
})

test('a table without a key is put into buckets by the whole row', () => {
  expect(agrees({ ...everyLength, shape: { columns: 2, keyColumns: 0 } })).toBe(true)
  const same: Row[] = Array.from({ length: 300 }, () => [Buffer.from('a'), null])
  expect(agrees({ rows: same, shape: { columns: 2, keyColumns: 0 }, bits: 2 })).toBe(true)
})

test('NULLs, keys of several columns and cells that look like other cells', () => {
  const payloads = [null, '', 'n', '1:n', 'x3:abc', '\0', 'é'].map((text) =>
    text === null ? null : Buffer.from(text),
  )
  const rows = payloads.flatMap((one) =>
    payloads.flatMap((two) => payloads.map((three): Row => [one, two, three])),
  )
  for (const keyColumns of [0, 1, 2, 3])
    expect(agrees({ rows, shape: { columns: 3, keyColumns }, bits: 4 })).toBe(true)
})

test('rows do not depend on the batches in which they come, nor on rows of another table between them', () => {
  const rows = everyLength.rows.slice(0, 120)
  const other = new RowSums(5)
  const sums = new RowSums(3)
  for (const row of rows) {
    sums.add(encoded(row), KEYED)
    other.add(encoded(row), KEYED)
  }
  other.finish()
  const whole = summed({ rows, shape: KEYED, bits: 3 }, [Buffer.concat(rows.map(encoded))])
  expect(sums.finish().differing(whole)).toEqual([])
})

describe('rows around the size of the window', () => {
  // Header and key take about 15 bytes, so these are rows just below, at and above every limit.
  const around = (bytes: number) =>
    Array.from({ length: 40 }, (_, step) => bytes - 30 + step).map(
      (length, place): Row => [Buffer.from(`${place}`), random(length)],
    )

  test.each([
    ['one window', WINDOW],
    ['two windows', 2 * WINDOW],
  ])('%s', (_, bytes) => {
    for (const row of around(bytes))
      expect(agrees({ rows: [row], shape: KEYED, bits: 0 })).toBe(true)
    expect(agrees({ rows: around(bytes), shape: KEYED, bits: 2 })).toBe(true)
  })

  test('large rows between small ones, in one batch of many windows', () => {
    const sizes = [3, WINDOW, 70_000, 5 * WINDOW + 7, 0, 128, 100_000, 100_000, 100_000, 64]
    const rows = Array.from({ length: 40 }, (_, place): Row => {
      return [Buffer.from(`${place}`), random(sizes[place % sizes.length] as number), null]
    })
    for (const keyColumns of [0, 1, 3])
      expect(agrees({ rows, shape: { columns: 3, keyColumns }, bits: 2 })).toBe(true)
  })

  test('a row of 64 MB is hashed without memory of its size', () => {
    const kernel = rowKernel()
    const row: Row = [Buffer.from('1'), Buffer.alloc(64 * 1024 * 1024, 'sensei')]
    expect(agrees({ rows: [row], shape: KEYED, bits: 0, kernel })).toBe(true)
    expect(kernel.memory.buffer.byteLength).toBeLessThan(1024 * 1024)
  })
})

test.each([
  ['a payload that is cut off', 'x1:ax5:abc'],
  ['a header that is cut off', 'x1:ax5'],
  ['a length without its colon', 'x1:ax'],
  ['a row without its last cell', 'x1:a'],
  ['a length that is no number', 'x1:axa:abc'],
  ['no length', 'x1:ax:abc'],
  ['a negative length', 'x1:ax-1:abc'],
  ['a length beyond 2^32', 'x1:ax4294967299:abc'],
  ['a length beyond 2^64', 'x1:ax18446744073709551619:abc'],
  ['a length of 400 digits', `x1:ax${'9'.repeat(400)}:abc`],
])('malformed rows throw: %s', (_, malformed) => {
  const whole = 'x1:ax3:abc'
  for (const text of [malformed, whole + malformed, whole.repeat(60_000) + malformed]) {
    expect(() => new RowSums(2).add(Buffer.from(text), KEYED)).toThrow('no canonical row')
  }
})

test('rows of no cells throw instead of going on for ever', () => {
  expect(() => new RowSums(0).add(Buffer.from('n'), { columns: 0, keyColumns: 0 })).toThrow(
    'no canonical row',
  )
})

test(`random bytes in the window are never read beyond their end (seed ${seed})`, () => {
  const kernel = rowKernel()
  expect(kernel.open(1)).toBe(1)
  const memory = Buffer.from(kernel.memory.buffer)
  const at = kernel.windowAt()
  // What stands right behind the window are buckets: a walk that left it would count rows from there.
  const alphabet = Buffer.from('xn:0123456789')
  for (let round = 0; round < 2_000; round += 1) {
    const drawn = random(400)
    const length = 1 + (drawn[0] as number)
    for (const [place, byte] of drawn.entries())
      memory[at + place] = alphabet[byte % alphabet.length] as number
    const bytes = Buffer.from(memory.subarray(at, at + length))
    const taken = kernel.add(length, 2, 1)
    expect(taken).toBeLessThanOrEqual(length)
    expect(taken, bytes.toString('latin1')).toBe(rowsBegin(bytes))
  }
})

/** Where the rows of two cells end, read by a regular expression. */
function rowsBegin(bytes: Buffer): number {
  let at = 0
  for (;;) {
    let place = at
    for (let cells = 0; cells < 2; cells += 1) {
      if (place >= bytes.length) return at
      if (bytes[place] === 0x6e) place += 1
      else {
        const [all = '', digits = ''] =
          /^[^]([0-9]+):/.exec(bytes.toString('latin1', place, bytes.length)) ?? []
        if (all === '' || place + all.length + Number(digits) > bytes.length) return at
        place += all.length + Number(digits)
      }
    }
    at = place
  }
}

describe('negative control: a kernel with one wrong constant is found out', () => {
  let bytes: Buffer
  beforeEach(() => {
    bytes = Buffer.from(wasm, 'base64')
  })

  const constants = [
    ['the first word of the initial state', Buffer.from('08c9bcf367e6096a', 'hex')],
    ['the last word of the initial state', Buffer.from('79217e1319cde05b', 'hex')],
    ['the offset of the key hash', Buffer.from('c5bbf28878', 'hex')],
    ['the prime of the key hash', Buffer.from('93838008', 'hex')],
  ] as const

  test.each(constants)('%s', (_, constant) => {
    const place = bytes.indexOf(constant)
    expect(place).toBeGreaterThan(0)
    expect(bytes.indexOf(constant, place + 1)).toBe(-1)
    bytes[place] = (bytes[place] as number) ^ 2
    const kernel = rowKernel(bytes.toString('base64'))
    expect(agrees({ ...everyLength, kernel })).toBe(false)
  })

  test('the same kernel without a wrong constant agrees', () => {
    expect(agrees({ ...everyLength, kernel: rowKernel(bytes.toString('base64')) })).toBe(true)
  })
})
