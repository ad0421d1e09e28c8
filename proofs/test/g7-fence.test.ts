import { expect, test } from 'vitest'
import { failures, guessed, stalls, swallowedReplies, unfenced } from '../g7-fence.ts'

const seed = 7

test.each([18, 15] as const)(
  'on PostgreSQL %i a worker stopped before BEGIN or in mid-COPY writes nothing after its successor',
  async (version) => {
    const result = await stalls(version, 4)
    expect(failures({ stalls: [result], replies: [] })).toEqual([])
    expect(result.ends['committed']).toBeUndefined()
  },
  120_000,
)

test(`20 lost replies to COMMIT are settled by the ledger (seed ${seed})`, async () => {
  const result = await swallowedReplies({ version: 18, count: 20, seed })
  expect(failures({ stalls: [], replies: [result] })).toEqual([])
  expect(result.settledAsCommitted).toBeGreaterThan(0)
  expect(result.settledAsRolledBack).toBeGreaterThan(0)
}, 120_000)

test('negative control: without the fence a stopped worker doubles its rows', async () => {
  const result = await unfenced(18, 2)
  expect(result.stallsWithDoubles).toBeGreaterThan(0)
}, 120_000)

test('negative control: a lost reply taken for a failure doubles rows', async () => {
  const result = await guessed({ version: 18, count: 8, seed })
  expect(result.double).toBeGreaterThan(0)
}, 120_000)
