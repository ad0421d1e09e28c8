import { randomUUID } from 'node:crypto'
import { server } from '@sensei/contracts/servers'
import { PostgresJournal } from '@sensei/postgres/record/journal'
import { PostgresTasks } from '@sensei/postgres/record/tasks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints, type TestControl, testControl } from '../control-database.ts'

const DENIED = { code: '42501' }

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

  test('a tenant sees none of the other one’s rows, in any table, without any WHERE', async () => {
    const { rows: tables } = await plane.client.query<{ name: string; column: string }>(
      `select attrelid::regclass::text as name, attname as column from pg_attribute a join pg_class c on c.oid = attrelid
       where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
         and attname = case when relname = 'organization' then 'id' else 'org_id' end
         and has_table_privilege('sensei_app', c.oid, 'select')`,
    )
    expect(tables.length).toBeGreaterThan(15)
    for (const { name, column } of tables) {
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

  test('bad input 83: another tenant’s migration is not found, and cannot be moved, written to or worked on', async () => {
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

  test('bad input 84: a row for another tenant is refused, whoever says it is his', async () => {
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
})
