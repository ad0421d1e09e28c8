import { expect, test } from 'vitest'
import type { ColumnMapping } from '@sensei/core/plan'
import { Walk } from '../../witness/walk.ts'

const column = {
  source: 'a',
  target: 'a',
  type: 'text',
  conversion: 'text',
  unfit: 'reject',
} as ColumnMapping

test('rows that come one by one and need no finishing are all kept', () => {
  const walk = new Walk([column], [false], 'UTF-8')
  for (const row of ['t1:a', 't1:b', 'n', 't2:cd']) walk.addRow(Buffer.from(row), [])
  const { bytes, rows } = walk.take()
  expect(rows).toBe(4)
  expect(Buffer.from(bytes).toString()).toBe('t1:at1:bnt2:cd')
})

test('a row after a group is kept behind it', () => {
  const walk = new Walk([column], [false], 'UTF-8')
  expect(walk.addGroup(Buffer.from('t1:at1:b'))).toBe(true)
  walk.addRow(Buffer.from('t1:c'), [])
  const { bytes, rows } = walk.take()
  expect([rows, Buffer.from(bytes).toString()]).toEqual([3, 't1:at1:bt1:c'])
})
