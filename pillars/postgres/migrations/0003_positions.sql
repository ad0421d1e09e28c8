-- Gapless positions, taken at commit.
--
-- The outbox is a log of 12 partitions. A transaction's events get their positions from the partitions' counter rows
-- in a deferred trigger, the last thing before the commit record: the counter stays locked until the commit is over,
-- so positions become visible in order and without holes, and a reader may ask `position > cursor`. Audit rows get
-- theirs the same way, from one counter per organization.
--
-- The triggers are SECURITY DEFINER because a deferred trigger runs as the session's role on PostgreSQL 15, and
-- because the tenant setting may have been reset by then. Their owner sees the committing transaction's rows only.
-- Locks in one order: migration, partitions ascending, organizations ascending.
set local role sensei_owner;

-- The 32-bit murmur2 of Kafka's Java client (seed 0x9747b28c), as a signed integer. Products stay below 2^63.
create function murmur2(bytes bytea) returns integer
  language plpgsql immutable strict parallel safe set search_path = pg_catalog, pg_temp as $$
declare
  m constant bigint := 1540483477;
  mask constant bigint := 4294967295;
  size constant integer := length(bytes);
  h bigint := 2538058380 # size;
  k bigint;
  at integer := 0;
begin
  while size - at >= 4 loop
    k := get_byte(bytes, at)::bigint | (get_byte(bytes, at + 1)::bigint << 8)
      | (get_byte(bytes, at + 2)::bigint << 16) | (get_byte(bytes, at + 3)::bigint << 24);
    k := (k * m) & mask;
    k := ((k # (k >> 24)) * m) & mask;
    h := ((h * m) & mask) # k;
    at := at + 4;
  end loop;
  if size - at = 3 then h := h # (get_byte(bytes, at + 2)::bigint << 16); end if;
  if size - at >= 2 then h := h # (get_byte(bytes, at + 1)::bigint << 8); end if;
  if size - at >= 1 then h := ((h # get_byte(bytes, at)::bigint) * m) & mask; end if;
  h := ((h # (h >> 13)) * m) & mask;
  h := h # (h >> 15);
  return case when h > 2147483647 then h - 4294967296 else h end;
end $$;

-- Fixed for ever: another number of partitions would break the order of every migration that lives across it.
create function partition_of(migration_id uuid) returns smallint
  language sql immutable strict parallel safe set search_path = public, pg_temp
  return ((murmur2(convert_to(migration_id::text, 'UTF8')) & 2147483647) % 12)::smallint;

-- Worked out once per migration, not once per event.
alter table migration add column partition smallint not null generated always as (partition_of(id)) stored;
alter table migration_event add column partition smallint not null;

create table outbox_partition (
  partition smallint primary key check (partition between 0 and 11),
  last_position bigint not null default 0
) with (fillfactor = 10);
insert into outbox_partition select generate_series(0, 11);

create table outbox (
  org_id uuid not null,
  partition smallint not null,
  position bigint not null check (position > 0),
  event_id uuid not null,
  primary key (partition, position),
  unique (org_id, event_id),
  foreign key (org_id, event_id) references migration_event (org_id, id)
);

create table audit_head (
  org_id uuid primary key references organization (id),
  last_position bigint not null
) with (fillfactor = 10);

create table audit_position (
  org_id uuid not null,
  position bigint not null check (position > 0),
  audit_id uuid not null,
  primary key (org_id, position),
  unique (org_id, audit_id),
  foreign key (org_id, audit_id) references audit_log (org_id, id)
);

alter table outbox enable row level security;
alter table outbox force row level security;
alter table audit_position enable row level security;
alter table audit_position force row level security;
alter table audit_head enable row level security;
alter table audit_head force row level security;
alter table outbox_partition enable row level security;
alter table outbox_partition force row level security;

create policy tenant on outbox for select
  using (org_id = nullif(current_setting('app.org_id', true), '')::uuid);
create policy tenant on audit_position for select
  using (org_id = nullif(current_setting('app.org_id', true), '')::uuid);
grant select on outbox, audit_position to sensei_app;

create policy committing on migration_event for select to sensei_log_writer using (xid = pg_current_xact_id());
create policy committing on audit_log for select to sensei_log_writer using (xid = pg_current_xact_id());
create policy numbering on outbox to sensei_log_writer using (true) with check (true);
create policy numbering on audit_position to sensei_log_writer using (true) with check (true);
create policy numbering on outbox_partition to sensei_log_writer using (true) with check (true);
create policy numbering on audit_head to sensei_log_writer using (true) with check (true);
grant select on migration_event, audit_log to sensei_log_writer;
grant select, insert on outbox, audit_position to sensei_log_writer;
grant select, update on outbox_partition to sensei_log_writer;
grant select, insert, update on audit_head to sensei_log_writer;

create trigger append_only before update or delete or truncate on outbox
  for each statement execute function refuse_change();
create trigger append_only before update or delete or truncate on audit_position
  for each statement execute function refuse_change();

-- The first firing numbers every event of the transaction; the later ones find theirs done. Row by row, two
-- transactions with the same partitions in another order would deadlock.
create function number_events() returns trigger
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  wanted integer;
  numbered integer;
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
    from mine m join moved v using (partition) returning 1
  )
  select (select count(*) from mine), (select count(*) from written) into wanted, numbered;
  if wanted = 0 or wanted <> numbered then
    raise exception 'numbered % of % events', numbered, wanted;
  end if;
  return null;
end $$;

create function number_audit() returns trigger
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  wanted integer;
  numbered integer;
begin
  if exists (select from audit_position p where p.org_id = new.org_id and p.audit_id = new.id) then
    return null;
  end if;
  with mine as (
    select a.org_id, a.id, a.recorded_at, a.migration_id, a.version from audit_log a
    where a.xid = pg_current_xact_id()
      and not exists (select from audit_position p where p.org_id = a.org_id and p.audit_id = a.id)
  ), amounts as (
    select org_id, count(*) as amount from mine group by org_id
  ), moved as (
    insert into audit_head as h (org_id, last_position)
    select org_id, amount from amounts order by org_id
    on conflict (org_id) do update set last_position = h.last_position + excluded.last_position
    returning h.org_id, h.last_position
  ), written as (
    insert into audit_position (org_id, position, audit_id)
    select m.org_id,
      v.last_position - t.amount
        + row_number() over (partition by m.org_id order by m.recorded_at, m.migration_id, m.version, m.id), m.id
    from mine m join moved v using (org_id) join amounts t using (org_id) returning 1
  )
  select (select count(*) from mine), (select count(*) from written) into wanted, numbered;
  if wanted = 0 or wanted <> numbered then
    raise exception 'numbered % of % audit rows', numbered, wanted;
  end if;
  return null;
end $$;

revoke execute on function number_events(), number_audit() from public;
create constraint trigger number_events after insert on migration_event
  deferrable initially deferred for each row execute function number_events();
create constraint trigger number_audit after insert on audit_log
  deferrable initially deferred for each row execute function number_audit();

reset role;
grant create on schema public to sensei_log_writer;
alter function number_events() owner to sensei_log_writer;
alter function number_audit() owner to sensei_log_writer;
revoke create on schema public from sensei_log_writer;
