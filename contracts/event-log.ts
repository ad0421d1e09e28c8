/**
 * What every EventLog does, whatever it is built on: the adapter's own test calls this with a way to write events, to
 * open the log as another process would, and to run a consumer in a process that can be killed.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SenseiError } from '@sensei/core/errors'
import type {
  Consumption,
  ConsumeOptions,
  Delivery,
  EventLog,
  LoggedEvent,
} from '@sensei/core/ports/event-log'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

export interface EventLogHarness {
  /** Each is independent of the others, like the log of another process. */
  open(): Promise<EventLog>
  /** Makes migrations of so many events each; returns their ids when all of it is durable. */
  write(migrations: number, eventsEach: number): Promise<readonly string[]>
  /** Adds events to one migration. */
  append(migrationId: string, events: number): Promise<void>
  /**
   * Runs a consumer of `group` in a process of its own. It prints `migrationId version generation`, one line an event, before
   * its handler returns, and takes `handlerMs` for each batch.
   */
  spawn(group: string, options: { leaseMs: number; handlerMs: number; batch: number }): ChildProcess
  close(): Promise<void>
}

/** Short, so that a dead consumer is noticed while a test waits. */
const LEASE_MS = 1_200

export function eventLogContract(name: string, prepare: () => Promise<EventLogHarness>): void {
  describe(`the event log of ${name}`, () => {
    let harness: EventLogHarness
    let log: EventLog
    const logs: EventLog[] = []
    const children: ChildProcess[] = []

    beforeEach(async () => {
      harness = await prepare()
      log = await another()
    })
    afterEach(async () => {
      for (const child of children.splice(0)) {
        if (child.exitCode !== null || child.signalCode !== null) continue
        child.kill('SIGKILL')
        await once(child, 'exit')
      }
      await Promise.all(logs.splice(0).map((one) => one.close()))
      await harness.close()
    })

    async function another(): Promise<EventLog> {
      const opened = await harness.open()
      logs.push(opened)
      return opened
    }

    const until = (check: () => void | Promise<void>, timeout = 15_000) =>
      vi.waitFor(check, { timeout, interval: 20 })

    test('a new group gets every event, each migration in the order of its versions', async () => {
      const ids = await harness.write(30, 20)
      const seen = new Tally()
      await seen.follow(log, 'order')
      await until(() => expect(seen.distinct).toBe(600))
      const more = await harness.write(5, 10)
      await until(() => expect(seen.distinct).toBe(650))
      expect(seen.outOfOrder).toBe(0)
      expect(seen.delivered).toBe(650)
      expect([...seen.migrations].toSorted()).toEqual([...ids, ...more].toSorted())
    })

    test('positions of a partition are handed over without a hole, and batches keep to their size', async () => {
      await harness.write(40, 10)
      const seen = new Tally()
      await seen.follow(log, 'sizes', { batchEventsMax: 7 })
      await until(() => expect(seen.distinct).toBe(400))
      expect(seen.holes).toBe(0)
      expect(seen.largestBatch).toBeLessThanOrEqual(7)
    })

    test('groups know nothing of each other: one that is slow, late or stopped holds no other back', async () => {
      await harness.write(10, 10)
      const stuck = new Tally()
      let release = (): void => undefined
      const gate = new Promise<void>((resolve) => (release = resolve))
      stuck.before = () => gate
      await stuck.follow(log, 'stuck')
      const quick = new Tally()
      await quick.follow(log, 'quick')
      await until(() => expect(quick.distinct).toBe(100))
      expect(stuck.distinct).toBe(0)
      const late = new Tally()
      await late.follow(await another(), 'late')
      await until(() => expect(late.distinct).toBe(100))
      release()
      await until(() => expect(stuck.distinct).toBe(100))
    })

    test('a group that begins now gets what comes, and nothing that was', async () => {
      await harness.write(5, 5)
      const seen = new Tally()
      await seen.follow(log, 'now', { from: 'now' })
      const [id] = await harness.write(1, 8)
      await until(() => expect(seen.distinct).toBe(8))
      expect([...seen.migrations]).toEqual([id])
    })

    test('a group that is known goes on where it stopped, wherever its consumer asks to begin', async () => {
      await harness.write(5, 10)
      const first = new Tally()
      const consumption = await first.follow(log, 'again')
      await until(() => expect(first.distinct).toBe(50))
      await consumption.stop()
      await harness.write(2, 10)
      const second = new Tally()
      await second.follow(log, 'again', { from: 'earliest' })
      await until(() => expect(second.distinct).toBe(20))
      await sleep(200)
      expect(second.delivered).toBe(20)
    })

    test('stopping waits for the handler that runs, and what it handled does not come again', async () => {
      await harness.write(1, 3)
      const first = new Tally()
      first.before = () => sleep(300)
      const consumption = await first.follow(log, 'graceful')
      await until(() => expect(first.started).toBeGreaterThan(0))
      await consumption.stop()
      await consumption.stop()
      expect(first.distinct).toBe(3)
      const second = new Tally()
      await second.follow(log, 'graceful')
      await sleep(500)
      expect(second.delivered).toBe(0)
      expect((await log.lag('graceful')).every(({ position, head }) => position === head)).toBe(
        true,
      )
    })

    test('what was handed over and not handled comes again after a SIGKILL, and nothing is skipped', async () => {
      await harness.write(20, 30)
      const printed: string[] = []
      const child = spawnConsumer('killed', printed, 10)
      await until(() => expect(printed.length).toBeGreaterThan(100))
      child.kill('SIGKILL')
      await once(child, 'exit')
      const killedAt = printed.length
      const seen = new Tally()
      await seen.follow(log, 'killed', { leaseMs: LEASE_MS })
      await until(() => expect(new Set([...seen.keys, ...printed.map(key)]).size).toBe(600))
      expect(seen.outOfOrder).toBe(0)
      expect(seen.distinct).toBeGreaterThanOrEqual(600 - killedAt)
      expect(seen.distinct).toBeLessThan(600)
    })

    test('a consumer that was paused past its lease moves no cursor of its successor', async () => {
      await harness.write(20, 30)
      const printed: string[] = []
      const child = spawnConsumer('paused', printed, 40)
      await until(() => expect(printed.length).toBeGreaterThan(50))
      child.kill('SIGSTOP')
      const seen = new Tally()
      await seen.follow(log, 'paused', { leaseMs: LEASE_MS })
      await until(() => expect(new Set([...seen.keys, ...printed.map(key)]).size).toBe(600))
      await untilHandled('paused')
      const before = await log.lag('paused')
      child.kill('SIGCONT')
      await sleep(LEASE_MS)
      const after = await log.lag('paused')
      for (const [index, { position }] of after.entries()) {
        expect(position).toBeGreaterThanOrEqual(before[index]?.position ?? 0)
      }
      expect(seen.outOfOrder).toBe(0)
    })

    test('two consumers share the partitions, and one that leaves hands its own over', async () => {
      const one = new Tally()
      const two = new Tally()
      await one.follow(log, 'shared', { leaseMs: LEASE_MS })
      const second = await two.follow(await another(), 'shared', { leaseMs: LEASE_MS })
      await until(async () => {
        await harness.write(12, 2)
        expect(one.recent()).toBeGreaterThan(0)
        expect(two.recent()).toBeGreaterThan(0)
      })
      await untilHandled('shared')
      expect(one.partitions.size + two.partitions.size).toBeGreaterThanOrEqual(2)
      await second.stop()
      const distinct = () => new Set([...one.keys, ...two.keys]).size
      const before = distinct()
      await harness.write(24, 5)
      await until(() => expect(distinct()).toBe(before + 120))
      expect(one.outOfOrder + two.outOfOrder).toBe(0)
    })

    test('a slow handler keeps its partition, and the partitions of others go on meanwhile', async () => {
      await harness.write(60, 4)
      const seen = new Tally()
      const troubles: SenseiError[] = []
      let slow: number | null = null
      seen.before = async ({ partition }) => {
        slow ??= partition
        if (partition === slow) await sleep(LEASE_MS * 2)
      }
      const options = { leaseMs: LEASE_MS, onTrouble: (one: SenseiError) => troubles.push(one) }
      await seen.follow(log, 'slow', options)
      await until(() => expect(seen.partitions.size).toBeGreaterThan(3), LEASE_MS)
      await until(() => expect(seen.distinct).toBe(240))
      expect(seen.delivered).toBe(240)
      expect(troubles).toEqual([])
    })

    test('an event that cannot be handled comes again by itself, is counted, and is never overtaken', async () => {
      const [poisoned = ''] = await harness.write(1, 12)
      await harness.write(40, 5)
      const seen = new Tally()
      const attempts: number[] = []
      const troubles: SenseiError[] = []
      let cured = false
      seen.before = async ({ events, attempt }) => {
        const bad = events.some(
          ({ event }) => event.migrationId === poisoned && event.version === 6,
        )
        if (!bad || cured) return
        if (events.length === 1) attempts.push(attempt)
        throw new TypeError('cannot be handled')
      }
      await seen.follow(log, 'poison', { onTrouble: (one) => troubles.push(one) })
      await until(() => expect(attempts.length).toBeGreaterThan(3))
      await until(() => expect(seen.migrations.size).toBeGreaterThan(20))
      expect(seen.versionOf(poisoned)).toBe(5)
      expect(attempts.slice(0, 3)).toEqual([
        attempts[0],
        (attempts[0] ?? 0) + 1,
        (attempts[0] ?? 0) + 2,
      ])
      expect(troubles[0]).toMatchObject({
        code: 'EVENT_REFUSED',
        cause: { message: 'cannot be handled' },
      })
      cured = true
      await until(() => expect(seen.distinct).toBe(212))
      expect(seen.outOfOrder).toBe(0)
    })

    test('a replay delivers again from a position, under another generation, while the consumer runs', async () => {
      await harness.write(20, 10)
      const seen = new Tally()
      await seen.follow(log, 'replayed')
      await until(() => expect(seen.distinct).toBe(200))
      await untilHandled('replayed')
      await log.replay('replayed', { from: { position: 1 } })
      await until(() => expect(seen.delivered).toBe(400))
      expect(seen.generations.get(2)).toBe(200)
      await harness.write(2, 10)
      await until(() => expect(seen.delivered).toBe(420))
      expect(seen.generations.get(1)).toBe(220)
    })

    test('a replay of one partition leaves the others where they are', async () => {
      await harness.write(60, 4)
      const seen = new Tally()
      await seen.follow(log, 'one')
      await until(() => expect(seen.distinct).toBe(240))
      await untilHandled('one')
      const [full] = (await log.lag('one')).filter(({ head }) => head >= 8)
      const { partition = 0, head = 0 } = full ?? {}
      await log.replay('one', { from: { partition, position: head - 2 } })
      await until(() => expect(seen.delivered).toBe(243))
      await sleep(200)
      expect(seen.delivered).toBe(243)
    })

    test('a replay from a time delivers what happened then or later', async () => {
      await harness.write(6, 5)
      await sleep(30)
      const time = new Date().toISOString()
      await sleep(30)
      await harness.write(6, 5)
      const seen = new Tally()
      await seen.follow(log, 'time')
      await until(() => expect(seen.distinct).toBe(60))
      await untilHandled('time')
      await log.replay('time', { from: { time } })
      await until(() => expect(seen.delivered).toBe(90))
      await sleep(200)
      expect(seen.delivered).toBe(90)
    })

    test('a replay of one migration delivers its events again, and none of the others', async () => {
      const ids = await harness.write(20, 10)
      const seen = new Tally()
      await seen.follow(log, 'single')
      await until(() => expect(seen.distinct).toBe(200))
      await untilHandled('single')
      const [migrationId = ''] = ids
      await log.replay('single', { from: 'earliest', migrationId })
      await until(() => expect(seen.delivered).toBe(210))
      await harness.append(migrationId, 3)
      await until(() => expect(seen.delivered).toBe(213))
      expect(seen.generations.get(2)).toBe(10)
      expect(seen.again).toEqual(new Set([migrationId]))
    })

    test('a group that never was has no lag and no replay', async () => {
      const unknown = { code: 'EVENT_GROUP_UNKNOWN' }
      await expect(log.lag('nobody')).rejects.toMatchObject(unknown)
      await expect(log.replay('nobody', { from: 'now' })).rejects.toMatchObject(unknown)
    })

    test('a handler that is stuck makes the consumer hold a few batches and no more', async () => {
      await harness.write(40, 30)
      const seen = new Tally()
      let release = (): void => undefined
      const gate = new Promise<void>((resolve) => (release = resolve))
      seen.before = () => gate
      await seen.follow(log, 'memory', { batchEventsMax: 10 })
      await until(() => expect(seen.started).toBeGreaterThan(0))
      await sleep(600)
      expect(seen.inHand).toBeLessThanOrEqual(12 * 10)
      release()
      await until(() => expect(seen.distinct).toBe(1_200))
      expect(seen.mostInHand).toBeLessThanOrEqual(12 * 10)
    })

    async function untilHandled(group: string): Promise<void> {
      await vi.waitFor(
        async () => {
          const lag = await log.lag(group)
          expect(lag.every(({ position, head }) => position === head)).toBe(true)
        },
        { timeout: 15_000, interval: 30 },
      )
    }

    function spawnConsumer(group: string, printed: string[], handlerMs: number): ChildProcess {
      const child = harness.spawn(group, { leaseMs: LEASE_MS, handlerMs, batch: 10 })
      children.push(child)
      const lines = createInterface({ input: child.stdout as NonNullable<typeof child.stdout> })
      lines.on('line', (line) => void printed.push(line))
      return child
    }
  })
}

/** `migrationId version` of a line that a spawned consumer printed. */
const key = (line: string): string => line.split(' ').slice(0, 2).join(' ')

/** Counts what a consumer is handed. */
class Tally {
  delivered = 0
  outOfOrder = 0
  holes = 0
  largestBatch = 0
  started = 0
  inHand = 0
  mostInHand = 0
  readonly keys = new Set<string>()
  readonly migrations = new Set<string>()
  readonly partitions = new Set<number>()
  readonly generations = new Map<number, number>()
  /** Migrations that came under a generation above the first. */
  readonly again = new Set<string>()
  before: (delivery: Delivery) => Promise<void> = () => Promise.resolve()
  readonly #versions = new Map<string, number>()
  readonly #positions = new Map<number, number>()
  #recent = 0

  get distinct(): number {
    return this.keys.size
  }

  follow(log: EventLog, group: string, options: ConsumeOptions = {}): Promise<Consumption> {
    return log.consume(group, (delivery) => this.#take(delivery), options)
  }

  versionOf(migrationId: string): number | undefined {
    return this.#versions.get(migrationId)
  }

  /** Batches since this was last asked. */
  recent(): number {
    const count = this.#recent
    this.#recent = 0
    return count
  }

  async #take(delivery: Delivery): Promise<void> {
    const { events } = delivery
    this.started++
    this.inHand += events.length
    this.mostInHand = Math.max(this.mostInHand, this.inHand)
    try {
      await this.before(delivery)
    } finally {
      this.inHand -= events.length
    }
    this.#recent++
    this.partitions.add(delivery.partition)
    this.largestBatch = Math.max(this.largestBatch, events.length)
    for (const one of events) this.#count(one)
  }

  #count({ event, position, partition, generation }: LoggedEvent): void {
    const last = this.#versions.get(event.migrationId) ?? 0
    // Coming again is no fault; being ahead of one that has not come yet is.
    if (generation === 1 && event.version > last + 1 && last > 0) this.outOfOrder++
    this.#versions.set(event.migrationId, Math.max(last, event.version))
    const before = this.#positions.get(partition) ?? 0
    if (position !== null && position > before + 1) this.holes++
    if (position !== null) this.#positions.set(partition, Math.max(before, position))
    this.delivered++
    this.keys.add(`${event.migrationId} ${event.version}`)
    this.migrations.add(event.migrationId)
    if (generation > 1) this.again.add(event.migrationId)
    this.generations.set(generation, (this.generations.get(generation) ?? 0) + 1)
  }
}
