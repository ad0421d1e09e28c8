import fc from 'fast-check'
import { expect, test } from 'vitest'
import { tupleOffsets } from '../tuples.ts'
import { tuple } from './support/tuples.ts'

const field = fc.option(fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)))
const tuples = fc.array(fc.array(field, { maxLength: 12 }).map((fields) => tuple(...fields)))

test('tuples are found where they begin, whatever bytes they hold', () => {
  fc.assert(
    fc.property(tuples, (rows) => {
      const starts = rows.map((_, at) => Buffer.concat(rows.slice(0, at)).length)
      const bytes = Buffer.concat(rows)
      expect(tupleOffsets(bytes)).toEqual([...starts, bytes.length])
    }),
    { seed: 3 },
  )
})

test('bytes that end inside a tuple are refused', () => {
  const bytes = tuple(Buffer.from('abc'), null)
  for (let end = 1; end < bytes.length; end++) {
    expect(() => tupleOffsets(bytes.subarray(0, end))).toThrow(
      expect.objectContaining({ code: 'INTERNAL' }),
    )
  }
})
