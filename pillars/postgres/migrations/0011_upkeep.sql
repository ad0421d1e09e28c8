-- Upkeep: what is kept how long, the jobs that throw away the rest, and what approved mappings teach.
--
-- The history of migrations belongs to the owner of the tables from now on, so that the role that migrates may be
-- another one next time.
alter table _prisma_migrations owner to sensei_owner;

set local role sensei_owner;

-- Whoever sets up a control plane finds or makes the organization of a single user, and sees no other one.
create policy founding on organization to sensei_owner using (slug = 'default') with check (slug = 'default');

-- One row for each job, run by run_upkeep() every so often: the function `job` throws away what is older than `keep` and
-- returns how much that was. migration_event and the audit have no job, and no grant that would let one in.
create table retention (
  what text primary key check (what ~ '^[a-z][a-z_]*$'),
  job text not null check (job ~ '^upkeep_[a-z_]+$'),
  keep interval not null check (keep >= interval '0'),
  every interval not null default '1 hour' check (every >= interval '1 minute'),
  about text not null,
  ran_at timestamptz,
  removed bigint not null default 0 check (removed >= 0)
);
insert into retention (what, job, keep, about) values
  ('session', 'upkeep_session', '0 days', 'sessions, after they expired'),
  ('idempotency', 'upkeep_idempotency', '0 days', 'answers kept for repeated requests, after they expired'),
  ('inbox', 'upkeep_inbox', '7 days', 'which events a consumer has handled; 7 days at least'),
  ('webhook_delivery', 'upkeep_webhook_delivery', '30 days', 'deliveries that succeeded or were given up'),
  ('task', 'upkeep_task', '90 days', 'tasks of migrations that are over'),
  ('agent_execution', 'upkeep_agent_execution', '90 days', 'what agents did that have ended'),
  ('outbox', 'upkeep_outbox', '7 days', 'ranges of the outbox; every event stays in migration_event');

alter table retention enable row level security;
alter table retention force row level security;
create policy keeping on retention to sensei_owner using (true) with check (true);
create policy upkeep on retention to sensei_upkeep using (true) with check (true);
grant select on retention to sensei_upkeep;
grant update (ran_at, removed) on retention to sensei_upkeep;

create policy pruning on webhook_delivery to sensei_upkeep using (state <> 'pending') with check (false);
create policy pruning on task to sensei_upkeep
  using (state in ('done', 'failed') and exists (
    select from migration m where m.org_id = task.org_id and m.id = task.migration_id
      and m.status in ('completed', 'cancelled', 'rolled_back')))
  with check (false);
create policy pruning on agent_execution to sensei_upkeep using (outcome <> 'working') with check (false);
create policy pruning on migration for select to sensei_upkeep using (true);
grant select (org_id, id, status) on migration to sensei_upkeep;
grant select, delete on webhook_delivery, task, agent_execution to sensei_upkeep;
create index webhook_delivery_age on webhook_delivery (created_at);
create index task_age on task (created_at);
create index agent_execution_age on agent_execution (updated_at);

-- Jobs take the oldest first and so much at a time that nobody waits for them; the next run takes the next.
create function upkeep_batch() returns integer
  language sql immutable parallel safe set search_path = public, pg_temp
  return 20000;

create function upkeep_session(keep interval) returns bigint
  language sql security definer set search_path = public, pg_temp as $$
  with gone as (
    delete from session where ctid = any (array(
      select s.ctid from session s where s.expires_at < clock_timestamp() - keep
      order by s.expires_at limit upkeep_batch())) returning 1
  ) select count(*) from gone
$$;

create function upkeep_idempotency(keep interval) returns bigint
  language sql security definer set search_path = public, pg_temp as $$
  with gone as (
    delete from idempotency where ctid = any (array(
      select i.ctid from idempotency i where i.expires_at < clock_timestamp() - keep
      order by i.expires_at limit upkeep_batch())) returning 1
  ) select count(*) from gone
$$;

create function upkeep_inbox(keep interval) returns bigint
  language sql security definer set search_path = public, pg_temp as $$
  with gone as (
    delete from inbox where ctid = any (array(
      select i.ctid from inbox i where i.processed_at < clock_timestamp() - keep
      order by i.processed_at limit upkeep_batch())) returning 1
  ) select count(*) from gone
$$;

create function upkeep_webhook_delivery(keep interval) returns bigint
  language sql security definer set search_path = public, pg_temp as $$
  with gone as (
    delete from webhook_delivery where ctid = any (array(
      select d.ctid from webhook_delivery d where d.created_at < clock_timestamp() - keep
      order by d.created_at limit upkeep_batch())) returning 1
  ) select count(*) from gone
$$;

create function upkeep_task(keep interval) returns bigint
  language sql security definer set search_path = public, pg_temp as $$
  with gone as (
    delete from task where ctid = any (array(
      select t.ctid from task t where t.created_at < clock_timestamp() - keep
      order by t.created_at limit upkeep_batch())) returning 1
  ) select count(*) from gone
$$;

create function upkeep_agent_execution(keep interval) returns bigint
  language sql security definer set search_path = public, pg_temp as $$
  with gone as (
    delete from agent_execution where ctid = any (array(
      select a.ctid from agent_execution a where a.updated_at < clock_timestamp() - keep
      order by a.updated_at limit upkeep_batch())) returning 1
  ) select count(*) from gone
$$;

-- What some group has not handled yet is kept ten times as long.
create function upkeep_outbox(keep interval) returns bigint
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform make_outbox_ranges(1);
  return (select count(*) from drop_outbox_ranges(keep, keep * 10));
end $$;

-- Runs one job if it is due and nobody else runs it: null when not. `patience` is how much longer than `every` to leave
-- it to whoever runs it otherwise.
create function run_upkeep(wanted text, patience interval default '0') returns bigint
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  present retention;
  gone bigint;
begin
  if not pg_try_advisory_xact_lock(7365739, hashtext(wanted)) then
    return null;
  end if;
  select r.* into present from retention r where r.what = wanted;
  if not found then
    raise exception 'there is no upkeep called %', wanted using errcode = 'invalid_parameter_value';
  end if;
  if present.ran_at > clock_timestamp() - present.every - patience then
    return null;
  end if;
  perform set_config('lock_timeout', '1s', true);
  execute format('select %I($1)', present.job) into gone using present.keep;
  update retention r set ran_at = clock_timestamp(), removed = r.removed + gone where r.what = wanted;
  return gone;
end $$;

revoke execute on function upkeep_session(interval), upkeep_idempotency(interval), upkeep_inbox(interval),
  upkeep_webhook_delivery(interval), upkeep_task(interval), upkeep_agent_execution(interval), upkeep_outbox(interval),
  run_upkeep(text, interval) from public;

-- What a tenant approved before: one row for each column of an approved plan. `words` is the column's name as words,
-- "orderLine_ID" as "order line id", which is what is compared.
create table approved_mapping (
  org_id uuid not null,
  migration_id uuid not null,
  source_table text not null,
  source_column text not null,
  words text collate "C" not null,
  target_table text not null,
  target_column text not null,
  target_type text not null,
  conversion text not null,
  approved_at timestamptz not null,
  primary key (org_id, migration_id, source_table, source_column),
  foreign key (org_id, migration_id) references migration (org_id, id)
);
create index approved_mapping_words on approved_mapping (org_id, words);
alter table approved_mapping enable row level security;
alter table approved_mapping force row level security;
create policy tenant on approved_mapping
  using (org_id = nullif(current_setting('app.org_id', true), '')::uuid)
  with check (org_id = nullif(current_setting('app.org_id', true), '')::uuid);
grant select, insert, delete on approved_mapping to sensei_app;

reset role;
grant create on schema public to sensei_upkeep;
alter function upkeep_session(interval) owner to sensei_upkeep;
alter function upkeep_idempotency(interval) owner to sensei_upkeep;
alter function upkeep_inbox(interval) owner to sensei_upkeep;
alter function upkeep_webhook_delivery(interval) owner to sensei_upkeep;
alter function upkeep_task(interval) owner to sensei_upkeep;
alter function upkeep_agent_execution(interval) owner to sensei_upkeep;
alter function upkeep_outbox(interval) owner to sensei_upkeep;
alter function run_upkeep(text, interval) owner to sensei_upkeep;
revoke create on schema public from sensei_upkeep;
