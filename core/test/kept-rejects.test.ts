import { expect, test } from 'vitest'
import {
  KEPT_REJECT_BYTES_MAX,
  KEPT_REJECTS_MAX,
  KeptRejects,
  rejectBytes,
} from '../kept-rejects.ts'
import type { Reject } from '../receipt.ts'

const reject = (value: string): Reject => ({
  table: 't',
  step: 'chunk 1 of t',
  key: '1',
  column: null,
  code: '22P05',
  reason: 'no',
  raw: [{ column: 'c', class: 'blob', value }],
})

test('a few large rejects are bounded by their bytes, each kept whole, the others counted', () => {
  const large = reject('A'.repeat(10 * 1024 * 1024))
  const rejects = new KeptRejects()
  for (let at = 0; at < 9; at += 1) rejects.add(large)
  rejects.add(reject('A'))
  expect(rejects.total).toBe(10)
  expect(rejects.kept).toHaveLength(Math.floor(KEPT_REJECT_BYTES_MAX / rejectBytes(large)))
  expect(rejects.kept.every((kept) => kept === large)).toBe(true)
})

test('many small ones are bounded by their number', () => {
  const rejects = new KeptRejects()
  for (let at = 0; at <= KEPT_REJECTS_MAX; at += 1) rejects.add(reject('A'))
  expect([rejects.kept.length, rejects.total]).toEqual([KEPT_REJECTS_MAX, KEPT_REJECTS_MAX + 1])
})
