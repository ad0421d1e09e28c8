/**
 * One consumer of a group. Twice in a lease it says that it lives and takes or gives up partitions, so that each member
 * has its share; in between it turns to the partitions that have news, a few at a time, one batch of each in memory.
 */
import { randomUUID } from 'node:crypto'
import { isSenseiError, SenseiError } from '@sensei/core/errors'
import type { Doorbell } from '@sensei/core/ports/doorbell'
import { BATCH_EVENTS_MAX, type ConsumeOptions, type Handler } from '@sensei/core/ports/event-log'
import { LEASE_MS } from '@sensei/core/ports/tasks'
import type { ConsumerGroups, Lease, Membership } from '@sensei/postgres/outbox/consumer-groups'
import type { OutboxReader, Page } from '@sensei/postgres/outbox/outbox'
import { HeldPartition } from './held-partition.ts'

/** Rung by whoever wants waiting consumers to look at once, and among the consumers of a group. */
export const EVENTS_TOPIC = 'events'

export interface ConsumerParts {
  readonly group: string
  readonly handler: Handler
  readonly groups: ConsumerGroups
  readonly reader: OutboxReader
  readonly doorbell: Doorbell
  readonly pollMs: number
  readonly options: ConsumeOptions
}

/** Partitions that are read and handled at the same time: what one waits for, another uses. */
const LANES = 4

/** Batches of one partition in a row while others wait for a lane. */
const BATCHES_A_TURN = 8

/** A hole is looked at again so often: somebody may have mended it. */
const HOLE_PAUSE_MS = 5_000

export class EventConsumer {
  readonly #parts: ConsumerParts
  readonly #me: Membership
  readonly #leaseMs: number
  readonly #batchMax: number
  readonly #held = new Map<number, HeldPartition>()
  readonly #turns = new Set<Promise<void>>()
  #unlisten: (() => Promise<void>)[] = []
  #looking: Promise<void> | null = null
  #lookAgain = false
  #stopped: Promise<void> | null = null

  constructor(parts: ConsumerParts) {
    this.#parts = parts
    this.#me = { group: parts.group, member: randomUUID() }
    this.#leaseMs = parts.options.leaseMs ?? LEASE_MS
    this.#batchMax = Math.min(parts.options.batchEventsMax ?? BATCH_EVENTS_MAX, BATCH_EVENTS_MAX)
  }

  /** Begins; the others of the group hear of it and make room. */
  async start(): Promise<void> {
    const { doorbell, group, pollMs } = this.#parts
    await this.#beat()
    await doorbell.ring(membersTopic(group))
    this.#unlisten = [
      await doorbell.listen(EVENTS_TOPIC, () => this.#look(), pollMs),
      await doorbell.listen(membersTopic(group), () => this.#beat(), this.#leaseMs / 3),
    ]
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    const { doorbell, group, groups } = this.#parts
    const [unlistenEvents, unlistenMembers] = this.#unlisten
    await unlistenEvents?.()
    await this.#looking
    // Leases are kept alive until the last handler is done.
    await Promise.all(this.#turns)
    await unlistenMembers?.()
    await this.#attempt(async () => {
      await groups.release(this.#me, [...this.#held.keys()])
      await groups.leave(this.#me)
    })
    await doorbell.ring(membersTopic(group))
  }

  async #beat(): Promise<void> {
    const { groups } = this.#parts
    await this.#attempt(async () => {
      const share = await groups.alive(this.#me, this.#leaseMs)
      this.#keep(await groups.renew(this.#me, this.#leaseMs))
      if (this.#held.size < share && this.#stopped === null) {
        this.#keep([
          ...this.#leases(),
          ...(await groups.claim(this.#me, this.#leaseMs, share - this.#held.size)),
        ])
        void this.#look()
      }
      await this.#makeRoom(share)
    })
  }

  /** What is not among `leases` any more was taken by somebody else, or set back by a replay. */
  #keep(leases: readonly Lease[]): void {
    const present = new Map(leases.map((lease) => [lease.cursor.partition, lease]))
    for (const held of this.#held.values()) {
      if (present.get(held.partition)?.epoch !== held.epoch) this.#lose(held)
    }
    for (const { cursor, epoch } of leases) {
      if (this.#held.has(cursor.partition)) continue
      this.#held.set(cursor.partition, new HeldPartition(cursor, epoch, this.#batchMax))
    }
  }

  *#leases(): Generator<Lease> {
    for (const { cursor, epoch } of this.#held.values()) yield { cursor, epoch }
  }

  async #makeRoom(share: number): Promise<void> {
    const surplus = [...this.#held.values()].slice(Math.max(share, 0))
    for (const held of surplus) held.leaving = true
    const idle = surplus.filter((held) => !held.busy)
    if (idle.length > 0) await this.#giveUp(idle)
  }

  async #giveUp(partitions: readonly HeldPartition[]): Promise<void> {
    const { doorbell, group, groups } = this.#parts
    for (const held of partitions) this.#held.delete(held.partition)
    await groups.release(
      this.#me,
      partitions.map((held) => held.partition),
    )
    await doorbell.ring(membersTopic(group))
  }

  #lose(held: HeldPartition): void {
    if (this.#held.get(held.partition) === held) this.#held.delete(held.partition)
    if (held.lost.signal.aborted) return
    held.lost.abort()
    this.#tell(
      new SenseiError(
        'LEASE_LOST',
        `partition ${held.partition} of group ${this.#parts.group} has gone to another consumer, or was set back`,
      ),
    )
  }

  /** Never twice at a time; a call meanwhile makes it look once more. */
  #look(): Promise<void> {
    this.#lookAgain = true
    this.#looking ??= this.#lookOn().finally(() => (this.#looking = null))
    return this.#looking
  }

  async #lookOn(): Promise<void> {
    while (this.#lookAgain && this.#stopped === null) {
      this.#lookAgain = false
      if (this.#held.size === 0) return
      await this.#attempt(async () => {
        const heads = await this.#parts.reader.heads()
        const due = [...this.#held.values()]
          .filter((held) => held.isDue(heads[held.partition] ?? 0))
          .sort((a, b) => a.turnedAt - b.turnedAt)
        for (const held of due.slice(0, LANES - this.#turns.size)) {
          this.#begin(held, heads[held.partition] ?? 0)
        }
      })
    }
  }

  #begin(held: HeldPartition, head: number): void {
    held.busy = true
    held.turnedAt = performance.now()
    const turn = this.#turn(held, head).finally(() => {
      held.busy = false
      this.#turns.delete(turn)
      void this.#look()
    })
    this.#turns.add(turn)
  }

  async #turn(held: HeldPartition, head: number): Promise<void> {
    for (let batch = 0; batch < BATCHES_A_TURN && this.#mayGoOn(held); batch++) {
      const more = await this.#attempt(async () => {
        const page = await this.#parts.reader.page(held.cursor, head, held.limit)
        return this.#handled(held, page)
      })
      if (more !== true) break
    }
    if (held.leaving && this.#held.get(held.partition) === held) {
      await this.#attempt(() => this.#giveUp([held]))
    }
  }

  #mayGoOn(held: HeldPartition): boolean {
    return this.#stopped === null && !held.lost.signal.aborted && !held.leaving
  }

  /** True when there may be more at once. */
  async #handled(held: HeldPartition, page: Page): Promise<boolean> {
    if (page.events.length > 0 && !(await this.#deliver(held, page))) return false
    if (page.trouble !== undefined) {
      this.#tell(page.trouble)
      if (isSenseiError(page.trouble, 'OUTBOX_HOLE')) held.pause(HOLE_PAUSE_MS)
    }
    if (page.next !== held.cursor) {
      if (!(await this.#parts.groups.move(this.#me, held.epoch, page.next))) {
        this.#lose(held)
        return false
      }
      held.cursor = page.next
    }
    return page.more
  }

  async #deliver(held: HeldPartition, { events }: Page): Promise<boolean> {
    const { group, handler } = this.#parts
    const attempt = held.attemptAt(events[0]?.event.id ?? '')
    const { partition } = held
    try {
      await handler({ group, partition, events, attempt, signal: held.lost.signal })
      held.passed()
      return true
    } catch (cause) {
      held.failed()
      const first = events[0]?.event
      this.#tell(
        new SenseiError(
          'EVENT_REFUSED',
          `group ${group} could not handle ${events.length} events from ${first?.type} of migration ` +
            `${first?.migrationId} on (attempt ${attempt}): they come again`,
          { cause, details: { partition, eventId: first?.id, attempt } },
        ),
      )
      return false
    }
  }

  /** What fails here is told and tried again at the next look: nothing was moved that was not handled. */
  async #attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      this.#tell(
        isSenseiError(error)
          ? error
          : new SenseiError('CONTROL_UNREACHABLE', 'the event log cannot be read just now', {
              cause: error,
            }),
      )
      return undefined
    }
  }

  #tell(trouble: SenseiError): void {
    this.#parts.options.onTrouble?.(trouble)
  }
}

export function membersTopic(group: string): string {
  return `${EVENTS_TOPIC}:${group}`
}
