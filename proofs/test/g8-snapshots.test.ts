import { expect, test } from 'vitest'
import { control, run } from '../g8-snapshots.ts'

const seed = 8

test(`after 3 lost snapshots the target is wholly of the new one (seed ${seed})`, async () => {
  const result = await run({ seed, lost: 3 })
  expect(result.failures).toEqual([])
  expect(result.lost).toBe(3)
}, 900_000)

test(`negative control: without reconciling the target is a mixture (seed ${seed})`, async () => {
  const result = await control({ seed, lost: 5 })
  expect(result.failures.join()).toContain('mixture')
}, 900_000)
