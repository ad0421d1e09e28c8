import { describe, expect, test } from 'vitest'
import { run } from '../g14-idempotency.ts'

const seed = 20_261_123

describe.each([18, 15] as const)('requests that are sent again, on PostgreSQL %i', (version) => {
  test(`10 servers killed at their COMMIT: each request made one migration (seed ${seed})`, async () => {
    const result = await run({ version, kills: 10, seed })
    expect(result).toMatchObject({ kills: 10, findings: [] })
    expect(result.replayed).toBeGreaterThan(0)
    expect(result.killedBeforeCommit).toBeGreaterThan(0)
  }, 120_000)
})

test('negative control: an answer that commits after its effect lets a retry make two', async () => {
  const { findings } = await run({ version: 18, kills: 8, seed, apart: true })
  expect(findings).not.toEqual([])
}, 120_000)
