-- Log entries, full-text search over them and over the audit log, and the paths of a plan that are asked for.
--
-- No operator of full-text search is leakproof, so under row-level security the planner may not use a GIN index for it:
-- it would look at a row's words before it knows whose row it is. Hence find_log_entries and find_audit_entries: definer
-- functions of a role that may see every tenant's rows, with the tenant in a fixed statement. They return where the
-- matches stand and never what they say; that is read by these keys through the tenant's policy (ADR 0015).
do $roles$
begin
  if not exists (select from pg_roles where rolname = 'sensei_search') then
    begin
      create role sensei_search nologin nosuperuser nobypassrls;
    exception when duplicate_object or unique_violation then
      null;
    end;
  end if;
end
$roles$;
grant usage on schema public to sensei_search;

set local role sensei_owner;

-- What separates words for us: `shop.db`, `migration.failed` and `/data/x` would each be one word for PostgreSQL, found
-- only as a whole. One character for one, so that a highlighted copy lines up with its original.
create function search_text(given text) returns text
  language sql immutable parallel safe
  return translate(given, E'._-/\\:;,=+*|&!?@#$%^~`''"()[]{}<>\x01\x02\x03', repeat(' ', 35));

-- Weights: A a word of the prose as it stands, B its English stem, C a name or a value. `tags` are the columns that one
-- filters by; with their space in the middle they are never a word that somebody searches for. The index finds the
-- tenant's rows that way and no other tenant's.
create function search_vector(tags text[], prose text, names text) returns tsvector
  language sql immutable parallel safe
  return array_to_tsvector(array_remove(tags, null))
    || setweight(to_tsvector('simple'::regconfig, search_text(coalesce(prose, ''))), 'A')
    || setweight(to_tsvector('english'::regconfig, search_text(coalesce(prose, ''))), 'B')
    || setweight(to_tsvector('simple'::regconfig, search_text(names)), 'C');

create function search_words(words text) returns tsquery
  language sql immutable parallel safe
  return websearch_to_tsquery('simple'::regconfig, words) || websearch_to_tsquery('english'::regconfig, words);

-- The one lexeme that this is, whatever stands in it. Without a value: no condition.
create function search_tag(name text, value text) returns tsquery
  language sql immutable parallel safe
  return coalesce(
    ('''' || replace(replace(name || ' ' || value, '\', '\\'), '''', '''''') || '''')::tsquery, ''::tsquery);

-- Of this level or a graver one.
create function search_levels(level_min smallint) returns tsquery
  language sql immutable parallel safe
  return case level_min
    when 20 then '''level 20'' | ''level 30'' | ''level 40'' | ''level 50'' | ''level 60'''::tsquery
    when 30 then '''level 30'' | ''level 40'' | ''level 50'' | ''level 60'''::tsquery
    when 40 then '''level 40'' | ''level 50'' | ''level 60'''::tsquery
    when 50 then '''level 50'' | ''level 60'''::tsquery
    when 60 then '''level 60'''::tsquery
    else ''::tsquery
  end;

-- `at` is in the key because the partitions go by it, and before the id because pages do. No foreign keys: to make or
-- drop a partition would lock their parents, and an entry may outlive what it speaks of.
create table log_entry (
  org_id uuid not null,
  at timestamptz not null check (at >= '2000-01-01Z' and at < '2200-01-01Z'),
  id uuid not null,
  migration_id uuid,
  level smallint not null check (level in (10, 20, 30, 40, 50, 60)),
  component text not null check (length(component) between 1 and 100),
  message text not null check (length(message) <= 8192),
  fields jsonb not null check (jsonb_typeof(fields) = 'object'),
  search tsvector not null generated always as (search_vector(
    array['org ' || org_id::text, 'level ' || level::text, 'migration ' || migration_id::text,
      'component ' || component],
    message, component || ' ' || left(fields::text, 16384))) stored,
  primary key (org_id, at, id)
) partition by range (at);

-- A search reads the pending list of a GIN index from end to end: a short one.
create index log_entry_search on log_entry using gin (search) with (gin_pending_list_limit = 256);

alter table log_entry enable row level security;
alter table log_entry force row level security;
create policy tenant on log_entry
  using (org_id = nullif(current_setting('app.org_id', true), '')::uuid)
  with check (org_id = nullif(current_setting('app.org_id', true), '')::uuid);
grant select, insert on log_entry to sensei_app;

create policy searching on log_entry for select to sensei_search using (true);
grant select (org_id, at, id, search) on log_entry to sensei_search;

-- Whole partitions go by drop_log_days(); what the default one caught is deleted row by row.
create policy pruning on log_entry to sensei_upkeep
  using (at < clock_timestamp() - interval '1 day') with check (false);
grant select, delete on log_entry to sensei_upkeep;

-- Nobody has a grant on a partition, and without a policy even its owner sees nothing in it.
create table log_entry_default partition of log_entry default;
alter table log_entry_default enable row level security;
alter table log_entry_default force row level security;

-- Makes the partitions of these days (UTC) where they are missing, and returns the days that stay without one because
-- entries of theirs were caught by the default partition before. It locks that one for a moment, hence the timeout: who is
-- refused comes again.
create function make_log_days(first_day date, days integer) returns setof date
  language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '3s' as $$
declare
  today constant date := (clock_timestamp() at time zone 'UTC')::date;
  wanted date;
  name text;
begin
  if days not between 1 and 62 or first_day not between today - 62 and today + 62 then
    raise exception 'log partitions are made for at most 62 days around today' using errcode = 'invalid_parameter_value';
  end if;
  perform pg_advisory_xact_lock(hashtext('sensei log days'));
  for wanted in select first_day + n from generate_series(0, days - 1) n loop
    name := 'log_entry_' || to_char(wanted, 'YYYYMMDD');
    continue when to_regclass(format('public.%I', name)) is not null;
    begin
      execute format('create table %I partition of log_entry for values from (%L) to (%L)',
        name, wanted::timestamp at time zone 'UTC', (wanted + 1)::timestamp at time zone 'UTC');
      execute format('alter table %I enable row level security', name);
      execute format('alter table %I force row level security', name);
    exception when check_violation then
      return next wanted;
    end;
  end loop;
end $$;

-- Drops the partitions of all days before this one, oldest first, and returns how many. Never the present day's.
create function drop_log_days(before date) returns integer
  language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '3s' as $$
declare
  name text;
  dropped integer := 0;
begin
  if before > (clock_timestamp() at time zone 'UTC')::date then
    raise exception 'log entries of the present day cannot be dropped' using errcode = 'invalid_parameter_value';
  end if;
  perform pg_advisory_xact_lock(hashtext('sensei log days'));
  for name in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'log_entry'::regclass and c.relname ~ '^log_entry_\d{8}$'
      and c.relname < 'log_entry_' || to_char(before, 'YYYYMMDD')
    order by c.relname
  loop
    execute format('drop table %I', name);
    dropped := dropped + 1;
  end loop;
  return dropped;
end $$;

revoke execute on function make_log_days(date, integer) from public;
revoke execute on function drop_log_days(date) from public;
grant execute on function make_log_days(date, integer) to sensei_app, sensei_upkeep;
grant execute on function drop_log_days(date) to sensei_upkeep;

insert into retention (what, job, keep, about) values
  ('log_entry', 'upkeep_log_entry', '30 days', 'log entries, by whole days; a day at least');

-- Makes a week ahead, so that no writer has to, and drops the days that are over.
create function upkeep_log_entry(keep interval) returns bigint
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  oldest constant timestamptz := clock_timestamp() - greatest(keep, interval '1 day');
  caught bigint;
begin
  perform make_log_days((clock_timestamp() at time zone 'UTC')::date, 8);
  with gone as (
    delete from log_entry e where (e.org_id, e.at, e.id) in (
      select o.org_id, o.at, o.id from log_entry o where o.at < oldest and o.tableoid = 'log_entry_default'::regclass
      limit upkeep_batch()) and e.at < oldest and e.tableoid = 'log_entry_default'::regclass returning 1
  ) select count(*) into caught from gone;
  return caught + drop_log_days((oldest at time zone 'UTC')::date);
end $$;
revoke execute on function upkeep_log_entry(interval) from public;

-- Writes the audit log once anew. Its rows cannot be updated, so there is no later moment to fill the column.
alter table audit_log add column search tsvector not null generated always as (search_vector(
  array['org ' || org_id::text, 'migration ' || migration_id::text, 'actor ' || left(actor, 200),
    'action ' || left(action, 200)],
  left(detail ->> 'message', 16384),
  left(actor, 1000) || ' ' || left(action, 1000) || ' ' || left(detail::text, 16384))) stored;
create index audit_log_search on audit_log using gin (search) with (gin_pending_list_limit = 256);
create index audit_log_newest on audit_log (org_id, recorded_at, id);
create policy searching on audit_log for select to sensei_search using (true);
grant select (org_id, recorded_at, id, search) on audit_log to sensei_search;

-- The newest matches in [since, the ceiling), at most rows_max of them, with their rank. Sorted by an expression that no
-- index has, so that the planner weighs the GIN index against the whole window and never walks from the newest row down
-- in the hope of a match; with a plan for each call, because how frequent a word is decides it.
create function find_log_entries(
  asked tsquery, narrowed tsquery, since timestamptz, ceiling timestamptz, ceiling_id uuid, rows_max integer
) returns table (at timestamptz, id uuid, rank real)
  language plpgsql stable security definer
  set search_path = public, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
  tenant constant uuid := nullif(current_setting('app.org_id', true), '')::uuid;
  wanted constant tsquery := search_tag('org', tenant::text) && asked && narrowed;
begin
  if tenant is null then
    raise exception 'no tenant is set' using errcode = 'SN004';
  end if;
  return query
    select m.at, m.id, ts_rank(m.search, asked) from (
      select e.at, e.id, e.search from log_entry e
      where e.org_id = tenant and e.search @@ wanted
        and e.at >= since and e.at <= ceiling and (e.at, e.id) < (ceiling, ceiling_id)
      order by e.at + interval '0' desc, e.id desc limit rows_max
    ) m;
end $$;

create function find_audit_entries(
  asked tsquery, narrowed tsquery, since timestamptz, ceiling timestamptz, ceiling_id uuid, rows_max integer
) returns table (at timestamptz, id uuid, rank real)
  language plpgsql stable security definer
  set search_path = public, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
  tenant constant uuid := nullif(current_setting('app.org_id', true), '')::uuid;
  wanted constant tsquery := search_tag('org', tenant::text) && asked && narrowed;
begin
  if tenant is null then
    raise exception 'no tenant is set' using errcode = 'SN004';
  end if;
  return query
    select m.recorded_at, m.id, ts_rank(m.search, asked) from (
      select e.recorded_at, e.id, e.search from audit_log e
      where e.org_id = tenant and e.search @@ wanted
        and e.recorded_at >= since and e.recorded_at <= ceiling and (e.recorded_at, e.id) < (ceiling, ceiling_id)
      order by e.recorded_at + interval '0' desc, e.id desc limit rows_max
    ) m;
end $$;

-- The planner may use no operator of jsonb under row-level security either, but a predicate of an index needs none at run
-- time, and the equality of text is leakproof.
create index plan_lossy on plan (org_id, migration_id, version)
  where body @? '$.tables[*].columns[*] ? (@.fidelity == "lossy")';
create index plan_losses on plan (org_id, migration_id, version) where body @? '$.losses[*]';
alter table plan add column source_engine text not null
  generated always as (coalesce(body #>> '{source,engine}', '')) stored;
create index plan_source on plan (org_id, source_engine, migration_id, version);

-- For reports by time.
create index migration_event_failed on migration_event (org_id, occurred_at) where type = 'migration.failed';
create index receipt_recorded on receipt (org_id, recorded_at);

revoke execute on function find_log_entries(tsquery, tsquery, timestamptz, timestamptz, uuid, integer)
  from public;
revoke execute on function find_audit_entries(tsquery, tsquery, timestamptz, timestamptz, uuid, integer)
  from public;

reset role;
grant create on schema public to sensei_search, sensei_upkeep;
alter function upkeep_log_entry(interval) owner to sensei_upkeep;
alter function find_log_entries(tsquery, tsquery, timestamptz, timestamptz, uuid, integer)
  owner to sensei_search;
alter function find_audit_entries(tsquery, tsquery, timestamptz, timestamptz, uuid, integer)
  owner to sensei_search;
revoke create on schema public from sensei_search, sensei_upkeep;
set local role sensei_search;
grant execute on function
  find_log_entries(tsquery, tsquery, timestamptz, timestamptz, uuid, integer),
  find_audit_entries(tsquery, tsquery, timestamptz, timestamptz, uuid, integer) to sensei_app;
reset role;
