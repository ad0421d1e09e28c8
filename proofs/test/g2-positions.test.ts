import { describe, expect, test } from 'vitest'
import { NOT_DEFINER, PLAIN_SEQUENCE, run } from '../g2-positions.ts'

const seed = 20_261_123

describe.each([18, 15] as const)('outbox positions on PostgreSQL %i', (version) => {
  test(`8 writers, 1 to 4 events a transaction, rollbacks, a reset tenant: no hole, order kept (seed ${seed})`, async () => {
    const result = await run({ version, events: 3_000, writers: 8, seed })
    expect(result).toMatchObject({ read: result.events, holes: 0, outOfOrder: 0 })
    expect(result.events).toBeGreaterThanOrEqual(3_000)
    expect(result.rolledBack).toBeGreaterThan(0)
  }, 120_000)

  test('negative control: a trigger without its own rights lets nothing commit', async () => {
    const broken = run({ version, events: 8, writers: 8, seed, sabotage: NOT_DEFINER })
    await expect(broken).rejects.toMatchObject({ code: '42501' })
  }, 60_000)
})

test('negative control: positions from a plain sequence have holes, and the reader notices', async () => {
  const result = await run({
    version: 18,
    events: 1_000,
    writers: 8,
    seed,
    sabotage: PLAIN_SEQUENCE,
  })
  expect(result.holes).toBeGreaterThan(PARTITIONS_AT_START)
}, 60_000)

/** The sequence starts elsewhere than the positions before it: one jump in each partition is no finding. */
const PARTITIONS_AT_START = 12
