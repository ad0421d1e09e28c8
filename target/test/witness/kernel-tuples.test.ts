/** The kernel must write what tuples.ts writes, for every value and wherever the network cuts it. */
import type { Tag } from '@sensei/core/canonical/types'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decoderOf } from '../../witness/decoders.ts'
import { kernelTuples, kindOf } from '../../witness/kernel-tuples.ts'
import { type FieldPlan, TupleDecoder } from '../../witness/tuples.ts'

const seed = 61

const bytesOf = (length: number, write: (bytes: Buffer) => void): Buffer => {
  const bytes = Buffer.alloc(length)
  write(bytes)
  return bytes
}
const int64 = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.bigInt({ min: -1000n, max: 100_000n }),
  fc.bigInt({ min: -900_000_000_000_000_000n, max: 900_000_000_000_000_000n }),
  fc.constantFrom(0n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n, 99_999n, 100_000n),
)
const int32 = fc.oneof(
  fc.integer(),
  fc.integer({ min: -800_000, max: 100_000 }),
  fc.constantFrom(2 ** 31 - 1, -(2 ** 31), 0, -730_425, -730_426, 59, 60),
)
const eight = int64.map((value) => bytesOf(8, (bytes) => bytes.writeBigInt64BE(value)))
const four = int32.map((value) => bytesOf(4, (bytes) => bytes.writeInt32BE(value)))
const two = fc
  .integer({ min: -32_768, max: 32_767 })
  .map((value) => bytesOf(2, (bytes) => bytes.writeInt16BE(value)))
const raw = (lengths: fc.Arbitrary<number>): fc.Arbitrary<Buffer> =>
  lengths.chain((length) =>
    fc.integer({ min: 0, max: 255 }).map((fill) => Buffer.alloc(length, fill)),
  )
const words = fc.oneof(
  fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
  fc
    .constantFrom('', '  ', 'ends in blanks   ', 'Łódź'.repeat(30))
    .map((text) => Buffer.from(text)),
  raw(fc.constantFrom(0, 1, 9, 10, 63, 64, 65, 99, 100, 999, 1_000, 9_999, 10_000)),
)
const float8 = fc
  .oneof(fc.double(), fc.constantFrom(0, -0, Number.NaN, Infinity, -Infinity))
  .map((value) => bytesOf(8, (bytes) => bytes.writeDoubleBE(value)))
const bits = fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes))
const float4 = fc.float().map((value) => bytesOf(4, (bytes) => bytes.writeFloatBE(value)))
/** Everything that PostgreSQL could send, and weights that only few would. */
const numeric = fc
  .record({
    digits: fc.array(fc.constantFrom(1, 5, 10, 100, 1000, 1200, 9999, 9990, 123, 0), {
      maxLength: 6,
    }),
    weight: fc.oneof(fc.integer({ min: -3, max: 4 }), fc.integer({ min: -30, max: 30 })),
    sign: fc.constantFrom(0, 0, 0, 0x4000, 0x4000, 0xc000, 0xd000, 0xf000),
  })
  .map(({ digits, weight, sign }) => {
    // No zero groups at either end, as PostgreSQL keeps them.
    while (digits[0] === 0) digits.shift()
    while (digits.at(-1) === 0) digits.pop()
    return bytesOf(8 + 2 * digits.length, (bytes) => {
      bytes.writeInt16BE(digits.length, 0)
      bytes.writeInt16BE(weight, 2)
      bytes.writeUInt16BE(sign, 4)
      for (const [place, digit] of digits.entries()) bytes.writeInt16BE(digit, 8 + 2 * place)
    })
  })
const timeOfDay = fc
  .oneof(
    fc.integer({ min: 0, max: 86_400_000_000 }),
    fc.constantFrom(0, 86_400_000_000, 1_000_000, 999_999, 100_000),
  )
  .map((value) => bytesOf(8, (bytes) => bytes.writeBigInt64BE(BigInt(value))))

const VALUES: readonly (readonly [Tag, string, fc.Arbitrary<Buffer>])[] = [
  ['i', 'int8', eight],
  ['i', 'int4', four],
  ['i', 'int2', two],
  ['b', 'bool', fc.constantFrom(Buffer.from([0]), Buffer.from([1]))],
  ['f', 'float8', fc.oneof(float8, bits)],
  ['f', 'float4', fc.oneof(float4, four)],
  ['d', 'numeric', numeric],
  ['t', 'text', words],
  ['t', 'bpchar', words],
  ['x', 'bytea', words],
  ['j', 'json', words],
  ['D', 'date', four],
  ['T', 'timestamp', eight],
  ['z', 'timestamptz', eight],
  ['h', 'time', timeOfDay],
  ['u', 'uuid', raw(fc.constant(16))],
]

const fields: FieldPlan[] = VALUES.map(([tag, name]) => ({
  tag,
  decode: decoderOf(tag, name),
  verbatim: ['t', 'x', 'j'].includes(tag) && name !== 'bpchar',
}))
const kinds = VALUES.map(([tag, name]) => kindOf(tag, name))

function streamOf(rows: readonly (Buffer | null)[][]): Buffer {
  const head = Buffer.alloc(19)
  head.write('PGCOPY\n\u00ff\r\n\0', 'latin1')
  const parts: Buffer[] = [head]
  for (const row of rows) {
    parts.push(bytesOf(2, (bytes) => bytes.writeInt16BE(row.length)))
    for (const field of row) {
      parts.push(bytesOf(4, (bytes) => bytes.writeInt32BE(field === null ? -1 : field.length)))
      if (field !== null) parts.push(field)
    }
  }
  return Buffer.concat([...parts, Buffer.from([0xff, 0xff])])
}

/** Pushes the stream in pieces and takes what comes, as scan.ts does. */
function decoded(
  decoder: TupleDecoder | NonNullable<ReturnType<typeof kernelTuples>>,
  stream: Buffer,
  pieces: readonly number[],
): { bytes: Buffer; rows: number } {
  const parts: Buffer[] = []
  let rows = 0
  const take = (): void => {
    const batch = decoder.batch()
    parts.push(Buffer.from(batch.bytes))
    rows += batch.rows
    decoder.taken()
  }
  for (let from = 0, turn = 0; from < stream.length; turn += 1) {
    const piece = Buffer.from(stream.subarray(from, from + (pieces[turn % pieces.length] ?? 1)))
    for (let at = 0; at < piece.length; ) {
      at = decoder.push(piece, at)
      while (decoder.full) take()
    }
    from += piece.length
  }
  while (decoder.rows > 0) take()
  expect(decoder.ended).toBe(true)
  decoder.release()
  return { bytes: Buffer.concat(parts), rows }
}

function expectSame(rows: readonly (Buffer | null)[][], pieces: readonly number[]): void {
  const stream = streamOf(rows)
  const kernel = kernelTuples(fields, kinds)
  if (kernel === null) expect.fail('every one of these types is for the kernel')
  const found = decoded(kernel, stream, pieces)
  const exact = decoded(new TupleDecoder(fields), stream, [stream.length])
  expect(found.rows).toBe(rows.length)
  expect(found.bytes.equals(exact.bytes)).toBe(true)
}

const row = fc.tuple(
  ...VALUES.map(([, , value]) => fc.option(value, { freq: 8 })),
) as unknown as fc.Arbitrary<(Buffer | null)[]>

test(`random rows, cut anywhere (seed ${seed})`, () => {
  fc.assert(
    fc.property(
      fc.array(row, { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 20 }),
      (rows, pieces) => expectSame(rows, pieces),
    ),
    { seed, numRuns: 1_500 },
  )
})

test(`each type by itself, so that none stops the kernel for another (seed ${seed})`, () => {
  for (const [place, [tag, name, value]] of VALUES.entries()) {
    const field = [fields[place] as FieldPlan]
    for (const sample of fc.sample(value, { seed, numRuns: 3_000 })) {
      const stream = streamOf([[sample]])
      const kernel = kernelTuples(field, [kindOf(tag, name)])
      const found = kernel && decoded(kernel, stream, [stream.length])
      const exact = decoded(new TupleDecoder(field), stream, [stream.length])
      expect(found?.bytes.toString('latin1'), name).toBe(exact.bytes.toString('latin1'))
    }
  }
})

test('many batches, and rows that no window holds among them', () => {
  const nulls = VALUES.map(() => null)
  const small = fc.sample(row, { seed, numRuns: 400 })
  const many = Array.from({ length: 20 }, () => small).flat()
  expectSame(many, [65_536])
  const large = [...nulls.slice(0, 9), Buffer.alloc(400_000, 7), ...nulls.slice(10)]
  expectSame([...many, large, ...small, large, ...small], [65_536, 1, 300_000])
  const edge = [...nulls.slice(0, 9), Buffer.alloc(256 * 1024 - 2 - 16 * 4, 7), ...nulls.slice(10)]
  expectSame([...small, edge, ...small], [65_536])
})

test('a type that the kernel does not know leaves the table to JavaScript', () => {
  expect(kindOf('J', 'jsonb')).toBe(null)
  expect(kernelTuples(fields, [...kinds.slice(1), null])).toBe(null)
  expect(kernelTuples([], [])).toBe(null)
})
