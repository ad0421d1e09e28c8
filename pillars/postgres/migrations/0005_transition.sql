-- The only way a migration comes to be and changes its state: the row, its event and its audit row in one
-- transaction, or none of them. The owner of both functions is bound by row-level security like everybody else.
--
-- Own SQLSTATEs: SN001 not found, SN002 version conflict, SN003 refused by the lifecycle, SN004 no tenant,
-- SN005 another migration has this id.
set local role sensei_owner;

create function log_transition(moved migration, event_id uuid, event text, payload jsonb, actor text) returns void
  language plpgsql set search_path = public, pg_temp as $$
begin
  insert into migration_event (org_id, id, migration_id, version, type, status, failed_in, payload, actor, partition)
  values (moved.org_id, event_id, moved.id, moved.version, 'migration.' || event, moved.status, moved.failed_in,
    payload, actor, moved.partition);
  insert into audit_log (org_id, migration_id, version, actor, action, detail)
  values (moved.org_id, moved.id, moved.version, actor, 'migration.' || event, payload);
end $$;

create function create_migration(
  migration_id uuid, source uuid, target uuid, wanted_options jsonb, event_id uuid, payload jsonb, actor text
) returns setof migration
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  tenant constant uuid := nullif(current_setting('app.org_id', true), '')::uuid;
  made migration;
begin
  if tenant is null then
    raise exception 'no tenant is set' using errcode = 'SN004';
  end if;
  insert into migration (org_id, id, source_id, target_id, options, status, version)
  values (tenant, migration_id, source, target, wanted_options, 'pending', 1)
  on conflict do nothing returning * into made;
  if not found then
    -- Run again after a lost reply: the same request finds its own row, whatever happened to it since.
    select m.* into made from migration m
    where m.org_id = tenant and m.id = migration_id and m.source_id = source and m.target_id = target
      and m.options = wanted_options;
    if not found then
      raise exception 'another migration has the id %', migration_id using errcode = 'SN005';
    end if;
    return next made;
    return;
  end if;
  perform log_transition(made, event_id, 'created', payload, actor);
  return next made;
end $$;

create function transition(
  migration_id uuid, event text, expected_version integer, event_id uuid, payload jsonb, actor text
) returns setof migration
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  tenant constant uuid := nullif(current_setting('app.org_id', true), '')::uuid;
  present migration;
  moved migration;
  target text;
begin
  if tenant is null then
    raise exception 'no tenant is set' using errcode = 'SN004';
  end if;
  select m.* into present from migration m where m.org_id = tenant and m.id = migration_id for update;
  if not found then
    raise exception 'there is no migration %', migration_id using errcode = 'SN001';
  end if;
  -- Run again after a lost reply: this very event stands there, so the answer is what it led to.
  select e.version, e.status, e.failed_in, e.occurred_at
    into moved.version, moved.status, moved.failed_in, moved.updated_at
    from migration_event e where e.org_id = tenant and e.id = event_id
      and e.migration_id = present.id and e.version = expected_version + 1 and e.type = 'migration.' || event;
  if found then
    present.version := moved.version;
    present.status := moved.status;
    present.failed_in := moved.failed_in;
    present.updated_at := moved.updated_at;
    return next present;
    return;
  end if;
  if present.version <> expected_version then
    raise exception 'migration % is at version %, not %', migration_id, present.version, expected_version
      using errcode = 'SN002';
  end if;
  select t.next into target from lifecycle_transition t where t.status = present.status and t.event = transition.event;
  if target = 'phase' then
    target := present.failed_in;
  end if;
  if target is null then
    raise exception 'migration % is %: % is refused', migration_id, present.status, event using errcode = 'SN003';
  end if;
  update migration m
  set status = target, version = m.version + 1, updated_at = clock_timestamp(),
    failed_in = case when target = 'failed'
      then (select s.phase from lifecycle_state s where s.status = present.status) end
  where m.org_id = tenant and m.id = migration_id and m.version = expected_version
  returning m.* into strict moved;
  perform log_transition(moved, event_id, event, payload, actor);
  return next moved;
end $$;

revoke execute on function log_transition(migration, uuid, text, jsonb, text) from public;
revoke execute on function create_migration(uuid, uuid, uuid, jsonb, uuid, jsonb, text) from public;
revoke execute on function transition(uuid, text, integer, uuid, jsonb, text) from public;

reset role;
grant create on schema public to sensei_lifecycle;
alter function log_transition(migration, uuid, text, jsonb, text) owner to sensei_lifecycle;
alter function create_migration(uuid, uuid, uuid, jsonb, uuid, jsonb, text) owner to sensei_lifecycle;
alter function transition(uuid, text, integer, uuid, jsonb, text) owner to sensei_lifecycle;
revoke create on schema public from sensei_lifecycle;
set local role sensei_lifecycle;
grant execute on function create_migration(uuid, uuid, uuid, jsonb, uuid, jsonb, text) to sensei_app;
grant execute on function transition(uuid, text, integer, uuid, jsonb, text) to sensei_app;
reset role;
