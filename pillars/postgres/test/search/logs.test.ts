import { randomUUID } from 'node:crypto'
import { server } from '@sensei/contracts/servers'
import { Door } from '@sensei/postgres/door/door'
import { LogWriter, type NewLogEntry } from '@sensei/postgres/search/logs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestControl, testControl } from '../control-database.ts'
import { organizationBeside } from '../people.ts'

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
    const writer = new LogWriter(plane.door, { flushMs: 20 })
    writer.start()
    writer.start()
    for (let n = 0; n < 1_200; n++) writer.add(plane.orgId, entry(`background ${n}`))
    await expect.poll(() => writer.counts.written, { timeout: 10_000 }).toBe(1_200)
    writer.add(plane.orgId, entry('background last'))
    await writer.stop()
    await writer.stop()
    expect(writer.counts).toEqual({ waiting: 0, written: 1_201, dropped: 0, strayed: 0 })
    expect((await stored('background')).length).toBe(1_201)
  })

  test('what exceeds its bound is dropped and counted, and an entry says so', async () => {
    const told: number[] = []
    const onDropped = (entries: number): void => void told.push(entries)
    const writer = new LogWriter(plane.door, { entriesMax: 10, share: 1, onDropped })
    for (let n = 0; n < 25; n++) writer.add(plane.orgId, entry(`bounded ${n}`))
    expect(writer.counts.dropped).toBe(15)
    await writer.flush()
    await writer.flush()
    expect((await stored('bounded')).length).toBe(10)
    expect((await stored('15 log entries were dropped')).length).toBe(1)
    await writer.stop()
    expect(told).toEqual([15])
  })

  test('an entry that is written twice stands there once', async () => {
    const same = entry('twice', { id: randomUUID(), at: new Date() })
    for (let time = 0; time < 2; time++) {
      const writer = new LogWriter(plane.door)
      writer.add(plane.orgId, same)
      writer.add(plane.orgId, same)
      await writer.flush()
    }
    expect((await stored('twice')).length).toBe(1)
  })

  test('bad input 97: NUL, half surrogates, control characters and endless texts are taken', async () => {
    const writer = new LogWriter(plane.door)
    writer.add(
      plane.orgId,
      entry('hostile \0 \ud800 \u001b[2J\r\n', { fields: { 'k\0': ['\udc00', { deep: '\0' }] } }),
    )
    writer.add(plane.orgId, entry(`hostile ${'x'.repeat(200_000)}`, { component: 'c'.repeat(500) }))
    writer.add(plane.orgId, entry(`hostile ${'🦊'.repeat(5_000)}`, { component: '' }))
    writer.add(plane.orgId, entry('hostile', { fields: { big: 'y'.repeat(100_000) } }))
    writer.add(
      plane.orgId,
      entry('hostile', { fields: { words: Array.from({ length: 9_000 }, (_, n) => `w${n}`) } }),
    )
    await writer.flush()
    expect(writer.counts).toEqual({ waiting: 0, written: 5, dropped: 0, strayed: 0 })
    expect((await stored('hostile')).length).toBe(5)
  })

  test('entries of a day without a partition go to the default one and are counted', async () => {
    const writer = new LogWriter(plane.door)
    writer.add(plane.orgId, entry('stray', { at: new Date('2020-02-03T00:00:00Z') }))
    writer.add(plane.orgId, entry('stray', { at: new Date() }))
    await writer.flush()
    expect(writer.counts).toEqual({ waiting: 0, written: 2, dropped: 0, strayed: 1 })
    const day = new Date().toISOString().slice(0, 10).replaceAll('-', '')
    expect(
      (await stored('stray'))
        .map(({ partition }) => String(partition))
        .sort((a, b) => (a < b ? -1 : 1)),
    ).toEqual([`log_entry_${day}`, 'log_entry_default'])
  })

  test('entries wait for a store that is away, and are there once when it is back', async () => {
    const login = plane.control.user
    await plane.client.query(`alter role ${login} set default_transaction_read_only = on`)
    const door = new Door(plane.control, { patienceMs: 400 })
    const writer = new LogWriter(door)
    for (let n = 0; n < 600; n++) writer.add(plane.orgId, entry(`patient ${n}`))
    await writer.flush()
    expect(writer.counts).toMatchObject({ waiting: 600, written: 0, dropped: 0 })
    await plane.client.query(`alter role ${login} reset default_transaction_read_only`)
    await Promise.all([writer.flush(), writer.flush()])
    expect(writer.counts).toMatchObject({ waiting: 0, written: 600, dropped: 0 })
    expect((await stored('patient')).length).toBe(600)
    await door.close()
  })

  test('a store that does not come back costs the entries and not the caller', async () => {
    const away = new Door({ ...plane.control, port: 1 }, { patienceMs: 0 })
    const told: number[] = []
    const writer = new LogWriter(away, { onDropped: (entries) => void told.push(entries) })
    writer.add(plane.orgId, entry('nowhere'))
    await writer.stop()
    expect(writer.counts).toEqual({ waiting: 0, written: 0, dropped: 1, strayed: 0 })
    expect(told).toEqual([1])
    await away.close()
  })

  test('the noise of one organization costs another one no entry, and each reads its own', async () => {
    const other = await organizationBeside(plane.client, 'beside')
    const writer = new LogWriter(plane.door, { entriesMax: 100, share: 0.6 })
    for (let n = 0; n < 1_000; n++) writer.add(plane.orgId, entry(`noise ${n}`))
    writer.add(other, entry('noise beside'))
    await writer.flush()
    expect(writer.counts).toMatchObject({ written: 61, dropped: 940 })
    const seenBy = (orgId: string) =>
      plane.door.read(orgId, async (tx) => {
        const rows = await tx.query<{ message: string }>(
          "select message from log_entry where message like '%noise%' or message like '940 %'",
        )
        return rows.map(({ message }) => message)
      })
    expect(await seenBy(other)).toEqual(['noise beside'])
    expect(await seenBy(plane.orgId)).toHaveLength(61)
    // Negative control: what keeps them apart is the policy, not that there is nothing to see.
    expect(await stored('noise')).toHaveLength(61)
  })

  test('an organization that logs long texts leaves the others their room, too', async () => {
    const other = await organizationBeside(plane.client, 'short')
    const writer = new LogWriter(plane.door, { bytesMax: 200_000 })
    for (let n = 0; n < 50; n++) writer.add(plane.orgId, entry('x'.repeat(8_000)))
    expect(writer.counts).toMatchObject({ waiting: 6, dropped: 44 })
    for (let n = 0; n < 50; n++) writer.add(other, entry(`short ${n}`))
    expect(writer.counts).toMatchObject({ waiting: 56, dropped: 44 })
    await writer.flush()
    for (let n = 0; n < 5; n++) writer.add(plane.orgId, entry('x'.repeat(8_000)))
    expect(writer.counts).toMatchObject({ waiting: 5, written: 56, dropped: 44 })
  })

  test('a migration’s id that is none costs no batch', async () => {
    const writer = new LogWriter(plane.door)
    writer.add(plane.orgId, entry('whose 1', { migrationId: "x'; drop table plan" }))
    writer.add(plane.orgId, entry('whose 2', { migrationId: randomUUID() }))
    await writer.flush()
    const ids = (await stored('whose')).map((row) => row['migration_id'])
    expect(ids.filter(Boolean)).toHaveLength(1)
  })

  test('upkeep makes the days ahead and drops those that are over, the default partition’s rows too', async () => {
    await plane.client.query("select make_log_days((now() at time zone 'UTC')::date - 40, 1)")
    const old = new Date(Date.now() - 40 * 86_400_000)
    const writer = new LogWriter(plane.door)
    writer.add(plane.orgId, entry('over', { at: old }))
    writer.add(plane.orgId, entry('over', { at: new Date('2021-01-01T00:00:00Z') }))
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
