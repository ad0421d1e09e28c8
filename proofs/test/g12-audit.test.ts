import { describe, expect, test } from 'vitest'
import { controls, KINDS, kills, run, timed } from '../g12-audit.ts'

const seed = 20_261_123

describe.each([18, 15] as const)('G12 on PostgreSQL %i', (version) => {
  const mutations = 24
  test(`${mutations} mutations by a superuser, every kind of them, are found where they are (seed ${seed})`, async () => {
    const result = await run({ version, mutations, rows: 90, seed })
    expect(result.findings).toEqual([])
    expect(Object.keys(result.perKind).toSorted()).toEqual([...KINDS].toSorted())
  }, 120_000)

  test('negative controls: without checkpoints a recompute passes, without the chain an edit does', async () => {
    const unseen = await controls(version, seed)
    expect(Object.values(unseen)).toEqual([true, true])
  }, 60_000)
})

test(`a committed change of each kind is found by the running keeper within 60 s (seed ${seed})`, async () => {
  const seconds = await timed(18, seed, KINDS)
  for (const kind of KINDS) expect(seconds[kind], kind).toBeLessThan(60)
}, 150_000)

test(`killed keepers are followed, and no row is linked twice or left out (seed ${seed})`, async () => {
  expect(await kills(18, 4, seed)).toMatchObject({ findings: [], kills: 4 })
}, 120_000)
