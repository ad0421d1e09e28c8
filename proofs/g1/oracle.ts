/**
 * Judges a control plane by SQL alone. It shares no code with what it judges: the lifecycle below was written by hand
 * from the design, and the promises are what the clients said they were told.
 */
import type { Client } from '@sensei/postgres/door/connection'

export interface Promised {
  readonly migrationId: string
  readonly version: number
  readonly event: string
}

const EDGES = `
  pending planning_started planning, pending cancel_requested cancelling,
  planning planned plan_ready, planning taken_over planning, planning failed failed,
  planning cancel_requested cancelling,
  plan_ready planning_started planning, plan_ready plan_revised plan_ready, plan_ready approved approved,
  plan_ready cancel_requested cancelling,
  approved plan_revised plan_ready, approved started running, approved cancel_requested cancelling,
  running taken_over running, running snapshot_replaced running, running pause_requested pausing,
  running validation_started validating, running completed completed, running failed failed,
  running cancel_requested cancelling,
  pausing taken_over pausing, pausing paused paused, pausing failed failed, pausing cancel_requested cancelling,
  paused resumed running, paused cancel_requested cancelling,
  validating taken_over validating, validating snapshot_replaced running, validating completed completed,
  validating failed failed, validating cancel_requested cancelling,
  completed rollback_started rolling_back,
  failed resumed planning, failed resumed running, failed resumed validating, failed cancel_requested cancelling,
  failed rollback_started rolling_back,
  cancelling taken_over cancelling, cancelling cancelled cancelled,
  cancelled rollback_started rolling_back,
  rolling_back taken_over rolling_back, rolling_back rolled_back rolled_back,
  rolling_back rollback_failed rollback_failed,
  rollback_failed rollback_started rolling_back`

/** Each query counts what must not be. */
const CHECKS: Readonly<Record<string, string>> = {
  'migrations whose events are not versions 1 to n': `
    select count(*) from migration m where not exists (
      select from migration_event e where (e.org_id, e.migration_id) = (m.org_id, m.id)
      having count(*) = m.version and min(e.version) = 1 and max(e.version) = m.version)`,
  'migrations that stand elsewhere than their last event': `
    select count(*) from migration m where not exists (
      select from migration_event e where (e.org_id, e.migration_id, e.version) = (m.org_id, m.id, m.version)
        and e.status = m.status and e.failed_in is not distinct from m.failed_in)`,
  'events without exactly one audit row of their kind': `
    select count(*) from migration_event e where (
      select count(*) from audit_log a
      where (a.org_id, a.migration_id, a.version) = (e.org_id, e.migration_id, e.version)
        and a.action = e.type) <> 1`,
  'audit rows of migrations without an event': `
    select count(*) from audit_log a where a.migration_id is not null and not exists (
      select from migration_event e where (e.org_id, e.migration_id, e.version) = (a.org_id, a.migration_id, a.version))`,
  'steps that the lifecycle does not have': `
    select count(*) from (
      select e.status as now, split_part(e.type, '.', 2) as event, e.version,
        lag(e.status) over w as before, lag(e.failed_in) over w as failed_in
      from migration_event e window w as (partition by e.org_id, e.migration_id order by e.version)) s
    where case when s.version = 1 then (s.event, s.now) <> ('created', 'pending')
      else not exists (select from oracle_edge g where (g.before, g.event, g.now) = (s.before, s.event, s.now))
        or s.event = 'resumed' and s.before = 'failed' and s.now is distinct from s.failed_in end`,
  'promises that were not kept': `
    select count(*) from oracle_promise p where not exists (
      select from migration_event e
      where (e.migration_id, e.version, e.type) = (p.migration_id, p.version, 'migration.' || p.event))`,
  'versions that were promised twice': `
    select count(*) from (
      select from oracle_promise group by migration_id, version having count(*) > 1) twice`,
  'events without exactly one position': `
    select count(*) from migration_event e
    where (select count(*) from outbox o where (o.org_id, o.event_id) = (e.org_id, e.id)) <> 1`,
  'partitions whose positions are not 1 to n': `
    select count(*) from outbox_partition p where p.last_position <> (
      select count(*) from outbox o where o.partition = p.partition)
      or p.last_position <> (select coalesce(max(position), 0) from outbox o where o.partition = p.partition)`,
  'events whose position contradicts their version': `
    select count(*) from (
      select o.position, o.partition, lag(o.position) over w as before, lag(o.partition) over w as partition_before
      from outbox o join migration_event e on (e.org_id, e.id) = (o.org_id, o.event_id)
      window w as (partition by e.org_id, e.migration_id order by e.version)) s
    where s.position <= s.before or s.partition <> s.partition_before`,
  'audit rows without exactly one position': `
    select count(*) from audit_log a
    where (select count(*) from audit_position p where (p.org_id, p.audit_id) = (a.org_id, a.id)) <> 1`,
  'organizations whose audit positions are not 1 to n': `
    select count(*) from (
      select org_id, count(*) as amount, max(position) as last from audit_position group by org_id) p
    full join audit_head h using (org_id)
    where p.amount is distinct from p.last or h.last_position is distinct from p.last`,
}

/** What is wrong, with how often; empty when the promise holds. */
export async function judge(
  admin: Client,
  promises: readonly Promised[],
): Promise<readonly string[]> {
  await admin.query('drop table if exists oracle_edge, oracle_promise')
  await admin.query('create temp table oracle_edge (before text, event text, now text)')
  const edges = EDGES.split(',').map((edge) => edge.trim().split(' '))
  await admin.query(
    'insert into oracle_edge select * from unnest($1::text[], $2::text[], $3::text[])',
    [
      edges.map(([before]) => before),
      edges.map(([, event]) => event),
      edges.map(([, , now]) => now),
    ],
  )
  await admin.query(
    'create temp table oracle_promise (migration_id uuid, version integer, event text)',
  )
  await admin.query(
    'insert into oracle_promise select * from unnest($1::uuid[], $2::integer[], $3::text[])',
    [
      promises.map((promise) => promise.migrationId),
      promises.map((promise) => promise.version),
      promises.map((promise) => promise.event),
    ],
  )
  await admin.query('create index on oracle_promise (migration_id, version)')
  await admin.query('analyze')
  const findings: string[] = []
  for (const [name, sql] of Object.entries(CHECKS)) {
    const { rows } = await admin.query<{ count: string }>(sql)
    if (rows[0]?.count !== '0') findings.push(`${name}: ${rows[0]?.count}`)
  }
  return findings
}
