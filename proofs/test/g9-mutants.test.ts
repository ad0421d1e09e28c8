import { server } from '@sensei/contracts/servers'
import { expect, test } from 'vitest'
import { run } from '../g9-mutants.ts'

const seed = 9

test(`every mutant that PostgreSQL calls different is found, and nothing else is (seed ${seed})`, async () => {
  const result = await run({ server: await server(18), mutants: 500, seed })
  expect(result.failures).toEqual([])
  expect(result).toMatchObject({ mutants: 500, caught: 500 })
  expect(result.clean).toBeGreaterThan(48)
  expect(Object.keys(result.operators).length).toBeGreaterThan(15)
}, 300_000)
