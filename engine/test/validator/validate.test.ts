/** An interrupted validation leaves nothing open and nothing under way. */
import { BucketTable } from '@sensei/core/canonical/buckets'
import type { Plan } from '@sensei/core/plan'
import type { Snapshot } from '@sensei/core/snapshot'
import { expect, test } from 'vitest'
import { validate, type ValidatorCast } from '../../validator/validate.ts'

const tables = Array.from({ length: 500 }, (_, at) => ({
  source: `t${at}`,
  target: `t${at}`,
  key: ['id'],
  rows: 0,
  bytes: 0,
  columns: [{ source: 'id', target: 'id', type: 'bigint', conversion: 'integer', generated: null }],
}))
const plan = {
  target: { schema: 'public' },
  tables,
  views: [],
  losses: [],
  skipped: [],
} as unknown as Plan
const snapshot = { name: 's' } as unknown as Snapshot

/** Counts what is open and what is asked of the scanners; `onScan` is called before each scan of a side. */
function house(onScan: (side: string, scans: number) => void = () => undefined) {
  const seen = { open: 0, scans: 0, closed: 0 }
  const witness = (): object => {
    seen.open += 1
    return {
      split: () => Promise.resolve([null]),
      structure: () => Promise.resolve([]),
      close: () => {
        seen.open -= 1
        return Promise.resolve()
      },
    }
  }
  const cast = {
    source: { openWitness: () => Promise.resolve(witness()) },
    target: { openWitness: () => Promise.resolve(witness()) },
    progress: { report: () => undefined },
    scanners: {
      threads: 2,
      scan: async ({ from, bits }: { from: { side: string }; bits: number }) => {
        seen.scans += 1
        onScan(from.side, seen.scans)
        await new Promise(setImmediate)
        return new BucketTable(bits)
      },
      aggregates: () => Promise.resolve([]),
      release: () => Promise.resolve(),
      close: () => {
        seen.closed += 1
        return Promise.resolve()
      },
    },
  }
  return { seen, cast: cast as unknown as ValidatorCast }
}

const request = (signal: AbortSignal) => ({
  rejects: new Map(),
  options: { differencesMax: 20, queries: [] },
  signal,
})

test('an interruption before it begins opens nothing', async () => {
  const { seen, cast } = house()
  const signal = AbortSignal.abort()
  await expect(validate(cast, plan, snapshot, request(signal))).rejects.toThrow(/abort/)
  expect(seen.open).toBe(0)
  expect(seen.scans).toBe(0)
})

test('an interruption between two tables begins no scan more, and all that was open is closed', async () => {
  const stop = new AbortController()
  const { seen, cast } = house((side, scans) => {
    if (side === 'target' && scans > 100) stop.abort()
  })
  await expect(validate(cast, plan, snapshot, request(stop.signal))).rejects.toThrow()
  const { scans } = seen
  expect(scans).toBeLessThan(200)
  expect(seen.open).toBe(0)
  expect(seen.closed).toBeGreaterThan(0)
  for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate)
  expect(seen.scans).toBe(scans)
})

test('a table that fails stops the scans that were begun ahead of it', async () => {
  const { seen, cast } = house((side, scans) => {
    if (side === 'target' && scans > 100) throw new RangeError('the target broke')
  })
  const { signal } = new AbortController()
  await expect(validate(cast, plan, snapshot, request(signal))).rejects.toThrow('the target broke')
  const { scans } = seen
  expect(seen.open).toBe(0)
  for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate)
  expect(seen.scans).toBe(scans)
})

test('where the target cannot be opened the source is closed', async () => {
  const { seen, cast } = house()
  const broken = {
    ...cast,
    target: { openWitness: () => Promise.reject(new RangeError('no target')) },
  } as unknown as ValidatorCast
  const { signal } = new AbortController()
  await expect(validate(broken, plan, snapshot, request(signal))).rejects.toThrow('no target')
  expect(seen.open).toBe(0)
})
