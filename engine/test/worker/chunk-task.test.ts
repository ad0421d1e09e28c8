import type { TableMapping } from '@sensei/core/plan'
import { expect, test } from 'vitest'
import { chunkOf, chunkTask } from '../../worker/chunk-task.ts'

const table = { source: 'order', target: 'orders' } as TableMapping
const chunk = { number: 7, range: { after: [['i', '12']], through: null }, rowsEstimated: 100 }

test('a chunk survives being a task', () => {
  const task = { ...chunkTask('m', table, chunk, 3), id: 't', epoch: 1, attempt: 1 }
  expect(chunkOf(task, new Map([['order', table]]))).toEqual({ table, chunk })
  expect([task.target, task.sequence, task.role, task.kind]).toEqual([
    'order',
    3,
    'worker',
    'chunk',
  ])
})

test('a task of a table that the plan does not have is refused', () => {
  const task = { ...chunkTask('m', table, chunk, 3), id: 't', epoch: 1, attempt: 1 }
  expect(() => chunkOf(task, new Map())).toThrow('names a table')
})
