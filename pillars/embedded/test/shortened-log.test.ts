/** What a log on PostgreSQL can meet and another store cannot: holes, ranges that are gone, a paused owner's cursor. */
import { setTimeout as sleep } from 'node:timers/promises'
import { server } from '@sensei/contracts/servers'
import type { SenseiError } from '@sensei/core/errors'
import type { ConsumeOptions, EventLog, LoggedEvent } from '@sensei/core/ports/event-log'
import { openEventLog } from '@sensei/embedded/event-log'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type EventsDatabase, eventsDatabase } from './events-database.ts'

describe.each([18, 15] as const)('the log on PostgreSQL %i', (version) => {
  let database: EventsDatabase
  let log: EventLog
  let seen: LoggedEvent[]
  let troubles: SenseiError[]

  beforeEach(async () => {
    database = await eventsDatabase(await server(version))
    log = await openEventLog(database.consumer, { pollMs: 20 })
    seen = []
    troubles = []
  })
  afterEach(async () => {
    await log.close()
    await database.close()
  })

  const follow = (group: string, options: ConsumeOptions = {}) =>
    log.consume(group, async ({ events }) => void seen.push(...events), {
      onTrouble: (trouble) => troubles.push(trouble),
      ...options,
    })
  const until = (check: () => void) => vi.waitFor(check, { timeout: 15_000, interval: 20 })
  const versions = (id: string) =>
    seen.flatMap(({ event }) => (event.migrationId === id ? [event.version] : []))

  /** Past every guard, as a restore that went wrong would. */
  async function remove(partition: number, positions: readonly number[]): Promise<void> {
    await database.client.query("set session_replication_role = 'replica'")
    await database.client.query(
      'delete from outbox where partition = $1 and position = any ($2::bigint[])',
      [partition, positions],
    )
    await database.client.query("set session_replication_role = 'origin'")
  }

  async function partitionOf(id: string): Promise<number> {
    const { rows } = await database.client.query('select partition_of($1) as partition', [id])
    return rows[0]?.partition
  }

  test('bad input 75: a hole is an alarm: the partition stands still before it, until somebody sets the group past it', async () => {
    const [id = ''] = await database.write(1, 10)
    const partition = await partitionOf(id)
    await remove(partition, [5, 6])
    await follow('hole')
    await until(() => expect(troubles.length).toBeGreaterThan(0))
    expect(troubles[0]).toMatchObject({
      code: 'OUTBOX_HOLE',
      details: { partition, from: 5, to: 6 },
    })
    await sleep(300)
    expect(versions(id)).toEqual([1, 2, 3, 4])
    const [standing] = (await log.lag('hole')).filter((one) => one.partition === partition)
    expect(standing).toMatchObject({ position: 4, head: 10 })
    await log.replay('hole', { from: { partition, position: 7 } })
    await until(() => expect(versions(id)).toEqual([1, 2, 3, 4, 7, 8, 9, 10]))
  })

  test('a hole at the very end is seen, too: the partition’s counter has gone further', async () => {
    const [id = ''] = await database.write(1, 4)
    await remove(await partitionOf(id), [4])
    await follow('end')
    await until(() =>
      expect(troubles[0]).toMatchObject({ code: 'OUTBOX_HOLE', details: { from: 4 } }),
    )
    expect(versions(id)).toEqual([1, 2, 3])
  })

  describe('whose old ranges were dropped', () => {
    let ids: readonly string[]
    beforeEach(async () => {
      await smallRanges(database)
      ids = await database.writeEverywhere()
    })

    /** Twelve more events of each migration, so that every partition leaves its first range. */
    async function grow(): Promise<void> {
      for (let round = 0; round < 3; round++) for (const id of ids) await database.append(id, 4)
    }
    const distinct = () => new Set(seen.map(({ event }) => event.id)).size
    const handled = (group: string) =>
      vi.waitFor(async () => {
        const lag = await log.lag(group)
        expect(lag.every(({ position, head }) => position === head)).toBe(true)
      })

    test('a new group still gets every event, each migration in its order: first what is kept elsewhere', async () => {
      await grow()
      expect(await drop(database)).toBe(1)
      await follow('late')
      await until(() => expect(seen.length).toBe(12 * 14))
      for (const id of ids) expect(versions(id)).toEqual(oneTo(14))
      expect(seen.filter(({ position }) => position === null)).toHaveLength(120)
      expect(troubles).toEqual([])
      await database.append(ids[0] ?? '', 2)
      await until(() => expect(versions(ids[0] ?? '')).toEqual(oneTo(16)))
    })

    test('a group that fell behind is told, misses nothing, and goes on in the outbox', async () => {
      const consumption = await follow('behind')
      await until(() => expect(seen.length).toBe(24))
      await consumption.stop()
      await grow()
      expect(await drop(database)).toBe(1)
      await follow('behind')
      await until(() => expect(distinct()).toBe(12 * 14))
      const told = troubles.filter(({ code }) => code === 'OUTBOX_SHORTENED')
      expect(told).toHaveLength(12)
      expect(told[0]?.details).toMatchObject({ from: 3, to: 10 })
      await handled('behind')
    })

    test('a range that some group has not handled stays, until it is older than the longest time', async () => {
      const consumption = await follow('holding')
      await until(() => expect(seen.length).toBe(24))
      await consumption.stop()
      await grow()
      await database.client.query("select drop_outbox_ranges('0', '1 day')")
      await sleep(10)
      const kept = await database.client.query("select drop_outbox_ranges('0', '1 day')")
      expect(kept.rowCount).toBe(0)
      expect(await drop(database)).toBe(1)
    })

    test('a replay from a time before the outbox reads what is left of it elsewhere', async () => {
      await sleep(20)
      const time = new Date().toISOString()
      await sleep(20)
      await grow()
      await drop(database)
      await follow('replayed')
      await until(() => expect(distinct()).toBe(12 * 14))
      await handled('replayed')
      seen = []
      await log.replay('replayed', { from: { time } })
      await until(() => expect(distinct()).toBe(12 * 12))
      await handled('replayed')
      expect(seen.every(({ event }) => event.occurredAt >= time)).toBe(true)
      expect(seen.every(({ generation }) => generation === 2)).toBe(true)
    })
  })
})

const oneTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1)

/** Ranges of ten positions, in a database that is empty yet. */
async function smallRanges({ client }: EventsDatabase): Promise<void> {
  await client.query(`
    create or replace function outbox_range_size() returns bigint
      language sql immutable parallel safe set search_path = public, pg_temp return 10;
    drop table outbox_range_0;
    delete from outbox_range;
    select make_outbox_ranges(1)`)
}

/** Everything that all partitions have left, however young. Returns how many ranges went. */
async function drop({ client }: EventsDatabase): Promise<number> {
  await client.query("select drop_outbox_ranges('1 day', '1 day')")
  await sleep(10)
  return (await client.query("select drop_outbox_ranges('0', '0')")).rowCount ?? 0
}
