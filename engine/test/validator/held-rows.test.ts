import { CellBuffer } from '@sensei/core/canonical/cells'
import { expect, test } from 'vitest'
import { digestOf, type HeldRow, HeldRows, hold, identityOf } from '../../validator/held-rows.ts'

function row(key: string, payload: string): HeldRow & { keyEnd: number } {
  const cells = new CellBuffer(64)
  cells.text(0x74, key)
  const keyEnd = cells.length
  cells.text(0x74, payload)
  return { ...hold({ row: Uint8Array.from(cells.written()), keyEnd, bucket: 0 }), keyEnd }
}

test('a large row is held by its digests, and still told apart in its last byte', () => {
  const ending = (last: string): HeldRow => row('k', 'x'.repeat(1_000_000) + last)
  const [one, same, other] = [ending('a'), ending('a'), ending('b')] as const
  expect(one.bytes.length).toBeLessThan(1_000)
  expect(one.bytes.equals(same.bytes)).toBe(true)
  expect(one.bytes.equals(other.bytes)).toBe(false)
  expect(digestOf(one).equals(digestOf(same))).toBe(true)
  expect(digestOf(one).equals(digestOf(other))).toBe(false)
})

test('the key of a large row is held as it is', () => {
  const { bytes, keyEnd } = row('k'.repeat(2_000), 'x'.repeat(9_000))
  expect(identityOf({ bytes, wholeDigest: null, bucket: 0 }, keyEnd)).toBe(
    `t2000:${'k'.repeat(2_000)}`,
  )
})

test('a row that is there a million times is held once, and taken out as often', () => {
  const rows = new HeldRows()
  const [same, other] = [row('k', 'same'), row('k', 'other')]
  for (let time = 0; time < 1_000_000; time += 1) rows.add('k', same)
  rows.add('k', other)
  expect(rows.rows.get('k')).toHaveLength(2)
  let removed = 0
  while (removed < 999_998 && rows.remove('k', same)) removed += 1
  expect(rows.rows.get('k')?.map(({ times }) => times)).toEqual([2, 1])
  expect(rows.remove('k', row('k', 'unknown'))).toBe(false)
  expect(rows.remove('x', same)).toBe(false)
})
