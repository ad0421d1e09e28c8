/** Judges by SQL alone what the consumers left behind, beside what the writers committed. */
import type { Client } from '@sensei/postgres/door/connection'

export const TABLES = `
  create table proof_effect (seq bigint generated always as identity primary key,
    event_id uuid not null, migration_id uuid not null, version int not null, partition int not null, position bigint);
  create table proof_delivery (events int not null);
  grant insert on proof_effect, proof_delivery to sensei_consumer`

export interface Judgement {
  readonly events: number
  readonly skipped: number
  readonly twice: number
  readonly outOfOrder: number
  readonly holes: number
  readonly redelivered: number
}

const JUDGE = `
select
  (select count(*) from migration_event)::int as events,
  (select count(*) from migration_event e
    where not exists (select from proof_effect f where f.event_id = e.id))::int as skipped,
  (select count(*) - count(distinct event_id) from proof_effect)::int as twice,
  (select count(*) from (
    select version - lag(version, 1, 0) over (partition by migration_id order by seq) as step from proof_effect) s
    where step <> 1)::int as "outOfOrder",
  (select count(*) from (
    select position - lag(position, 1, 0::bigint) over (partition by partition order by position) as step from outbox) s
    where step <> 1)::int as holes,
  ((select coalesce(sum(events), 0) from proof_delivery) - (select count(*) from proof_effect))::int as redelivered`

export async function judge(client: Client): Promise<Judgement> {
  const { rows } = await client.query<Judgement>(JUDGE)
  return rows[0] as Judgement
}
