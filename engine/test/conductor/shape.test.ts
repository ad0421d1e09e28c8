import type { Plan } from '@sensei/core/plan'
import { expect, test } from 'vitest'
import { checkLosses } from '../../conductor/approval.ts'
import { shapeOf } from '../../conductor/snapshot.ts'

const column = { source: 'a', target: 'a', type: 'bigint', conversion: 'integer', nullable: true }
const table = { source: 't', target: 't', rows: 3, bytes: 40, hostile: false, columns: [column] }
const plan = {
  target: { schema: 'public' },
  append: false,
  tables: [table],
  views: [],
  losses: [],
  skipped: [],
  findings: [],
} as unknown as Plan

test('counts and the order of keys are not the shape of a plan', () => {
  const other = { views: [], append: false, tables: [{ ...table, rows: 9, hostile: true }] }
  expect(shapeOf({ ...plan, ...(other as unknown as Plan) })).toBe(shapeOf(plan))
})

test('another type, another name or one table less is another shape', () => {
  const changed = [
    { tables: [{ ...table, columns: [{ ...column, type: 'text' }] }] },
    { tables: [{ ...table, target: 'u' }] },
    { tables: [] },
  ]
  for (const change of changed) {
    expect(shapeOf({ ...plan, ...(change as unknown as Plan) })).not.toBe(shapeOf(plan))
  }
})

test('a loss that nobody accepted is refused, with the flag that accepts it', () => {
  const losses = [{ rule: 'strip-nul', table: 't', column: 'a', rows: 2, examples: [] }] as const
  const lossy = { ...plan, losses }
  expect(() => checkLosses(lossy, [])).toThrow("--accept-loss 'strip-nul:t.a'")
  expect(() => checkLosses(lossy, ['strip-nul:t.a'])).not.toThrow()
})
