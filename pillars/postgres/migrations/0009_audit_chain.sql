-- The links of the audit chain (docs/audit.md), one behind each audit row, written by the chainer in the order of the
-- positions of 0003. Chaining inside the transaction of a row would make all transactions of an organization wait for
-- each other.
set local role sensei_owner;

create table audit_chain (
  org_id uuid not null,
  position bigint not null check (position > 0),
  hash bytea not null check (length(hash) = 32),
  primary key (org_id, position),
  foreign key (org_id, position) references audit_position (org_id, position)
);

alter table audit_chain enable row level security;
alter table audit_chain force row level security;
create policy tenant on audit_chain for select
  using (org_id = nullif(current_setting('app.org_id', true), '')::uuid);
create policy chaining on audit_chain to sensei_chainer using (true) with check (true);
grant select on audit_chain to sensei_app;
grant select, insert on audit_chain to sensei_chainer;

create trigger append_only before update or delete or truncate on audit_chain
  for each statement execute function refuse_change();

-- How many rows there were ever: a verification needs it to miss the last one.
create policy tenant on audit_head for select
  using (org_id = nullif(current_setting('app.org_id', true), '')::uuid);
grant select on audit_head to sensei_app;

reset role;
