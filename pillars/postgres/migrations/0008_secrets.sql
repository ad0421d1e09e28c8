-- Connections that people make, with structured fields, and their secrets under envelope encryption: each secret has a
-- data key of its own, which a key-encryption key wraps. The database holds neither in clear, and no key-encryption key.
do $roles$
begin
  if not exists (select from pg_roles where rolname = 'sensei_keeper') then
    begin
      create role sensei_keeper nologin nosuperuser nobypassrls;
    exception when duplicate_object or unique_violation then
      null;
    end;
  end if;
end
$roles$;
grant usage on schema public to sensei_keeper;

set local role sensei_owner;

-- Without a name: the two ends of a migration of the command line, which keeps no secrets.
alter table connection
  add column name text check (length(name) between 1 and 200),
  add column fields jsonb check (jsonb_typeof(fields) = 'object'),
  add column version integer not null default 1 check (version > 0),
  add column updated_at timestamptz not null default clock_timestamp(),
  add column deleted_at timestamptz,
  add check ((name is null) = (fields is null)),
  add check (deleted_at is null or name is not null);
-- Two connections may lead to one database, with other rights each.
alter table connection drop constraint connection_org_id_engine_url_key;
create unique index connection_unnamed on connection (org_id, engine, url) where name is null;
create unique index connection_named on connection (org_id, name) where deleted_at is null;
grant update (name, fields, url, version, updated_at, deleted_at) on connection to sensei_app;

-- The ids of the key-encryption keys, never the keys. A retired one stays here as retired for ever, and a secret refers
-- to a live one only. So a process that does not know of a rotation yet cannot wrap under a key that is being thrown
-- away: either it commits first, and the key is in use and not retired, or its commit is refused.
create table encryption_key (
  id text primary key check (id ~ '^[a-z0-9][a-z0-9-]{0,63}$'),
  live boolean not null default true,
  created_at timestamptz not null default clock_timestamp(),
  retired_at timestamptz check ((retired_at is null) = live),
  unique (id, live)
);

create table connection_secret (
  org_id uuid not null,
  connection_id uuid not null,
  version integer not null check (version > 0),
  key_id text not null,
  key_live boolean not null default true check (key_live),
  wrapped_key bytea not null,
  ciphertext bytea not null,
  updated_at timestamptz not null default clock_timestamp(),
  primary key (org_id, connection_id),
  foreign key (org_id, connection_id) references connection (org_id, id),
  foreign key (key_id, key_live) references encryption_key (id, live)
);
create index connection_secret_key on connection_secret (key_id);

alter table connection_secret enable row level security;
alter table connection_secret force row level security;
create policy tenant on connection_secret
  using (org_id = nullif(current_setting('app.org_id', true), '')::uuid)
  with check (org_id = nullif(current_setting('app.org_id', true), '')::uuid);
grant select, insert, delete on connection_secret to sensei_app;
grant update (version, key_id, wrapped_key, ciphertext, updated_at) on connection_secret to sensei_app;

-- Rewraps the keys of all tenants and never sees a ciphertext.
create policy rewrapping on connection_secret to sensei_keeper using (true) with check (true);
grant select (org_id, connection_id, version, key_id, wrapped_key) on connection_secret to sensei_keeper;
grant update (key_id, wrapped_key) on connection_secret to sensei_keeper;

alter table encryption_key enable row level security;
alter table encryption_key force row level security;
create policy installation on encryption_key for select using (true);
create policy registering on encryption_key for insert with check (live);
create policy retiring on encryption_key for update to sensei_keeper using (live) with check (not live);
grant select on encryption_key to sensei_app, sensei_keeper;
grant insert (id) on encryption_key to sensei_app, sensei_keeper;
grant update (live, retired_at) on encryption_key to sensei_keeper;

reset role;
