import { randomBytes, randomUUID } from 'node:crypto'
import { server } from '@sensei/contracts/servers'
import { connect } from '@sensei/postgres/door/connection'
import {
  provisionService,
  SERVICES,
  type Service,
  ServiceDoor,
} from '@sensei/postgres/door/services'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints, type TestControl, testControl } from '../control-database.ts'

const DENIED = { code: '42501' }

describe.each([18, 15] as const)('services on PostgreSQL %i', (version) => {
  let plane: TestControl
  const doors = new Map<Service, ServiceDoor>()
  const logins: string[] = []

  beforeAll(async () => {
    plane = await testControl(await server(version))
    for (const service of SERVICES) {
      const user = `${service}_${plane.admin.database}`
      const login = { user, password: randomBytes(12).toString('hex') }
      logins.push(user)
      const settings = await provisionService(plane.admin, service, login)
      doors.set(service, new ServiceDoor(settings, service, { connectionsMax: 1 }))
    }
    await plane.client.query("insert into organization (slug, name) values ('two', 'Two')")
    const { rows } = await plane.client.query<{ id: string }>('select id from organization')
    for (const { id: orgId } of rows) {
      await plane.client.query("select set_config('app.org_id', $1, false)", [orgId])
      const hash = randomBytes(32)
      await plane.client.query(
        `insert into idempotency values ($1, 'r', 'old', $2, '{}', now() - interval '2 days', now() - interval '1 day'),
          ($1, 'r', 'new', $2, '{}', now(), now() + interval '1 day')`,
        [orgId, hash],
      )
      await plane.door.write(orgId, (tx) =>
        tx.query("select record_audit('test.made', '{}', 'test', $1)", [randomUUID()]),
      )
    }
    const made = { ...endpoints, options: {}, actor: 'test' }
    await plane.journal.create({ id: randomUUID(), ...made })
  })
  afterAll(async () => {
    for (const door of doors.values()) await door.close()
    await plane.close()
    const last = await connect({ ...plane.admin, database: 'postgres' })
    for (const login of logins) await last.query(`drop role ${login}`)
    await last.end()
  })

  const as = (service: Service, sql: string) =>
    (doors.get(service) as ServiceDoor).write((tx) => tx.query(sql))

  test.each([
    ['relay', 'select from outbox join migration_event on id = event_id', 1],
    ['consumer', 'select from outbox join migration_event on id = event_id', 1],
    ['chainer', 'select from audit_log join audit_position on audit_id = id', 3],
    ['upkeep', 'select from idempotency', 2],
  ] as const)('the %s sees what it works on, of all tenants', async (service, sql, rows) => {
    expect(await as(service, sql)).toHaveLength(rows)
  })

  test('upkeep throws away what is over, and sees nothing else', async () => {
    const deleted = await as('upkeep', 'delete from idempotency returning key')
    expect(deleted).toEqual([{ key: 'old' }, { key: 'old' }])
    expect((await plane.client.query('select from idempotency')).rowCount).toBe(2)
  })

  test.each(SERVICES)('the %s may read no table that is not its own', async (service) => {
    const log = ['consumer_cursor', 'consumer_member', 'migration', 'migration_event', 'outbox']
    const readers = [...log, 'outbox_partition', 'outbox_range']
    const own: Record<Service, readonly string[]> = {
      relay: readers,
      consumer: [...readers, 'inbox', 'webhook_delivery', 'webhook_endpoint'],
      chainer: ['audit_chain', 'audit_head', 'audit_log', 'audit_position'],
      upkeep: [
        'agent_execution',
        'idempotency',
        'inbox',
        'log_entry',
        'migration',
        'retention',
        'session',
        'task',
        'webhook_delivery',
      ],
    }
    const { rows } = await plane.client.query<{ name: string }>(
      `select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
       and has_any_column_privilege($1, oid, 'select')`,
      [`sensei_${service}`],
    )
    expect(rows.map((row) => row.name).toSorted()).toEqual(own[service].toSorted())
    await expect(as(service, 'select from api_key')).rejects.toMatchObject(DENIED)
    await expect(as(service, "update migration set status = 'x'")).rejects.toMatchObject(DENIED)
    await expect(as(service, 'set role sensei_owner')).rejects.toMatchObject(DENIED)
  })
})
