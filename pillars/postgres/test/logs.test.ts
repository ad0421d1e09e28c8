import { randomUUID } from 'node:crypto'
import { server } from '@sensei/contracts/servers'
import { Door } from '@sensei/postgres/door'
import { LogWriter, type NewLogEntry } from '@sensei/postgres/logs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestControl, testControl } from './control-database.ts'

const entry = (message: string, more: Partial<NewLogEntry> = {}): NewLogEntry => ({
  level: 'info',
  component: 'worker',
  message,
  ...more,
})

describe.each([18, 15] as const)('the log writer on PostgreSQL %i', (version) => {
  let plane: TestControl
  beforeAll(async () => {
    plane = await testControl(await server(version))
  })
  afterAll(() => plane.close())

  async function stored(message: string): Promise<Record<string, unknown>[]> {
    const { rows } = await plane.client.query(
      'select *, tableoid::regclass::text as partition from log_entry where message like $1',
      [`${message}%`],
    )
    return rows as Record<string, unknown>[]
  }

  test('writes what was added in the background, and the rest when it stops', async () => {
    const writer = new LogWriter(plane.door, plane.orgId, { flushMs: 20 })
    writer.start()
    writer.start()
    for (let n = 0; n < 1_200; n++) writer.add(entry(`background ${n}`))
    await expect.poll(() => writer.counts.written, { timeout: 10_000 }).toBe(1_200)
    writer.add(entry('background last'))
    await writer.stop()
    await writer.stop()
    expect(writer.counts).toEqual({ written: 1_201, dropped: 0, strayed: 0 })
    expect((await stored('background')).length).toBe(1_201)
  })

  test('what exceeds its bound is dropped and counted, and an entry says so', async () => {
    const writer = new LogWriter(plane.door, plane.orgId, { entriesMax: 10 })
    for (let n = 0; n < 25; n++) writer.add(entry(`bounded ${n}`))
    expect(writer.counts.dropped).toBe(15)
    await writer.flush()
    await writer.flush()
    expect((await stored('bounded')).length).toBe(10)
    expect((await stored('15 log entries were dropped')).length).toBe(1)
  })

  test('an entry that is written twice stands there once', async () => {
    const same = entry('twice', { id: randomUUID(), at: new Date() })
    for (let time = 0; time < 2; time++) {
      const writer = new LogWriter(plane.door, plane.orgId)
      writer.add(same)
      writer.add(same)
      await writer.flush()
    }
    expect((await stored('twice')).length).toBe(1)
  })

  test('bad input 97: NUL, half surrogates, control characters and endless texts are taken', async () => {
    const writer = new LogWriter(plane.door, plane.orgId)
    writer.add(
      entry('hostile \0 \ud800 \u001b[2J\r\n', { fields: { 'k\0': ['\udc00', { deep: '\0' }] } }),
    )
    writer.add(entry(`hostile ${'x'.repeat(200_000)}`, { component: 'c'.repeat(500) }))
    writer.add(entry(`hostile ${'🦊'.repeat(5_000)}`, { component: '' }))
    writer.add(entry('hostile', { fields: { big: 'y'.repeat(100_000) } }))
    writer.add(
      entry('hostile', { fields: { words: Array.from({ length: 9_000 }, (_, n) => `w${n}`) } }),
    )
    await writer.flush()
    expect(writer.counts).toEqual({ written: 5, dropped: 0, strayed: 0 })
    expect((await stored('hostile')).length).toBe(5)
  })

  test('entries of a day without a partition go to the default one and are counted', async () => {
    const writer = new LogWriter(plane.door, plane.orgId)
    writer.add(entry('stray', { at: new Date('2020-02-03T00:00:00Z') }))
    writer.add(entry('stray', { at: new Date() }))
    await writer.flush()
    expect(writer.counts).toEqual({ written: 2, dropped: 0, strayed: 1 })
    const day = new Date().toISOString().slice(0, 10).replaceAll('-', '')
    expect(
      (await stored('stray'))
        .map(({ partition }) => String(partition))
        .sort((a, b) => (a < b ? -1 : 1)),
    ).toEqual([`log_entry_${day}`, 'log_entry_default'])
  })

  test('a store that does not answer costs the entries and not the caller', async () => {
    const away = new Door({ ...plane.control, port: 1 }, { patienceMs: 0 })
    const writer = new LogWriter(away, plane.orgId)
    writer.add(entry('nowhere'))
    await writer.flush()
    expect(writer.counts).toEqual({ written: 0, dropped: 1, strayed: 0 })
    await away.close()
  })

  test('upkeep makes the days ahead and drops those that are over, the default partition’s rows too', async () => {
    await plane.client.query("select make_log_days((now() at time zone 'UTC')::date - 40, 1)")
    const old = new Date(Date.now() - 40 * 86_400_000)
    const writer = new LogWriter(plane.door, plane.orgId)
    writer.add(entry('over', { at: old }))
    writer.add(entry('over', { at: new Date('2021-01-01T00:00:00Z') }))
    await writer.flush()
    expect((await stored('over')).length).toBe(2)
    await plane.client.query('set role sensei_upkeep')
    await plane.client.query("select upkeep_log_entry('30 days')")
    await plane.client.query('reset role')
    expect((await stored('over')).length).toBe(0)
    const { rows } = await plane.client.query<{ days: number }>(
      `select count(*)::int as days from pg_inherits i join pg_class c on c.oid = i.inhrelid
       where i.inhparent = 'log_entry'::regclass and c.relname ~ '^log_entry_\\d{8}$'`,
    )
    expect(rows[0]?.days).toBe(8)
  })

  test('the application can drop no day, and make none far away', async () => {
    const ask = (sql: string): Promise<string> =>
      plane.door
        .write(plane.orgId, (tx) => tx.query(sql))
        .then(
          () => 'no error',
          (error: { code?: string }) => error.code ?? 'none',
        )
    expect(await ask("select drop_log_days('2020-01-01')")).toBe('42501')
    expect(await ask("select make_log_days('2020-01-01', 1)")).toBe('22023')
    expect(await ask('select make_log_days(current_date, 10000)')).toBe('22023')
    expect(await ask('select count(*) from log_entry_default')).toBe('42501')
  })
})
