import { describe, expect, test } from 'vitest'
import { findings, run } from '../g2-outbox.ts'

const seed = 20_261_123

describe('the outbox under killed and stalled consumers', () => {
  test(`20,000 events of 8 writers on 18, 10 kills: nothing skipped, twice or out of order, and both ordinary pollers fail (seed ${seed})`, async () => {
    const result = await run({ version: 18, events: 20_000, writers: 8, kills: 10, seed })
    expect(findings(result)).toEqual([])
    expect(result).toMatchObject({ kills: 8, stalls: 2 })
    expect(result.redelivered).toBeGreaterThan(0)
  }, 240_000)

  test(`the same on 15, shorter (seed ${seed})`, async () => {
    const result = await run({ version: 15, events: 6_000, writers: 8, kills: 4, seed })
    expect(findings(result)).toEqual([])
  }, 180_000)

  test('negative control: a consumer that moves its cursor before the effect skips events', async () => {
    const size = { events: 3_000, writers: 8, kills: 6, seed }
    const result = await run({ version: 18, ...size, control: 'effect afterwards' })
    expect(result.skipped).toBeGreaterThan(0)
  }, 180_000)

  test('negative control: without the inbox what comes again has its effect again', async () => {
    const size = { events: 3_000, writers: 8, kills: 6, seed }
    const result = await run({ version: 18, ...size, control: 'no inbox' })
    expect(result.twice).toBeGreaterThan(0)
  }, 180_000)
})
