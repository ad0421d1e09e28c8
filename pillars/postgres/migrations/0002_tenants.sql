-- Row-level security for every tenant table, for the owner too. After a transaction that set it, app.org_id is ''
-- and not NULL, hence nullif: without a tenant no row is visible and none can be written.
set local role sensei_owner;

do $policies$
declare
  tenant_table text;
begin
  foreach tenant_table in array array[
    'connection', 'migration', 'migration_event', 'plan', 'task', 'agent_execution', 'receipt', 'verification',
    'certificate', 'audit_log'
  ] loop
    execute format('alter table %I enable row level security', tenant_table);
    execute format('alter table %I force row level security', tenant_table);
    execute format(
      'create policy tenant on %I using (org_id = nullif(current_setting(''app.org_id'', true), '''')::uuid) '
      'with check (org_id = nullif(current_setting(''app.org_id'', true), '''')::uuid)', tenant_table);
  end loop;
end
$policies$;

alter table organization enable row level security;
alter table organization force row level security;
create policy tenant on organization
  using (id = nullif(current_setting('app.org_id', true), '')::uuid)
  with check (id = nullif(current_setting('app.org_id', true), '')::uuid);

-- The application role. What it cannot do is the point: no state of a migration, no event and no audit row is
-- written except by the function of 0005, and none is ever changed.
grant select on organization to sensei_app;
grant select, insert on connection, plan, verification, certificate to sensei_app;
grant select on migration, migration_event, audit_log to sensei_app;
grant select, insert, delete on task to sensei_app;
grant update (state, attempts, due_at, lease_epoch, lease_owner, lease_until, error) on task to sensei_app;
grant select, insert on agent_execution, receipt to sensei_app;
grant update (state, outcome, updated_at) on agent_execution to sensei_app;
grant update (kind, table_name, rows_read, rows_written, rows_rejected, snapshot, epoch, recorded_at)
  on receipt to sensei_app;

grant select, insert on migration to sensei_lifecycle;
grant update (status, failed_in, version, updated_at) on migration to sensei_lifecycle;
grant select, insert on migration_event to sensei_lifecycle;
grant insert on audit_log to sensei_lifecycle;

create function refuse_change() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end $$;

-- Grants bind the application; these bind the owner and a careless superuser as well.
create trigger append_only before update or delete or truncate on audit_log
  for each statement execute function refuse_change();
create trigger append_only before update or delete or truncate on migration_event
  for each statement execute function refuse_change();

create function guard_lifecycle() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if current_user <> 'sensei_lifecycle' then
    raise exception 'the state of a migration changes by transition() only' using errcode = 'insufficient_privilege';
  end if;
  if tg_op = 'INSERT' and new.version <> 1 or tg_op = 'UPDATE' and new.version <> old.version + 1 then
    raise exception 'versions rise by one' using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end $$;

create trigger lifecycle_only before insert or update on migration
  for each row execute function guard_lifecycle();

reset role;
