import { server } from '@sensei/contracts/servers'
import { expect, test } from 'vitest'
import { CONTROLS, runWithout } from '../g9/controls.ts'
import { run as runClean } from '../g9-clean.ts'
import { run } from '../g9-mutants.ts'

const seed = 9

test(`every mutant that PostgreSQL calls different is found, and nothing else is (seed ${seed})`, async () => {
  const result = await run({ server: await server(18), mutants: 500, seed })
  expect(result.failures).toEqual([])
  expect(result).toMatchObject({ mutants: 500, caught: 500 })
  expect(result.clean).toBeGreaterThan(48)
  expect(Object.keys(result.operators).length).toBeGreaterThan(15)
}, 300_000)

test.each(CONTROLS)(
  'negative control: without $name the same search finds that something is wrong',
  async (control) => {
    const options = { server: await server(18), mutants: 500, seed, untilFirstFailure: true }
    const { failures } = await runWithout(control, options)
    expect(failures).not.toEqual([])
  },
  300_000,
)

test(`whole migrations of random databases raise no false alarm (seed ${seed})`, async () => {
  const result = await runClean({ server: await server(18), migrations: 20, seed })
  expect(result.failures).toEqual([])
  expect(result.migrations).toBe(20)
}, 600_000)
