-- The control plane's tables. Every tenant row is keyed (org_id, id) and every reference carries org_id, so that no
-- foreign key can reach another tenant's parent.
--
-- Roles belong to the cluster, and two databases of one cluster may be migrated at once: whoever comes second finds
-- the role there, or loses the race for its name. Both are fine.
do $roles$
declare
  wanted text;
begin
  foreach wanted in array array['sensei_owner', 'sensei_app', 'sensei_lifecycle', 'sensei_log_writer'] loop
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

revoke create on schema public from public;
grant usage on schema public to sensei_app, sensei_lifecycle, sensei_log_writer;
grant usage, create on schema public to sensei_owner;

set local role sensei_owner;

create table organization (
  id uuid primary key default gen_random_uuid(),
  slug text not null unique check (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  name text not null,
  created_at timestamptz not null default clock_timestamp()
);

-- A URL that could hold a secret is refused here as well, whatever the caller did.
create table connection (
  org_id uuid not null references organization (id),
  id uuid not null default gen_random_uuid(),
  engine text not null,
  url text not null
    check (url !~ '^[^/?#]*//[^/?#@]*:[^/?#]*@' and url !~* '[?&](password|sslpassword|sslkey)='),
  created_at timestamptz not null default clock_timestamp(),
  primary key (org_id, id),
  unique (org_id, engine, url)
);

create table migration (
  org_id uuid not null references organization (id),
  id uuid not null,
  source_id uuid not null,
  target_id uuid not null,
  options jsonb not null,
  status text not null,
  failed_in text check ((failed_in is not null) = (status = 'failed')),
  version integer not null check (version > 0),
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  primary key (org_id, id),
  foreign key (org_id, source_id) references connection (org_id, id),
  foreign key (org_id, target_id) references connection (org_id, id)
);
create index migration_newest on migration (org_id, created_at desc, id);

-- xid finds the rows of the transaction that is committing; see 0003.
create table migration_event (
  org_id uuid not null,
  id uuid not null,
  migration_id uuid not null,
  version integer not null check (version > 0),
  type text not null,
  status text not null,
  failed_in text,
  payload jsonb not null,
  actor text not null,
  occurred_at timestamptz not null default clock_timestamp(),
  xid xid8 not null default pg_current_xact_id(),
  primary key (org_id, id),
  unique (org_id, migration_id, version),
  foreign key (org_id, migration_id) references migration (org_id, id)
);
create index migration_event_xid on migration_event (xid);

create table plan (
  org_id uuid not null,
  id uuid not null default gen_random_uuid(),
  migration_id uuid not null,
  version integer not null check (version > 0),
  hash text not null,
  body jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (org_id, id),
  unique (org_id, migration_id, version),
  foreign key (org_id, migration_id) references migration (org_id, id)
);

create table task (
  org_id uuid not null,
  id uuid not null,
  migration_id uuid not null,
  role text not null check (role in ('conductor', 'scout', 'architect', 'worker', 'validator')),
  kind text not null,
  target text,
  sequence bigint not null,
  payload jsonb not null,
  state text not null default 'ready' check (state in ('ready', 'leased', 'done', 'failed')),
  attempts integer not null default 0,
  attempts_max integer not null check (attempts_max > 0),
  due_at timestamptz not null default clock_timestamp(),
  lease_epoch bigint not null default 0,
  lease_owner text,
  lease_until timestamptz,
  error jsonb,
  created_at timestamptz not null default clock_timestamp(),
  primary key (org_id, id),
  foreign key (org_id, migration_id) references migration (org_id, id),
  check ((state = 'leased') = (lease_owner is not null and lease_until is not null))
);
create index task_open on task (org_id, migration_id, role, sequence) where state in ('ready', 'leased');
-- A migration has one conductor, so the lease on its one task says which process runs it.
create unique index task_conductor on task (org_id, migration_id) where role = 'conductor';
create index task_of_migration on task (org_id, migration_id, kind, target);

create table agent_execution (
  org_id uuid not null,
  id uuid not null,
  migration_id uuid not null,
  role text not null check (role in ('conductor', 'scout', 'architect', 'worker', 'validator')),
  owner text not null,
  state jsonb not null,
  outcome text not null check (outcome in ('working', 'done', 'failed', 'killed')),
  started_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  primary key (org_id, id),
  foreign key (org_id, migration_id) references migration (org_id, id)
);
create index agent_execution_of_migration on agent_execution (org_id, migration_id, started_at);

create table receipt (
  org_id uuid not null,
  id uuid not null default gen_random_uuid(),
  migration_id uuid not null,
  step text not null,
  kind text not null,
  table_name text,
  rows_read bigint not null check (rows_read >= 0),
  rows_written bigint not null check (rows_written >= 0),
  rows_rejected bigint not null check (rows_rejected >= 0),
  snapshot text not null,
  epoch bigint not null,
  recorded_at timestamptz not null default clock_timestamp(),
  primary key (org_id, id),
  unique (org_id, migration_id, step),
  foreign key (org_id, migration_id) references migration (org_id, id)
);

create table verification (
  org_id uuid not null,
  id uuid not null,
  migration_id uuid not null,
  verdict text not null
    check (verdict in ('equivalent', 'equivalent_except_declared', 'different', 'inconclusive', 'not_validated')),
  report jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (org_id, id),
  unique (org_id, migration_id, id),
  foreign key (org_id, migration_id) references migration (org_id, id)
);
create index verification_of_migration on verification (org_id, migration_id, created_at);

-- The envelope is kept as the bytes that were signed; jsonb would spell them anew.
create table certificate (
  org_id uuid not null,
  id uuid not null,
  migration_id uuid not null,
  verification_id uuid not null,
  key_id text not null,
  envelope bytea not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (org_id, id),
  unique (org_id, migration_id, verification_id),
  foreign key (org_id, migration_id) references migration (org_id, id),
  foreign key (org_id, migration_id, verification_id) references verification (org_id, migration_id, id)
);

-- At most one audit row for an event, and none for an event that does not exist.
create table audit_log (
  org_id uuid not null references organization (id),
  id uuid not null default gen_random_uuid(),
  migration_id uuid,
  version integer,
  actor text not null,
  action text not null,
  detail jsonb not null,
  recorded_at timestamptz not null default clock_timestamp(),
  xid xid8 not null default pg_current_xact_id(),
  primary key (org_id, id),
  unique (org_id, migration_id, version),
  foreign key (org_id, migration_id, version) references migration_event (org_id, migration_id, version),
  check ((migration_id is null) = (version is null))
);
create index audit_log_xid on audit_log (xid);

reset role;
