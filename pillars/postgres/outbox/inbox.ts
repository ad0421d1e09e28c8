/** The consumer's side of "effectively once": an event's row here commits with its effect, or neither does. */
import type { LoggedEvent } from '@sensei/core/ports/event-log'
import type { Tx } from '../door/door.ts'

/** Ordered, so that two consumers with the same events wait for one another instead of locking each other out. */
const REMEMBER = `
insert into inbox (org_id, consumer, generation, event_id)
select org_id, $1, generation, event_id
from unnest($2::uuid[], $3::int[], $4::uuid[]) as e (org_id, generation, event_id)
order by org_id, generation, event_id
on conflict do nothing returning event_id`

/**
 * The events that this consumer has not had an effect for, in their order; from here on it has, if `tx` commits. One that
 * another consumer is handling in a transaction that is still open is waited for.
 */
export async function firstTime(
  tx: Pick<Tx, 'query'>,
  consumer: string,
  events: readonly LoggedEvent[],
): Promise<readonly LoggedEvent[]> {
  const rows = await tx.query<{ event_id: string }>(REMEMBER, [
    consumer,
    events.map(({ orgId }) => orgId),
    events.map(({ generation }) => generation),
    events.map(({ event }) => event.id),
  ])
  const fresh = new Set(rows.map((row) => row.event_id))
  return events.filter(({ event }) => fresh.has(event.id))
}
