-- People, keys and sessions, the tables of webhooks and consumers, and the roles of the services that serve all tenants.
--
-- A service (relay, consumer, chainer, upkeep) has a login of its own that is a member of its role here and of nothing
-- else. What it may see across tenants is said table by table, by a policy to its role; none of them has BYPASSRLS.
do $roles$
declare
  wanted text;
begin
  foreach wanted in array array[
    'sensei_auth', 'sensei_audit_writer', 'sensei_relay', 'sensei_consumer', 'sensei_chainer', 'sensei_upkeep'
  ] loop
    if not exists (select from pg_roles where rolname = wanted) then
      begin
        execute format('create role %I nologin nosuperuser nobypassrls', wanted);
      exception when duplicate_object or unique_violation then
        null;
      end;
    end if;
  end loop;
end
$roles$;

grant usage on schema public
  to sensei_auth, sensei_audit_writer, sensei_relay, sensei_consumer, sensei_chainer, sensei_upkeep;

set local role sensei_owner;

alter table organization
  add column settings jsonb not null default '{}' check (jsonb_typeof(settings) = 'object'),
  add column updated_at timestamptz not null default clock_timestamp();
grant update (name, settings, updated_at) on organization to sensei_app;

-- A person may belong to several organizations, so this table belongs to none: a tenant sees whoever is its member. What a
-- tenant calls a person is the membership's, because another tenant may call the same person otherwise.
create table app_user (
  id uuid primary key,
  email text not null unique check (email = lower(email) and email like '_%@_%' and length(email) <= 254),
  password_hash text,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp()
);

create table membership (
  org_id uuid not null references organization (id),
  user_id uuid not null references app_user (id),
  role text not null check (role in ('owner', 'admin', 'operator', 'viewer')),
  name text not null check (length(name) between 1 and 200),
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  primary key (org_id, user_id)
);
create index membership_of_user on membership (user_id);

-- Hashes of 256 random bits need no organization to be unique, and are looked up before one is known.
create table api_key (
  org_id uuid not null references organization (id),
  id uuid not null,
  parent_id uuid,
  name text not null check (length(name) between 1 and 200),
  mode text not null check (mode in ('live', 'test')),
  hint text not null check (length(hint) = 4),
  hash bytea not null unique check (length(hash) = 32),
  scopes text[] not null check (cardinality(scopes) between 1 and 100),
  allowed_ips text[] not null check (cardinality(allowed_ips) <= 100),
  created_by text not null,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz,
  primary key (org_id, id),
  foreign key (org_id, parent_id) references api_key (org_id, id)
);
create index api_key_children on api_key (org_id, parent_id);

-- A session ends at expires_at whatever happens, and at idle_expires_at unless it is used.
create table session (
  org_id uuid not null,
  id uuid not null,
  user_id uuid not null,
  hash bytea not null unique check (length(hash) = 32),
  created_at timestamptz not null default clock_timestamp(),
  last_used_at timestamptz not null default clock_timestamp(),
  idle_expires_at timestamptz not null,
  expires_at timestamptz not null,
  revoked_at timestamptz,
  primary key (org_id, id),
  foreign key (org_id, user_id) references membership (org_id, user_id)
);
create index session_of_user on session (org_id, user_id);
create index session_expiry on session (expires_at);

-- Written in the transaction of the effect whose answer it keeps.
create table idempotency (
  org_id uuid not null references organization (id),
  route text not null,
  key text not null check (length(key) between 1 and 255),
  request_hash bytea not null check (length(request_hash) = 32),
  response json not null,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  primary key (org_id, route, key)
);
create index idempotency_expiry on idempotency (expires_at);

create table webhook_endpoint (
  org_id uuid not null references organization (id),
  id uuid not null,
  url text not null check (url ~ '^https?://' and length(url) <= 2048),
  events text[] not null check (cardinality(events) between 1 and 100),
  disabled_at timestamptz,
  disabled_reason text,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  primary key (org_id, id)
);

create table webhook_delivery (
  org_id uuid not null,
  id uuid not null,
  endpoint_id uuid not null,
  event_id uuid not null,
  state text not null default 'pending' check (state in ('pending', 'delivered', 'failed')),
  attempts integer not null default 0 check (attempts >= 0),
  due_at timestamptz not null default clock_timestamp(),
  last_status integer,
  last_error text,
  created_at timestamptz not null default clock_timestamp(),
  delivered_at timestamptz,
  primary key (org_id, id),
  unique (org_id, endpoint_id, event_id),
  foreign key (org_id, endpoint_id) references webhook_endpoint (org_id, id),
  foreign key (org_id, event_id) references migration_event (org_id, id)
);
create index webhook_delivery_due on webhook_delivery (org_id, endpoint_id, due_at) where state = 'pending';

-- A consumer's effect and this row commit together, so that an event delivered twice has its effect once.
create table inbox (
  org_id uuid not null references organization (id),
  consumer text not null,
  generation integer not null check (generation > 0),
  event_id uuid not null,
  processed_at timestamptz not null default clock_timestamp(),
  primary key (org_id, consumer, generation, event_id)
);
create index inbox_age on inbox (processed_at);

do $policies$
declare
  tenant_table text;
begin
  foreach tenant_table in array array[
    'membership', 'api_key', 'session', 'idempotency', 'webhook_endpoint', 'webhook_delivery', 'inbox'
  ] loop
    execute format('alter table %I enable row level security', tenant_table);
    execute format('alter table %I force row level security', tenant_table);
    execute format(
      'create policy tenant on %I using (org_id = nullif(current_setting(''app.org_id'', true), '''')::uuid) '
      'with check (org_id = nullif(current_setting(''app.org_id'', true), '''')::uuid)', tenant_table);
  end loop;
end
$policies$;

alter table app_user enable row level security;
alter table app_user force row level security;
create policy member on app_user for select using (exists (
  select from membership m
  where m.org_id = nullif(current_setting('app.org_id', true), '')::uuid and m.user_id = app_user.id));

-- No INSERT on app_user and membership: whoever could write any user's id into a membership would see that user.
grant select (id, email, created_at, updated_at) on app_user to sensei_app;
grant select, delete on membership to sensei_app;
grant update (role, name, updated_at) on membership to sensei_app;
grant select, insert on api_key to sensei_app;
grant update (last_used_at, revoked_at) on api_key to sensei_app;
grant select, insert, delete on session to sensei_app;
grant update (last_used_at, idle_expires_at, revoked_at) on session to sensei_app;
grant select, insert, delete on idempotency to sensei_app;
grant select, insert on webhook_endpoint to sensei_app;
grant update (url, events, disabled_at, disabled_reason, updated_at) on webhook_endpoint to sensei_app;
grant select on webhook_delivery to sensei_app;

create policy authenticating on app_user to sensei_auth using (true) with check (true);
create policy authenticating on membership to sensei_auth using (true) with check (true);
create policy authenticating on api_key for select to sensei_auth using (true);
create policy authenticating on session to sensei_auth using (true) with check (true);
grant select on app_user, membership, api_key, session to sensei_auth;
grant insert on app_user, membership to sensei_auth;
grant update (password_hash, updated_at) on app_user to sensei_auth;
grant update (revoked_at) on session to sensei_auth;

grant select, insert on audit_log to sensei_audit_writer;

create policy relaying on outbox for select to sensei_relay using (true);
create policy relaying on migration_event for select to sensei_relay using (true);
grant select on outbox, migration_event to sensei_relay;

create policy consuming on outbox for select to sensei_consumer using (true);
create policy consuming on migration_event for select to sensei_consumer using (true);
create policy consuming on inbox to sensei_consumer using (true) with check (true);
create policy consuming on webhook_endpoint to sensei_consumer using (true) with check (true);
create policy consuming on webhook_delivery to sensei_consumer using (true) with check (true);
grant select on outbox, migration_event, webhook_endpoint to sensei_consumer;
grant select, insert on inbox, webhook_delivery to sensei_consumer;
grant update (disabled_at, disabled_reason, updated_at) on webhook_endpoint to sensei_consumer;
grant update (state, attempts, due_at, last_status, last_error, delivered_at) on webhook_delivery to sensei_consumer;

create policy chaining on audit_log for select to sensei_chainer using (true);
create policy chaining on audit_position for select to sensei_chainer using (true);
create policy chaining on audit_head for select to sensei_chainer using (true);
grant select on audit_log, audit_position, audit_head to sensei_chainer;

-- What is over may be thrown away, and nothing else.
create policy pruning on session to sensei_upkeep
  using (expires_at < clock_timestamp()) with check (false);
create policy pruning on idempotency to sensei_upkeep
  using (expires_at < clock_timestamp()) with check (false);
create policy pruning on inbox to sensei_upkeep
  using (processed_at < clock_timestamp() - interval '7 days') with check (false);
grant select, delete on session, idempotency, inbox to sensei_upkeep;

-- Every command writes its audit row here, in its own transaction. The rows of transitions are transition()'s alone.
-- Own SQLSTATEs beside those of 0005: SN006 another audit row has this id, SN007 a member already.
create function record_audit(action text, detail jsonb, actor text, audit_id uuid) returns void
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  tenant constant uuid := nullif(current_setting('app.org_id', true), '')::uuid;
begin
  if tenant is null then
    raise exception 'no tenant is set' using errcode = 'SN004';
  end if;
  if action !~ '^[a-z][a-z_]*(\.[a-z][a-z_]*)+$' or action like 'migration.%' then
    raise exception 'an audit row of a command cannot be called %', action using errcode = 'invalid_parameter_value';
  end if;
  insert into audit_log (org_id, id, actor, action, detail)
  values (tenant, audit_id, actor, action, detail) on conflict (org_id, id) do nothing;
  -- Run again after a lost reply: this very row stands there.
  if not found and not exists (
    select from audit_log a where a.org_id = tenant and a.id = audit_id and a.actor = record_audit.actor
      and a.action = record_audit.action and a.detail = record_audit.detail
  ) then
    raise exception 'another audit row has the id %', audit_id using errcode = 'SN006';
  end if;
end $$;

-- The three questions that come before a tenant is known. Each answers what is alive, and no more than the answer needs.
create function find_login(wanted_email text)
  returns table (user_id uuid, password_hash text, org_id uuid, role text)
  language sql stable security definer set search_path = public, pg_temp as $$
  select u.id, u.password_hash, m.org_id, m.role from app_user u join membership m on m.user_id = u.id
  where u.email = wanted_email and u.password_hash is not null order by m.created_at, m.org_id
$$;

create function find_api_key(wanted_hash bytea)
  returns table (org_id uuid, id uuid, scopes text[], allowed_ips text[], last_used_at timestamptz)
  language sql stable security definer set search_path = public, pg_temp as $$
  select k.org_id, k.id, k.scopes, k.allowed_ips, k.last_used_at from api_key k
  where k.hash = wanted_hash and k.revoked_at is null and (k.expires_at is null or k.expires_at > clock_timestamp())
$$;

create function find_session(wanted_hash bytea)
  returns table (org_id uuid, id uuid, user_id uuid, role text, last_used_at timestamptz)
  language sql stable security definer set search_path = public, pg_temp as $$
  select s.org_id, s.id, s.user_id, m.role, s.last_used_at
  from session s join membership m on m.org_id = s.org_id and m.user_id = s.user_id
  where s.hash = wanted_hash and s.revoked_at is null
    and s.expires_at > clock_timestamp() and s.idle_expires_at > clock_timestamp()
$$;

-- Finds or makes the person, and makes the membership. A person who is known keeps the password that he has.
create function add_member(new_id uuid, wanted_email text, first_hash text, wanted_role text, wanted_name text)
  returns uuid
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  tenant constant uuid := nullif(current_setting('app.org_id', true), '')::uuid;
  person uuid;
begin
  if tenant is null then
    raise exception 'no tenant is set' using errcode = 'SN004';
  end if;
  insert into app_user (id, email, password_hash) values (new_id, wanted_email, first_hash)
  on conflict (email) do nothing;
  select u.id into strict person from app_user u where u.email = wanted_email;
  insert into membership (org_id, user_id, role, name) values (tenant, person, wanted_role, wanted_name)
  on conflict (org_id, user_id) do nothing;
  if not found and not exists (
    select from membership m where m.org_id = tenant and m.user_id = person and m.role = wanted_role
      and m.name = wanted_name
  ) then
    raise exception 'there is a member with this address already' using errcode = 'SN007';
  end if;
  return person;
end $$;

-- Changes the password of a member of the tenant for whoever has just verified the old one, and ends every other
-- session of that person, in other organizations too. False: the old one is not the present one any more.
create function change_password(person uuid, old_hash text, new_hash text, kept_session uuid) returns boolean
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  tenant constant uuid := nullif(current_setting('app.org_id', true), '')::uuid;
begin
  update app_user u set password_hash = new_hash, updated_at = clock_timestamp()
  where u.id = person and u.password_hash in (old_hash, new_hash)
    and exists (select from membership m where m.org_id = tenant and m.user_id = person);
  if not found then
    return false;
  end if;
  update session s set revoked_at = clock_timestamp()
  where s.user_id = person and s.revoked_at is null
    and (s.org_id, s.id) is distinct from (tenant, kept_session);
  return true;
end $$;

revoke execute on function record_audit(text, jsonb, text, uuid) from public;
revoke execute on function find_login(text) from public;
revoke execute on function find_api_key(bytea) from public;
revoke execute on function find_session(bytea) from public;
revoke execute on function add_member(uuid, text, text, text, text) from public;
revoke execute on function change_password(uuid, text, text, uuid) from public;

reset role;
grant create on schema public to sensei_auth, sensei_audit_writer;
alter function record_audit(text, jsonb, text, uuid) owner to sensei_audit_writer;
alter function find_login(text) owner to sensei_auth;
alter function find_api_key(bytea) owner to sensei_auth;
alter function find_session(bytea) owner to sensei_auth;
alter function add_member(uuid, text, text, text, text) owner to sensei_auth;
alter function change_password(uuid, text, text, uuid) owner to sensei_auth;
revoke create on schema public from sensei_auth, sensei_audit_writer;
set local role sensei_audit_writer;
grant execute on function record_audit(text, jsonb, text, uuid) to sensei_app;
set local role sensei_auth;
grant execute on function find_login(text), find_api_key(bytea), find_session(bytea),
  add_member(uuid, text, text, text, text), change_password(uuid, text, text, uuid) to sensei_app;
reset role;
