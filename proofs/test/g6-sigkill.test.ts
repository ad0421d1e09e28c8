import { expect, test } from 'vitest'
import { control, failures, run } from '../g6-sigkill.ts'

const seed = 6

test(`25 killed workers and 3 killed servers lose no row and double none (seed ${seed})`, async () => {
  const result = await run({ version: 18, seed, workerKills: 25, serverKills: 3 })
  expect(failures(result)).toEqual([])
  expect(result.found.rows).toBe(result.expected)
}, 180_000)

test(`negative control: with the ledger row committed apart, killed workers double rows (seed ${seed})`, async () => {
  const result = await control({ version: 18, seed, workerKills: 25, serverKills: 0 })
  expect(result.double).toBeGreaterThan(0)
}, 180_000)
