/**
 * The EventLog on PostgreSQL alone: the outbox read directly. A group is a cursor and a lease for each partition, replay
 * is free, and publishing is what every transition's transaction does anyway. The doorbell only shortens the wait; a poll
 * stands behind it.
 */
import type { Doorbell } from '@sensei/core/ports/doorbell'
import type {
  Consumption,
  ConsumeOptions,
  EventLog,
  Handler,
  PartitionLag,
  ReplayOptions,
} from '@sensei/core/ports/event-log'
import type { ConnectionSettings } from '@sensei/postgres/door/connection'
import { ConsumerGroups } from '@sensei/postgres/outbox/consumer-groups'
import { OutboxReader } from '@sensei/postgres/outbox/outbox'
import { openStatements, type Statements } from '@sensei/postgres/door/statements'
import { openDoorbell } from './doorbell.ts'
import { EventConsumer, membersTopic } from './event-consumer.ts'

export interface EventLogOptions {
  /** How long an event may wait for a consumer whom nobody rang. */
  readonly pollMs?: number
}

/** `settings`: a login that is a member of sensei_consumer. */
export async function openEventLog(
  settings: ConnectionSettings,
  { pollMs = 100 }: EventLogOptions = {},
): Promise<EventLog> {
  const doorbell = await openDoorbell(settings)
  return new EmbeddedEventLog(openStatements(settings, { connectionsMax: 6 }), doorbell, pollMs)
}

class EmbeddedEventLog implements EventLog {
  readonly #statements: Statements
  readonly #groups: ConsumerGroups
  readonly #doorbell: Doorbell
  readonly #pollMs: number
  readonly #consumers = new Set<EventConsumer>()

  constructor(statements: Statements, doorbell: Doorbell, pollMs: number) {
    this.#statements = statements
    this.#groups = new ConsumerGroups(statements)
    this.#doorbell = doorbell
    this.#pollMs = pollMs
  }

  async consume(
    group: string,
    handler: Handler,
    options: ConsumeOptions = {},
  ): Promise<Consumption> {
    await this.#groups.ensure(group, options.from ?? 'earliest')
    const consumer = new EventConsumer({
      group,
      handler,
      groups: this.#groups,
      reader: new OutboxReader(this.#statements),
      doorbell: this.#doorbell,
      pollMs: this.#pollMs,
      options,
    })
    this.#consumers.add(consumer)
    await consumer.start()
    return {
      stop: async () => {
        await consumer.stop()
        this.#consumers.delete(consumer)
      },
    }
  }

  async replay(group: string, { from, migrationId }: ReplayOptions): Promise<void> {
    await this.#groups.replay(group, from, migrationId ?? null)
    await this.#doorbell.ring(membersTopic(group))
  }

  lag(group: string): Promise<readonly PartitionLag[]> {
    return this.#groups.lag(group)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#consumers].map((consumer) => consumer.stop()))
    await this.#doorbell.close()
    await this.#statements.close()
  }
}
