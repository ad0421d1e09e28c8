import { randomUUID } from 'node:crypto'
import { server, startPostgres } from '@sensei/contracts/servers'
import { Door } from '@sensei/postgres/door'
import { PostgresJournal } from '@sensei/postgres/journal'
import { PostgresTasks } from '@sensei/postgres/tasks'
import { typed } from '@sensei/postgres/typed'
import { provision } from '@sensei/postgres/provision'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints, type TestControl, testControl } from './control-database.ts'
import { type Cut, type CuttingProxy, cuttingProxy } from './cutting-proxy.ts'

describe.each([18, 15] as const)('the door on PostgreSQL %i', (version) => {
  let plane: TestControl
  let proxy: CuttingProxy
  let door: Door

  beforeAll(async () => {
    plane = await testControl(await server(version))
    proxy = await cuttingProxy(plane.control.host, plane.control.port)
    door = new Door({ ...plane.control, port: proxy.port })
  })
  afterAll(async () => {
    await door.close()
    await proxy.close()
    await plane.close()
  })

  const born = (id: string = randomUUID()) =>
    plane.journal.create({ id, ...endpoints, options: {}, actor: 'test' })

  const cuts: readonly Cut[] = ['before the commit', 'after the commit', 'while committing']

  test.each(cuts)('a transition whose connection is cut %s happens exactly once', async (cut) => {
    const journal = new PostgresJournal(door, plane.orgId)
    const { id } = await born()
    const step = { migrationId: id, expectedVersion: 1, payload: {}, actor: 'test' } as const
    proxy.cut(cut, cut, cut)
    const moved = await journal.transition({ ...step, event: 'planning_started' })
    expect(moved).toMatchObject({ state: 'planning', version: 2 })
    const events = await plane.journal.events(id)
    expect(events.map((event) => event.type)).toEqual([
      'migration.created',
      'migration.planning_started',
    ])
  })

  test.each(cuts)(
    'a migration created through a connection cut %s is one migration',
    async (cut) => {
      const journal = new PostgresJournal(door, plane.orgId)
      const id = randomUUID()
      proxy.cut(cut)
      await journal.create({ id, ...endpoints, options: {}, actor: 'test' })
      expect(await plane.journal.events(id)).toHaveLength(1)
    },
  )

  test.each(cuts)('a task finished through a connection cut %s is done once', async (cut) => {
    const tasks = new PostgresTasks(door, plane.orgId)
    const { id } = await born()
    const task = { role: 'worker', kind: 'chunk', target: 't', sequence: 1, payload: null } as const
    proxy.cut(cut)
    await tasks.add([{ migrationId: id, ...task }])
    expect(await tasks.outstanding(id)).toMatchObject({ ready: 1 })
    const [lease] = await tasks.claim({ migrationId: id, role: 'worker', owner: 'a', limit: 1 })
    proxy.cut(cut)
    await tasks.finish(lease as NonNullable<typeof lease>, null)
    expect(await tasks.outstanding(id)).toMatchObject({ done: 1 })
  })

  test('Kysely and SQL see one transaction and one tenant', async () => {
    await plane.door.write(plane.orgId, async (tx) => {
      const values = { org_id: plane.orgId, engine: 'sqlite', url: 'sqlite:/kysely.db' }
      await typed(tx).insertInto('connection').values(values).execute()
      const seen = await tx.query('select from connection where url = $1', [values.url])
      expect(seen).toHaveLength(1)
    })
  })

  test('an ignored failure does not pass for a commit', async () => {
    const work = plane.door.write(plane.orgId, async (tx) => {
      await tx.query('select 1 / 0').catch(() => undefined)
    })
    await expect(work).rejects.toMatchObject({ code: 'INTERNAL' })
  })

  test('two writers that deadlock both commit', async () => {
    const [first, second] = [await born(), await born()]
    const touch = (order: readonly string[]) =>
      plane.door.write(plane.orgId, async (tx) => {
        for (const id of order) {
          await tx.query(
            'insert into plan (org_id, migration_id, version, hash, body) values ($1, $2, 1, $3, $4) on conflict (org_id, migration_id, version) do nothing',
            [plane.orgId, id, 'h', '{}'],
          )
          await new Promise((resolve) => setTimeout(resolve, 100))
        }
      })
    await Promise.all([touch([first.id, second.id]), touch([second.id, first.id])])
    expect(await plane.journal.entries(first.id, 'plan')).toHaveLength(1)
  })
})

test('a call waits for a server that is away, and gives up in words when it stays away', async () => {
  const own = await startPostgres({ version: 18 })
  const { host, port, user, password } = own
  const login = { user: 'app', password: 'app' }
  const { control, orgId } = await provision(
    { host, port, user, password, database: 'postgres' },
    login,
  )
  const patient = new Door(control)
  const hasty = new Door(control, { patienceMs: 200 })
  await own.kill9()
  const reading = patient.read(orgId, (tx) => tx.query('select from migration'))
  await expect(hasty.read(orgId, (tx) => tx.query('select 1'))).rejects.toMatchObject({
    code: 'CONTROL_UNREACHABLE',
    retryable: true,
  })
  await own.start()
  expect(await reading).toEqual([])
  await Promise.all([patient.close(), hasty.close()])
  await own.remove()
}, 60_000)
