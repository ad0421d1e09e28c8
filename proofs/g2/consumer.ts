/**
 * A consumer of the G2 proof, until it is killed. An event's effect is a row, written together with the event's row in the
 * inbox; every hand-over is counted besides. `control` breaks the consumer on purpose.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Handler, LoggedEvent } from '@sensei/core/ports/event-log'
import { openEventLog } from '@sensei/embedded/event-log'
import { firstTime } from '@sensei/postgres/outbox/inbox'
import { ServiceDoor } from '@sensei/postgres/door/services'

/** Without the inbox; or with the effect only after the cursor has moved. */
export type Control = 'no inbox' | 'effect afterwards'

export interface ConsumerTask {
  readonly settings: Parameters<typeof openEventLog>[0]
  readonly group: string
  readonly leaseMs: number
  readonly control?: Control
}

const EFFECT = `
insert into proof_effect (event_id, migration_id, version, partition, position)
select * from unnest($1::uuid[], $2::uuid[], $3::int[], $4::int[], $5::bigint[])`

const { settings, group, leaseMs, control } = JSON.parse(process.argv[2] as string) as ConsumerTask
const door = new ServiceDoor(settings, 'consumer', { connectionsMax: 4 })
const log = await openEventLog(settings, { pollMs: 20 })

function effect(events: readonly LoggedEvent[]): Promise<unknown> {
  return door.write(async (tx) => {
    const fresh = control === 'no inbox' ? events : await firstTime(tx, group, events)
    await tx.query('insert into proof_delivery (events) values ($1)', [events.length])
    await tx.query(EFFECT, [
      fresh.map(({ event }) => event.id),
      fresh.map(({ event }) => event.migrationId),
      fresh.map(({ event }) => event.version),
      fresh.map(({ partition }) => partition),
      fresh.map(({ position }) => position),
    ])
  })
}

const handler: Handler = async ({ events }) => {
  if (control !== 'effect afterwards') return void (await effect(events))
  void sleep(50).then(() => effect(events))
}

await log.consume(group, handler, {
  leaseMs,
  batchEventsMax: 200,
  onTrouble: (trouble) => process.send?.({ code: trouble.code, message: trouble.message }),
})
