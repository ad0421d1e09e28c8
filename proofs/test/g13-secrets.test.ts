import { describe, expect, test } from 'vitest'
import { lateWriter, rotate, search, swap } from '../g13-secrets.ts'

describe.each([18, 15] as const)('G13 on PostgreSQL %i', (version) => {
  const options = { version, canaries: 20, rotations: 1 }

  test('20 secrets are nowhere in clear: files, WAL, log, memory, heap; one that is, is found', async () => {
    const { hits, controls } = await search(options)
    expect(hits).toEqual([])
    expect(Object.entries(controls).filter(([, found]) => !found)).toEqual([])
  }, 120_000)

  test('two rows that exchange their secrets open neither; unbound, both', async () => {
    const { codes, opensUnbound } = await swap(version)
    expect(codes).toEqual(['SECRET_UNREADABLE', 'SECRET_UNREADABLE'])
    expect(opensUnbound).toBe(true)
  }, 120_000)

  test('a rotation under load loses nothing and leaves one key', async () => {
    const done = await rotate(options)
    expect(done).toMatchObject({ failures: [], unreadable: [], keysLeft: 1, liveKeys: 1 })
    expect(done.reads).toBeGreaterThan(0)
  }, 120_000)

  test('a writer who comes too late for a rotation is kept; without the reference to a live key he is lost', async () => {
    expect(await lateWriter(version, false)).toBe(true)
    expect(await lateWriter(version, true)).toBe(false)
  }, 120_000)
})
