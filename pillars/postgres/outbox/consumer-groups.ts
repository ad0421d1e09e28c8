/**
 * Cursors of consumer groups and the leases on them, on PostgreSQL's time. A lease is (partition, owner, epoch): whoever
 * takes a partition raises its epoch, and a cursor moves only for the owner under the present epoch, however late a
 * consumer that was paused comes back.
 */
import { SenseiError } from '@sensei/core/errors'
import { type From, PARTITIONS, type PartitionLag } from '@sensei/core/ports/event-log'
import { type Cursor, type CursorRow, cursorOf } from './group-cursor.ts'
import { DROPPED_TO } from './outbox.ts'
import type { Statements } from '../door/statements.ts'

export interface Lease {
  readonly cursor: Cursor
  readonly epoch: number
}

/** One consumer of a group. */
export interface Membership {
  readonly group: string
  /** A uuid of this consumer's own. */
  readonly member: string
}

const COLUMNS = `c.partition, c.position, c.generation, c.replay_until, c.replay_only, c.history_to, c.history_since,
  c.history_migration, c.history_version, c.epoch`

/**
 * Where each partition begins. $2 is the kind, $3 a position, $4 a time. What was dropped is read from the history: from
 * the beginning, or since the time when the outbox holds nothing older than that.
 */
const START = `
with dropped as (${DROPPED_TO}), first as (
  select o.partition, min(o.position) as position
  from migration_event e join outbox o on o.org_id = e.org_id and o.event_id = e.id
  where $2 = 'time' and e.occurred_at >= $4::timestamptz group by o.partition
), wanted as (
  select p.partition, d.dropped_to, case $2
    when 'earliest' then 0
    when 'now' then p.last_position
    when 'position' then least($3::bigint - 1, p.last_position)
    else coalesce(nullif(f.position - 1, d.dropped_to), case when f.position is null then p.last_position else 0 end)
    end as position
  from outbox_partition p cross join dropped d left join first f using (partition)
), start as (
  select w.partition, w.position,
    case when w.position < w.dropped_to then w.dropped_to end as history_to,
    case when w.position < w.dropped_to then $4::timestamptz end as history_since
  from wanted w
)`

const JOIN = `${START}
insert into consumer_cursor
  (consumer, partition, position, history_to, history_since, history_migration, history_version)
select $1, s.partition, case when $5::smallint is null or $5 = s.partition then s.position else 0 end,
  s.history_to, s.history_since,
  case when s.history_to is not null then '00000000-0000-0000-0000-000000000000'::uuid end,
  case when s.history_to is not null then 0 end
from start s on conflict do nothing`

const REPLAY = `${START}
update consumer_cursor c set
  position = s.position,
  generation = c.generation + 1,
  replay_until = case when b.until > s.position then b.until else 0 end,
  replay_only = $6::uuid,
  history_to = s.history_to,
  history_since = s.history_since,
  history_migration = case when s.history_to is not null then '00000000-0000-0000-0000-000000000000'::uuid end,
  history_version = case when s.history_to is not null then 0 end,
  epoch = c.epoch + 1, owner = null, lease_until = null, moved_at = clock_timestamp()
from start s, consumer_cursor before,
  lateral (select greatest(before.position, before.replay_until, before.history_to) as until) b
where c.consumer = $1 and s.partition = c.partition
  and before.consumer = c.consumer and before.partition = c.partition
  and ($5::smallint is null or c.partition = $5)
  and ($6::uuid is null or c.partition = partition_of($6))
  and ($6::uuid is null or (c.history_to is null and c.replay_until <= c.position))
returning c.partition`

const ALIVE = `
with gone as (
  delete from consumer_member where consumer = $1 and id <> $2 and alive_until < clock_timestamp()
), me as (
  insert into consumer_member (consumer, id, alive_until)
  values ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')
  on conflict (consumer, id) do update set alive_until = excluded.alive_until
)
select count(*)::int as others, count(*) filter (where id < $2)::int as before
from consumer_member where consumer = $1 and id <> $2 and alive_until >= clock_timestamp()`

const RENEW = `
update consumer_cursor c set lease_until = clock_timestamp() + $3 * interval '1 millisecond'
where c.consumer = $1 and c.owner = $2 returning ${COLUMNS}`

/** The array is made once; a joined subquery may be run again for each row, and claim more than its limit. */
const CLAIM = `
update consumer_cursor c
set owner = $2, epoch = c.epoch + 1, lease_until = clock_timestamp() + $3 * interval '1 millisecond'
where c.consumer = $1 and c.partition = any (array(
  select partition from consumer_cursor
  where consumer = $1 and owner is distinct from $2 and (owner is null or lease_until < clock_timestamp())
  order by partition limit $4 for update skip locked))
returning ${COLUMNS}`

/** A move that a crash of the server forgets is a batch delivered again, so it need not wait for the disk. */
const MOVE = `
update consumer_cursor c set position = $5, replay_until = $6, replay_only = $7, history_to = $8, history_since = $9,
  history_migration = $10, history_version = $11, moved_at = clock_timestamp()
where c.consumer = $1 and c.owner = $2 and c.partition = $3 and c.epoch = $4
  and (select set_config('synchronous_commit', 'off', true)) = 'off'
returning c.partition`

const RELEASE = `
update consumer_cursor set owner = null, lease_until = null
where consumer = $1 and owner = $2 and partition = any ($3)`

const LAG = `
select c.partition, c.position, p.last_position as head, coalesce(c.lease_until > clock_timestamp(), false) as held
from consumer_cursor c join outbox_partition p using (partition) where c.consumer = $1 order by c.partition`

export class ConsumerGroups {
  readonly #statements: Pick<Statements, 'query'>

  constructor(statements: Pick<Statements, 'query'>) {
    this.#statements = statements
  }

  /** Makes the group where it is new; one that is known stays where it is. */
  async ensure(group: string, from: From): Promise<void> {
    await this.#statements.query(JOIN, [group, ...startValues(from)])
  }

  /** Alive for `leaseMs` more. Returns the number of partitions that are this member's share of the group. */
  async alive({ group, member }: Membership, leaseMs: number): Promise<number> {
    const values = [group, member, leaseMs]
    const rows = await this.#statements.query<{ others: number; before: number }>(ALIVE, values)
    const { others = 0, before = 0 } = rows[0] ?? {}
    const members = others + 1
    return Math.floor(PARTITIONS / members) + (before < PARTITIONS % members ? 1 : 0)
  }

  /** Lengthens what the member has; returns all of it. */
  async renew({ group, member }: Membership, leaseMs: number): Promise<readonly Lease[]> {
    return this.#leases(RENEW, [group, member, leaseMs])
  }

  /** Takes up to `limit` partitions that nobody holds, or whose holder has not been heard of. */
  async claim(
    { group, member }: Membership,
    leaseMs: number,
    limit: number,
  ): Promise<readonly Lease[]> {
    return this.#leases(CLAIM, [group, member, leaseMs, limit])
  }

  /** False when the partition is somebody else's by now, or was set back by a replay. */
  async move({ group, member }: Membership, epoch: number, to: Cursor): Promise<boolean> {
    const { partition, position, replayUntil, replayOnly, history } = to
    const rows = await this.#statements.query(MOVE, [
      group,
      member,
      partition,
      epoch,
      position,
      replayUntil,
      replayOnly,
      history?.upTo ?? null,
      history?.since ?? null,
      history?.migrationId ?? null,
      history?.version ?? null,
    ])
    return rows.length === 1
  }

  async release({ group, member }: Membership, partitions: readonly number[]): Promise<void> {
    await this.#statements.query(RELEASE, [group, member, partitions])
  }

  /** After the last release. */
  async leave({ group, member }: Membership): Promise<void> {
    const gone = 'delete from consumer_member where consumer = $1 and id = $2'
    await this.#statements.query(gone, [group, member])
  }

  async replay(group: string, from: From, migrationId: string | null): Promise<void> {
    await this.lag(group)
    const values = [group, ...startValues(from), migrationId]
    const rows = await this.#statements.query(REPLAY, values)
    if (rows.length > 0) return
    throw new SenseiError(
      'REPLAY_RUNNING',
      `group ${group} is still replaying in the partition of migration ${migrationId}: wait until its lag is gone`,
    )
  }

  async lag(group: string): Promise<readonly PartitionLag[]> {
    const rows = await this.#statements.query<LagRow>(LAG, [group])
    if (rows.length === 0) {
      throw new SenseiError('EVENT_GROUP_UNKNOWN', `there is no consumer group ${group}`)
    }
    return rows.map(({ partition, position, head, held }) => ({
      partition,
      position: Number(position),
      head: Number(head),
      held,
    }))
  }

  async #leases(sql: string, values: readonly unknown[]): Promise<readonly Lease[]> {
    const rows = await this.#statements.query<CursorRow>(sql, values)
    return rows.map((row) => ({ cursor: cursorOf(row), epoch: Number(row.epoch) }))
  }
}

interface LagRow {
  readonly partition: number
  readonly position: string
  readonly head: string
  readonly held: boolean
}

/** $2 to $5 of the statements above. */
function startValues(from: From): readonly unknown[] {
  if (typeof from === 'string') return [from, null, null, null]
  if ('time' in from) return ['time', null, from.time, null]
  return ['position', Math.max(from.position, 1), null, from.partition ?? null]
}
