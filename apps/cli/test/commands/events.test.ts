import { randomUUID } from 'node:crypto'
import { openControl, openControlPlane, openEventLog } from '@sensei/apps/pillars'
import { type FreshDatabase, freshDatabase, server } from '@sensei/contracts/servers'
import type { LoggedEvent } from '@sensei/core/ports/event-log'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { fromOf, replay, tail } from '../../commands/events.ts'
import type { Io } from '../../io.ts'

describe('sensei events', () => {
  let database: FreshDatabase
  let env: Record<string, string>
  let ids: readonly string[]
  const printed: string[] = []

  beforeAll(async () => {
    database = await freshDatabase(await server(18))
    env = { DATABASE_URL: `${database.url}?sslmode=disable` }
    const plane = await openControlPlane(env)
    const control = await openControl({ ...plane })
    ids = [randomUUID(), randomUUID()]
    for (const id of ids) {
      const source = { engine: 'sqlite', url: 'sqlite:/shop.db' }
      const target = { engine: 'postgres', url: 'postgres://h/shop' }
      await control.journal.create({ id, source, target, options: {}, actor: 'test' })
      const first = { migrationId: id, expectedVersion: 1, actor: 'test' }
      await control.journal.transition({ ...first, event: 'planning_started', payload: {} })
    }
    await control.close()
    await plane.close()
  })
  afterAll(() => database.drop())

  const io = () => {
    printed.length = 0
    return { env, out: (text: string) => printed.push(text), say: () => undefined } as unknown as Io
  }
  const flags = { limit: 50, output: 'json' } as const

  test('tail prints the last events, each migration in its order; --migration only its own', async () => {
    expect(await tail(flags, io())).toBe(0)
    const { schema_version: schema, events } = JSON.parse(printed[0] ?? '')
    expect(schema).toBe(1)
    expect(events.map((one: { version: number }) => one.version)).toEqual([1, 2, 1, 2])
    const [, second = ''] = ids
    await tail({ ...flags, migration: second, output: 'text' }, io())
    expect(printed).toHaveLength(2)
    expect(printed[1]).toContain(`${second}  2  migration.planning_started  planning  test`)
  })

  test('replay sets a group back, all of it or one migration, and says what waits', async () => {
    const plane = await openControlPlane(env)
    const log = await openEventLog(plane)
    const seen: LoggedEvent[] = []
    const consumption = await log.consume('mail', async ({ events }) => void seen.push(...events))
    await vi.waitFor(() => expect(seen).toHaveLength(4), { timeout: 10_000 })
    await consumption.stop()
    await replay({ group: 'mail', from: 'earliest', output: 'json' }, io())
    expect(JSON.parse(printed[0] ?? '')).toMatchObject({ group: 'mail', waiting: 4 })
    await log.consume('mail', async ({ events }) => void seen.push(...events))
    await vi.waitFor(() => expect(seen).toHaveLength(8), { timeout: 10_000 })
    await vi.waitFor(async () => {
      const lag = await log.lag('mail')
      expect(lag.every(({ position, head }) => position === head)).toBe(true)
    })
    await replay({ group: 'mail', from: '1', migration: ids[0] ?? '', output: 'text' }, io())
    await vi.waitFor(() => expect(seen).toHaveLength(10), { timeout: 10_000 })
    expect(seen.slice(8).map(({ event }) => event.migrationId)).toEqual([ids[0], ids[0]])
    await log.close()
    await plane.close()
  })

  test('an unknown group, and a replay without its flags, are usage errors', async () => {
    const unknown = replay({ group: 'nobody', from: 'now', output: 'text' }, io())
    await expect(unknown).rejects.toMatchObject({ code: 'EVENT_GROUP_UNKNOWN', exitCode: 2 })
    const bare = replay({ group: 'mail', output: 'text' }, io())
    await expect(bare).rejects.toMatchObject({ code: 'USAGE' })
  })

  test.each([
    ['earliest', 'earliest'],
    ['1500', { position: 1500 }],
    ['3:1500', { partition: 3, position: 1500 }],
    ['2026-11-23T06:00:00+01:00', { time: '2026-11-23T05:00:00.000Z' }],
  ])('--from %s is a place', (text, from) => expect(fromOf(text)).toEqual(from))

  test.each(['', 'yesterday', '-1', '12:1', '0', '1e9', '2026-13-01', '3:'])(
    'bad input 90: --from %j is refused',
    (text) => expect(() => fromOf(text)).toThrow(expect.objectContaining({ code: 'USAGE' })),
  )
})
