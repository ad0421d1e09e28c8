import { expect, test } from 'vitest'
import { control, run } from '../g6-cli.ts'

const seed = 66

test(`25 kills of the CLI and its workers, 3 of PostgreSQL and 3 in the private copy change no result (seed ${seed})`, async () => {
  const result = await run({ seed, processes: 25, servers: 3, copies: 3 })
  expect(result.failures).toEqual([])
  expect(result.commandKills + result.workerKills).toBe(25)
  expect(result.targetKills + result.controlKills).toBe(3)
  expect(result.copyKills).toBe(3)
}, 1_800_000)

test(`negative control: with the ledger row committed apart the result differs (seed ${seed})`, async () => {
  const result = await control({ seed, processes: 60, servers: 0, copies: 0 })
  expect(result.failures).not.toEqual([])
}, 1_800_000)
