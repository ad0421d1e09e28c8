-- What only the target's ledger knew, kept when a migration is cleaned. json and not jsonb, here and for the reports:
-- keys and values of rows may hold what jsonb refuses (\u0000, a lone surrogate), and nobody queries inside.
set local role sensei_owner;

alter table verification alter column report type json using report::json;

create table archive (
  org_id uuid not null,
  migration_id uuid not null,
  manifest json not null,
  rejects json not null,
  rejects_total bigint not null check (rejects_total >= 0),
  created_at timestamptz not null default clock_timestamp(),
  primary key (org_id, migration_id),
  foreign key (org_id, migration_id) references migration (org_id, id)
);

alter table archive enable row level security;
alter table archive force row level security;
create policy tenant on archive
  using (org_id = nullif(current_setting('app.org_id', true), '')::uuid)
  with check (org_id = nullif(current_setting('app.org_id', true), '')::uuid);
grant select, insert on archive to sensei_app;

reset role;
