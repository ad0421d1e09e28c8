import { expect, test } from 'vitest'
import { CONTROLS, run } from '../g1-transitions.ts'

const seed = 20_261_123

test(`G1: 5,000 transitions, 10 killed clients, 2 killed servers on 18: each has its event and its audit row (seed ${seed})`, async () => {
  const result = await run({
    version: 18,
    transitions: 5_000,
    clientKills: 10,
    serverKills: 2,
    seed,
  })
  expect(result.findings).toEqual([])
  expect(result).toMatchObject({ clientKills: 10, serverKills: 2 })
}, 600_000)

test(`G1 on 15, where a deferred trigger runs as the session's role (seed ${seed})`, async () => {
  const result = await run({
    version: 15,
    transitions: 1_000,
    clientKills: 2,
    serverKills: 1,
    seed,
  })
  expect(result.findings).toEqual([])
}, 600_000)

test.each(CONTROLS)(
  'negative control: without $name the oracle objects',
  async ({ sabotage }) => {
    const options = {
      version: 18,
      transitions: 150,
      clientKills: 0,
      serverKills: 0,
      clients: 4,
    } as const
    const { findings } = await run({ ...options, seed, sabotage })
    expect(findings).not.toEqual([])
  },
  120_000,
)
