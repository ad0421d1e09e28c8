-- Consumer groups on the outbox, and an outbox that can be shortened.
--
-- The outbox becomes a table partitioned by ranges of position, the same bounds for all 12 partitions of the log: range n
-- ends with position (n + 1) * 1,000,000. The table that is there becomes the oldest range; it is read once and not
-- copied. Whoever commits near the end of a range makes the next one, and upkeep makes it sooner. An old range is
-- dropped whole; its events stay in migration_event.
set local role sensei_owner;

create function outbox_range_size() returns bigint
  language sql immutable parallel safe set search_path = public, pg_temp
  return 1000000;

-- closed_at: when upkeep first saw that every partition had left the range.
create table outbox_range (
  number bigint primary key check (number >= 0),
  made_at timestamptz not null default clock_timestamp(),
  closed_at timestamptz,
  dropped_at timestamptz check (dropped_at is null or closed_at is not null)
);

-- A group is twelve of these. Everything up to position was handled. The epoch rises whenever a row changes hands, and
-- only the holder of the present one moves it. Up to replay_until events are delivered again, under generation, those
-- of replay_only alone where it is named. While history_to is set, the group reads what was dropped (up to there) from
-- migration_event, in the order of (migration, version), from history_since on.
create table consumer_cursor (
  consumer text not null check (consumer ~ '^[a-z][a-z0-9._-]{0,62}$'),
  partition smallint not null check (partition between 0 and 11),
  position bigint not null check (position >= 0),
  generation integer not null default 1 check (generation > 0),
  replay_until bigint not null default 0,
  replay_only uuid,
  history_to bigint,
  history_since timestamptz,
  history_migration uuid,
  history_version integer,
  epoch bigint not null default 0,
  owner uuid,
  lease_until timestamptz,
  moved_at timestamptz not null default clock_timestamp(),
  primary key (consumer, partition),
  check ((owner is null) = (lease_until is null)),
  check ((history_to is null) = (history_migration is null) and (history_to is null) = (history_version is null))
) with (fillfactor = 50);

create table consumer_member (
  consumer text not null,
  id uuid not null,
  alive_until timestamptz not null,
  primary key (consumer, id)
);

do $policies$
declare
  service_table text;
begin
  foreach service_table in array array['outbox_range', 'consumer_cursor', 'consumer_member'] loop
    execute format('alter table %I enable row level security', service_table);
    execute format('alter table %I force row level security', service_table);
  end loop;
end
$policies$;

create policy keeping on outbox_range to sensei_owner using (true) with check (true);

-- The oldest range: the outbox of 0003. Its rows come from number_events() alone, out of rows of migration_event that
-- never go away, so its foreign key guarded nothing; dropping a range would have locked migration_event for it.
drop policy tenant on outbox;
drop policy numbering on outbox;
drop policy relaying on outbox;
drop policy consuming on outbox;
revoke all on outbox from sensei_app, sensei_log_writer, sensei_relay, sensei_consumer;
alter table outbox drop constraint outbox_org_id_event_id_fkey;

do $oldest$
declare
  number bigint;
  oldest text;
begin
  -- Its owner is to see the rows for a moment, to know how far they go.
  alter table outbox no force row level security;
  select greatest(coalesce(max(o.position), 1) - 1, 0) / outbox_range_size() into number from outbox o;
  oldest := 'outbox_range_' || number;
  execute format('alter table outbox rename to %I', oldest);
  execute format('alter table %I force row level security', oldest);
  execute format('alter index outbox_pkey rename to %I', oldest || '_pkey');
  execute format('alter index outbox_org_id_event_id_key rename to %I', oldest || '_event_key');
  create table outbox (
    org_id uuid not null,
    partition smallint not null,
    position bigint not null constraint outbox_position_check check (position > 0),
    event_id uuid not null,
    primary key (partition, position)
  ) partition by range (position);
  execute format('alter table outbox attach partition %I for values from (minvalue) to (%s)',
    oldest, (number + 1) * outbox_range_size() + 1);
  insert into outbox_range (number) values (number);
end
$oldest$;

alter table outbox enable row level security;
alter table outbox force row level security;
create policy tenant on outbox for select
  using (org_id = nullif(current_setting('app.org_id', true), '')::uuid);
create policy numbering on outbox to sensei_log_writer using (true) with check (true);
create policy consuming on outbox for select to sensei_relay, sensei_consumer using (true);
grant select on outbox to sensei_app, sensei_relay, sensei_consumer;
grant select, insert on outbox to sensei_log_writer;
create trigger append_only before update or delete or truncate on outbox
  for each statement execute function refuse_change();

create policy keeping on outbox_partition for select to sensei_owner using (true);
create policy keeping on consumer_cursor for select to sensei_owner using (true);

-- The relay is a consumer like any other, and moves no cursor but its own.
create policy consuming on outbox_range for select to sensei_relay, sensei_consumer using (true);
create policy consuming on outbox_partition for select to sensei_relay, sensei_consumer using (true);
create policy consuming on migration for select to sensei_relay, sensei_consumer using (true);
create policy consuming on consumer_cursor to sensei_consumer using (true) with check (true);
create policy consuming on consumer_member to sensei_consumer using (true) with check (true);
create policy relaying on consumer_cursor to sensei_relay using (consumer = 'relay') with check (consumer = 'relay');
create policy relaying on consumer_member to sensei_relay using (consumer = 'relay') with check (consumer = 'relay');
grant select on outbox_range, outbox_partition to sensei_relay, sensei_consumer;
grant select (org_id, id, partition) on migration to sensei_relay, sensei_consumer;
grant select, insert, update on consumer_cursor to sensei_relay, sensei_consumer;
grant select, insert, update, delete on consumer_member to sensei_relay, sensei_consumer;

-- For what is read from migration_event: by time, and by partition once a range is gone.
create index migration_event_time on migration_event using brin (occurred_at);
create index migration_partition on migration (partition, id);

-- Makes the range that is being written and as many more. Serialized by its lock on the outbox, which keeps nobody from
-- reading or writing there.
create function make_outbox_ranges(ahead integer) returns void
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  size constant bigint := outbox_range_size();
  first bigint;
  wanted bigint;
begin
  lock table outbox in share update exclusive mode;
  select max(p.last_position) / size into first from outbox_partition p;
  for wanted in first .. first + ahead loop
    -- The oldest range of all may hold the numbers below its own as well.
    continue when exists (select from outbox_range r where r.number >= wanted);
    execute format('create table outbox_range_%s (like outbox including all)', wanted);
    execute format('alter table outbox_range_%s add unique (org_id, event_id)', wanted);
    execute format('alter table outbox_range_%s enable row level security', wanted);
    execute format('alter table outbox_range_%s force row level security', wanted);
    execute format('create trigger append_only before update or delete or truncate on outbox_range_%s '
      'for each statement execute function refuse_change()', wanted);
    execute format('alter table outbox attach partition outbox_range_%s for values from (%s) to (%s)',
      wanted, wanted * size + 1, (wanted + 1) * size + 1);
    insert into outbox_range (number) values (wanted);
  end loop;
end $$;

-- Drops what every partition left longer than `keep` ago, oldest first; what some group has not handled yet stays until
-- it is older than `longest`. Returns the numbers of what it dropped.
create function drop_outbox_ranges(keep interval, longest interval) returns setof bigint
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  size constant bigint := outbox_range_size();
  written constant bigint := (select min(p.last_position) from outbox_partition p);
  handled constant bigint := (select coalesce(min(c.position), written) from consumer_cursor c);
  present outbox_range;
begin
  update outbox_range r set closed_at = clock_timestamp()
  where r.closed_at is null and written >= (r.number + 1) * size;
  for present in select * from outbox_range r where r.dropped_at is null order by r.number loop
    exit when present.closed_at is null or present.closed_at > clock_timestamp() - keep;
    exit when handled < (present.number + 1) * size and present.closed_at > clock_timestamp() - longest;
    -- Writers queue behind the lock on the outbox: better dropped an hour later than waited for.
    perform set_config('lock_timeout', '1s', true);
    execute format('drop table outbox_range_%s', present.number);
    update outbox_range r set dropped_at = clock_timestamp() where r.number = present.number;
    return next present.number;
  end loop;
end $$;

revoke execute on function make_outbox_ranges(integer) from public;
revoke execute on function drop_outbox_ranges(interval, interval) from public;
grant execute on function make_outbox_ranges(integer) to sensei_log_writer, sensei_upkeep;
grant execute on function drop_outbox_ranges(interval, interval) to sensei_upkeep;

reset role;
grant create on schema public to sensei_log_writer;
set local role sensei_log_writer;

-- As in 0003; new is that the next range is made by whoever comes near the end of one. Nothing but this is needed for
-- the outbox to go on, so upkeep that is away stops nobody.
create or replace function number_events() returns trigger
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  wanted integer;
  numbered integer;
  highest bigint;
begin
  if exists (select from outbox o where o.org_id = new.org_id and o.event_id = new.id) then
    return null;
  end if;
  with mine as (
    select e.org_id, e.id, e.partition, e.migration_id, e.version from migration_event e
    where e.xid = pg_current_xact_id()
      and not exists (select from outbox o where o.org_id = e.org_id and o.event_id = e.id)
  ), amounts as (
    select partition, count(*) as amount from mine group by partition
  ), locked as (
    select p.partition, p.last_position, a.amount from outbox_partition p join amounts a using (partition)
    order by p.partition for update of p
  ), moved as (
    update outbox_partition p set last_position = p.last_position + l.amount
    from locked l where p.partition = l.partition returning p.partition, l.last_position as base
  ), written as (
    insert into outbox (org_id, partition, position, event_id)
    select m.org_id, m.partition,
      v.base + row_number() over (partition by m.partition order by m.migration_id, m.version), m.id
    from mine m join moved v using (partition) returning position
  )
  select (select count(*) from mine), (select count(*) from written), (select max(position) from written)
  into wanted, numbered, highest;
  if wanted = 0 or wanted <> numbered then
    raise exception 'numbered % of % events', numbered, wanted;
  end if;
  if highest % outbox_range_size() > outbox_range_size() / 2
    and to_regclass(format('outbox_range_%s', highest / outbox_range_size() + 1)) is null
  then
    perform make_outbox_ranges(1);
  end if;
  return null;
end $$;

reset role;
revoke create on schema public from sensei_log_writer;
