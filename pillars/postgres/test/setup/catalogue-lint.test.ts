import { server } from '@sensei/contracts/servers'
import {
  DEFINERS,
  POLICIES,
  SHARED_TABLES,
  TENANTLESS_TABLES,
} from '@sensei/postgres/setup/catalogue-allowed'
import { lintCatalogue } from '@sensei/postgres/setup/catalogue-lint'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestControl, testControl } from '../control-database.ts'

/** What each opens, and the object and words by which the lint must name it. */
const HOLES: readonly { readonly sql: string; readonly object: string; readonly hole: string }[] = [
  {
    sql: 'create table forgotten (org_id uuid not null)',
    object: 'forgotten',
    hole: 'without row-level security',
  },
  {
    sql: 'alter table plan no force row level security',
    object: 'plan',
    hole: 'without FORCE',
  },
  {
    sql: `create table loose (id uuid primary key); alter table loose enable row level security;
      alter table loose force row level security`,
    object: 'loose',
    hole: 'without a tenant',
  },
  {
    sql: 'create unique index on connection (url)',
    object: 'connection (url)',
    hole: 'unique across tenants',
  },
  {
    sql: "create unique index on connection (lower(url)) where engine = 'x'",
    object: 'connection (an expression)',
    hole: 'unique across tenants',
  },
  { sql: 'create view seen as select * from migration', object: 'seen', hole: 'security_invoker' },
  {
    sql: 'create materialized view kept as select * from migration',
    object: 'kept',
    hole: 'materialized view',
  },
  { sql: 'create sequence counted', object: 'counted', hole: 'sequence' },
  {
    sql: `drop policy tenant on receipt; create policy tenant on receipt
      using (org_id = nullif(current_setting('app.org_id', true), '')::uuid)`,
    object: 'receipt.tenant to public',
    hole: 'WITH CHECK',
  },
  {
    sql: `drop policy tenant on receipt; create policy tenant on receipt
      using (org_id = nullif(current_setting('app.org_id', true), '')::uuid) with check (true)`,
    object: 'receipt.tenant to public',
    hole: 'another expression',
  },
  {
    sql: 'create policy everybody on receipt for select using (true)',
    object: 'receipt.everybody to public',
    hole: 'another expression',
  },
  {
    sql: 'create policy relaying on receipt for select to sensei_relay using (true)',
    object: 'receipt.relaying to sensei_relay',
    hole: 'another expression',
  },
  {
    sql: 'create policy writing on receipt for insert to sensei_app with check (true)',
    object: 'receipt.writing to sensei_app',
    hole: 'another expression',
  },
  {
    sql: `alter table plan add column parent uuid; alter table plan add unique (id);
      alter table plan add foreign key (parent) references plan (id)`,
    object: 'plan -> plan',
    hole: 'foreign key without org_id',
  },
  {
    sql: 'grant truncate on plan to sensei_app',
    object: 'TRUNCATE on plan',
    hole: 'does not bind',
  },
  { sql: 'grant references on plan to sensei_app', object: 'REFERENCES', hole: 'does not bind' },
  { sql: 'grant trigger on plan to sensei_relay', object: 'TRIGGER', hole: 'does not bind' },
  {
    sql: `create table parts (org_id uuid not null) partition by list (org_id);
      create table part partition of parts default; grant select on part to sensei_app`,
    object: 'SELECT on part to sensei_app',
    hole: 'grant on a partition',
  },
  { sql: 'grant select on plan to public', object: 'SELECT on plan', hole: 'PUBLIC' },
  { sql: 'grant select (body) on plan to public', object: 'SELECT on plan', hole: 'PUBLIC' },
  {
    sql: 'grant update on lifecycle_transition to sensei_app',
    object: 'UPDATE on lifecycle_transition',
    hole: 'what all tenants share',
  },
  {
    sql: 'alter default privileges grant select on tables to sensei_app',
    object: 'to sensei_app',
    hole: 'default privileges',
  },
  { sql: 'grant create on schema public to sensei_app', object: 'sensei_app', hole: 'to create' },
  {
    sql: `create schema mine; grant create on schema mine to public`,
    object: 'mine to public',
    hole: 'to create',
  },
  {
    sql: `create function peek() returns bigint language sql security definer
      set search_path = public, pg_temp as 'select count(*) from migration'`,
    object: 'peek() of',
    hole: 'nobody looked at',
  },
  {
    sql: 'alter function transition(uuid, text, integer, uuid, jsonb, text) reset search_path',
    object: 'transition(',
    hole: 'pinned search_path',
  },
  {
    sql: 'alter function find_login(text) owner to current_user',
    object: 'find_login(text)',
    hole: 'logs in or bypasses',
  },
  {
    sql: 'grant execute on function find_login(text) to public',
    object: 'find_login(text)',
    hole: 'anybody may call',
  },
  {
    sql: `create function leak(text) returns boolean language sql immutable leakproof as 'select true'`,
    object: 'leak(text)',
    hole: 'leakproof',
  },
  {
    sql: 'grant sensei_owner to APP',
    object: 'APP can become sensei_owner',
    hole: 'owns tables',
  },
  {
    sql: 'grant sensei_auth to APP',
    object: 'APP can become sensei_auth',
    hole: 'owns tables or functions',
  },
  {
    sql: 'grant pg_read_all_data to APP',
    object: 'APP can become pg_read_all_data',
    hole: 'above row-level security',
  },
  { sql: 'alter role APP bypassrls', object: 'APP', hole: 'above row-level security' },
  {
    sql: 'grant sensei_chainer to APP',
    object: 'APP can become sensei_chainer',
    hole: 'and a service at once',
  },
]

describe.each([18, 15] as const)('the lint of the catalogue on PostgreSQL %i', (version) => {
  let plane: TestControl
  beforeAll(async () => {
    plane = await testControl(await server(version))
  })
  afterAll(() => plane.close())

  test('bad input 83: what the migrations made has no hole', async () => {
    expect(await lintCatalogue(plane.client, [plane.control.user])).toEqual([])
  })

  test('nothing is let pass that is not there', async () => {
    const { rows } = await plane.client.query<{ name: string }>(
      `select polrelid::regclass || '.' || polname || ' to ' || (
         select string_agg(coalesce(rolname, 'public'), ', ' order by rolname)
         from unnest(polroles) o left join pg_roles r on r.oid = o) as name from pg_policy
       union select p.oid::regprocedure || ' of ' || proowner::regrole from pg_proc p where prosecdef
       union select oid::regclass::text from pg_class where relkind in ('r', 'p')`,
    )
    const present = new Set(rows.map((row) => row.name))
    const allowed = [...POLICIES, ...DEFINERS, ...SHARED_TABLES, ...TENANTLESS_TABLES]
    expect(allowed.filter((name) => !present.has(name))).toEqual([])
  })

  test.each(HOLES)('negative control: $sql', async ({ sql, object, hole }) => {
    const app = plane.control.user
    await plane.client.query('begin')
    try {
      await plane.client.query(sql.replaceAll('APP', app))
      const found = await lintCatalogue(plane.client, [app])
      expect(found).toContainEqual({
        object: expect.stringContaining(object.replaceAll('APP', app)),
        hole: expect.stringContaining(hole),
      })
    } finally {
      await plane.client.query('rollback')
    }
  })
})
