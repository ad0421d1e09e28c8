import { randomUUID } from 'node:crypto'
import { server } from '@sensei/contracts/servers'
import { PostgresJournal } from '@sensei/postgres/journal'
import { PostgresTasks } from '@sensei/postgres/tasks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints, type TestControl, testControl } from './control-database.ts'

const DENIED = { code: '42501' }

/** Tables that are the installation's and not a tenant's. */
const SHARED = [
  '_prisma_migrations',
  'encryption_key',
  'lifecycle_state',
  'lifecycle_transition',
  'outbox_partition',
]

/** Definer functions are holes in row-level security unless somebody looked at each. */
const DEFINERS = [
  'add_member',
  'change_password',
  'create_migration',
  'drop_outbox_ranges',
  'find_api_key',
  'find_login',
  'find_session',
  'make_outbox_ranges',
  'number_audit',
  'number_events',
  'record_audit',
  'transition',
]

describe.each([18, 15] as const)('tenants on PostgreSQL %i', (version) => {
  let plane: TestControl
  let other: string
  let theirs: string

  beforeAll(async () => {
    plane = await testControl(await server(version))
    const { rows } = await plane.client.query<{ id: string }>(
      "insert into organization (slug, name) values ('other', 'Other') returning id",
    )
    other = rows[0]?.id ?? ''
    theirs = randomUUID()
    await new PostgresJournal(plane.door, other).create({
      id: theirs,
      ...endpoints,
      options: { canary: 'theirs' },
      actor: 'other',
    })
    await new PostgresTasks(plane.door, other).add([
      {
        migrationId: theirs,
        role: 'worker',
        kind: 'chunk',
        target: 't',
        sequence: 1,
        payload: 'canary',
      },
    ])
  })
  afterAll(() => plane.close())

  const tenantTables = async () => {
    const { rows } = await plane.client.query<{ name: string; forced: boolean }>(
      `select relname as name, relrowsecurity and relforcerowsecurity as forced from pg_class
       where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') order by relname`,
    )
    return rows
  }

  test('every table of a tenant has row-level security, for its owner too', async () => {
    const open = (await tenantTables()).filter((table) => !table.forced).map((table) => table.name)
    const forced = ['encryption_key', 'outbox_partition']
    expect(open).toEqual(SHARED.filter((name) => !forced.includes(name)))
  })

  test('a tenant sees none of the other one’s rows, in any table, without any WHERE', async () => {
    for (const { name } of (await tenantTables()).filter((table) => !SHARED.includes(table.name))) {
      const column = name === 'organization' ? 'id' : 'org_id'
      const may = await plane.client.query(
        "select has_table_privilege('sensei_app', $1, 'select') as may",
        [name],
      )
      if (!may.rows[0]?.may) continue
      const rows = await plane.door.read(plane.orgId, (tx) =>
        tx.query(`select from ${name} where ${column} <> $1`, [plane.orgId]),
      )
      expect(rows, name).toEqual([])
    }
  })

  test('without a tenant there is nothing, before and after a transaction that had one', async () => {
    const nothing = await plane.door.read('', (tx) => tx.query('select from migration'))
    expect(nothing).toEqual([])
    await plane.door.read(other, (tx) => tx.query('select from migration'))
    expect(await plane.door.read('', (tx) => tx.query('select from migration'))).toEqual([])
  })

  test('another tenant’s migration is not found, and cannot be moved, written to or worked on', async () => {
    const { journal, tasks } = plane
    const notFound = { code: 'MIGRATION_NOT_FOUND' }
    await expect(journal.get(theirs)).rejects.toMatchObject(notFound)
    const step = { migrationId: theirs, expectedVersion: 1, payload: {}, actor: 'me' } as const
    await expect(journal.transition({ ...step, event: 'planning_started' })).rejects.toMatchObject(
      notFound,
    )
    const entry = { kind: 'plan', version: 1, hash: 'h', plan: {} as never } as const
    await expect(journal.record(theirs, [entry])).rejects.toMatchObject({ code: '23503' })
    expect(
      await tasks.claim({ migrationId: theirs, role: 'worker', owner: 'me', limit: 9 }),
    ).toEqual([])
    expect(await tasks.discard(theirs, ['t'])).toBe(0)
  })

  test('a row for another tenant is refused', async () => {
    await expect(
      plane.door.write(plane.orgId, (tx) =>
        tx.query("insert into connection (org_id, engine, url) values ($1, 'x', 'y')", [other]),
      ),
    ).rejects.toMatchObject(DENIED)
  })

  test.each([
    ['the state', "update migration set status = 'completed'"],
    ['an event', 'insert into migration_event select * from migration_event limit 1'],
    [
      'an audit row',
      "insert into audit_log (org_id, actor, action, detail) select org_id, 'x', 'y', '{}' from migration limit 1",
    ],
    ['history', 'delete from audit_log'],
    ['history by truncation', 'truncate audit_log'],
    ['positions', 'update outbox_partition set last_position = 0'],
    ['an outbox row', 'delete from outbox'],
    ['a plan', "update plan set hash = 'x'"],
    ['the lifecycle', "update lifecycle_transition set next = 'completed'"],
    ['the numbering', 'select number_events()'],
    [
      'the log without its transition',
      "select log_transition(m, gen_random_uuid(), 'x', '{}', 'y') from migration m",
    ],
  ])('the application cannot write %s by itself', async (_, sql) => {
    await expect(plane.door.write(other, (tx) => tx.query(sql))).rejects.toMatchObject(DENIED)
  })

  test.each([
    ['the state', "update migration set status = 'completed', version = version + 1"],
    ['an audit row', "update audit_log set actor = 'x'"],
    ['history', 'delete from audit_log'],
    ['history by truncation', 'truncate audit_log cascade'],
    ['an event', "update migration_event set type = 'x'"],
    ['a position', 'delete from outbox'],
  ])('even the administrator does not change %s by accident', async (_, sql) => {
    await expect(plane.client.query(sql)).rejects.toMatchObject(DENIED)
  })

  test('definer functions are those that were looked at: pinned, and owned by roles without a login', async () => {
    const { rows } = await plane.client.query(
      `select p.proname as name, r.rolcanlogin or r.rolsuper or r.rolbypassrls as strong,
         coalesce(array_to_string(p.proconfig, ','), '') as config,
         has_function_privilege('public', p.oid, 'execute') as open
       from pg_proc p join pg_roles r on r.oid = p.proowner
       where p.prosecdef and p.pronamespace = 'public'::regnamespace order by p.proname`,
    )
    expect(rows).toEqual(
      DEFINERS.map((name) => ({
        name,
        strong: false,
        config: 'search_path=public, pg_temp',
        open: false,
      })),
    )
  })

  test('neither the application nor the roles of its functions may create in the schema', async () => {
    const { rows } = await plane.client.query(
      `select rolname from pg_roles r
       where (rolname in ('sensei_app', 'sensei_lifecycle', 'sensei_log_writer') or rolname = $1)
         and has_schema_privilege(r.oid, 'public', 'create')`,
      [plane.control.user],
    )
    expect(rows).toEqual([])
  })

  test('the application is granted no TRUNCATE, no REFERENCES and no TRIGGER', async () => {
    const { rows } = await plane.client.query(
      `select table_name, privilege_type from information_schema.role_table_grants
       where grantee in ('sensei_app', 'PUBLIC') and table_schema = 'public'
         and privilege_type in ('TRUNCATE', 'REFERENCES', 'TRIGGER')`,
    )
    expect(rows).toEqual([])
  })

  test('every reference between tenant tables carries the tenant', async () => {
    const { rows } = await plane.client.query(
      `select conrelid::regclass::text as child, confrelid::regclass::text as parent
       from pg_constraint c where contype = 'f' and connamespace = 'public'::regnamespace
         and confrelid not in ('organization'::regclass, 'app_user'::regclass, 'lifecycle_state'::regclass,
           'encryption_key'::regclass)
         and not exists (
           select from unnest(conkey, confkey) as k (child, parent)
           join pg_attribute a on a.attrelid = conrelid and a.attnum = k.child and a.attname = 'org_id'
           join pg_attribute b on b.attrelid = confrelid and b.attnum = k.parent and b.attname = 'org_id')`,
    )
    expect(rows).toEqual([])
  })
})
