import type { TableMapping } from '@sensei/core/plan'
import { expect, test } from 'vitest'
import { batchesOf } from '../../worker/batches.ts'
import type { ChunkTask } from '../../worker/chunk-task.ts'

function chunks(
  count: number,
  rows: number,
  { bytesPerRow = 10, largest = 10, attempt = 1 } = {},
): ChunkTask[] {
  return Array.from({ length: count }, (_, number) => ({
    task: { id: String(number), attempt } as ChunkTask['task'],
    table: { rows, bytes: rows * bytesPerRow, bytes_max: largest } as TableMapping,
    chunk: { number, range: null, rowsEstimated: rows },
  }))
}

const sizes = (all: readonly ChunkTask[]): number[] => [...batchesOf(all)].map((one) => one.length)

test('small chunks go together, so many that a transaction stays small', () => {
  expect(sizes(chunks(70, 2))).toEqual([32, 32, 6])
  expect(sizes(chunks(25, 1_000))).toEqual([10, 10, 5])
  expect(sizes(chunks(20, 100, { bytesPerRow: 2_000 }))).toEqual([10, 10])
  expect(sizes(chunks(3, 0))).toEqual([3])
  expect(sizes([])).toEqual([])
})

test('a chunk of many rows, of many bytes, with a large value, or that workers died over, goes alone', () => {
  expect(sizes(chunks(2, 1_001))).toEqual([1, 1])
  expect(sizes(chunks(2, 900, { bytesPerRow: 1_000 }))).toEqual([1, 1])
  expect(sizes(chunks(2, 2, { largest: 1_000_000 }))).toEqual([1, 1])
  expect(sizes(chunks(2, 2, { attempt: 4 }))).toEqual([1, 1])
  expect(sizes([...chunks(2, 2), ...chunks(1, 5_000), ...chunks(2, 2)])).toEqual([2, 1, 2])
})

test('every chunk is in one batch, in its order', () => {
  const all = [...chunks(40, 3), ...chunks(2, 5_000), ...chunks(9, 700)]
  expect([...batchesOf(all)].flat()).toEqual(all)
})
