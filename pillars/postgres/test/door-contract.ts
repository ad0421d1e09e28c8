/**
 * What the door promises, by whatever way it reaches PostgreSQL: directly, or through a pooler that lends it another
 * connection for each transaction.
 */
import { randomUUID } from 'node:crypto'
import { Door } from '@sensei/postgres/door/door'
import { PostgresJournal } from '@sensei/postgres/record/journal'
import { PostgresTasks } from '@sensei/postgres/record/tasks'
import { typed } from '@sensei/postgres/door/typed'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { endpoints, type TestControl } from './control-database.ts'
import { type Cut, type CuttingProxy, cuttingProxy } from './cutting-proxy.ts'

export interface Way {
  readonly plane: TestControl
  readonly host: string
  readonly port: number
  close(): Promise<void>
}

export function doorContract(open: () => Promise<Way>): void {
  let way: Way
  let plane: TestControl
  let proxy: CuttingProxy
  /** Its connections can be cut. */
  let door: Door
  let steady: Door

  beforeAll(async () => {
    way = await open()
    plane = way.plane
    proxy = await cuttingProxy(way.host, way.port)
    door = new Door({ ...plane.control, host: '127.0.0.1', port: proxy.port })
    steady = new Door({ ...plane.control, host: way.host, port: way.port })
  })
  afterAll(async () => {
    await door.close()
    await steady.close()
    await proxy.close()
    await way.close()
  })

  const journal = () => new PostgresJournal(steady, plane.orgId)

  const born = (id: string = randomUUID()) =>
    journal().create({ id, ...endpoints, options: {}, actor: 'test' })

  const cuts: readonly Cut[] = ['before the commit', 'after the commit', 'while committing']

  test.each(cuts)('a transition whose connection is cut %s happens exactly once', async (cut) => {
    const cutting = new PostgresJournal(door, plane.orgId)
    const { id } = await born()
    const step = { migrationId: id, expectedVersion: 1, payload: {}, actor: 'test' } as const
    proxy.cut(cut, cut, cut)
    const moved = await cutting.transition({ ...step, event: 'planning_started' })
    expect(moved).toMatchObject({ state: 'planning', version: 2 })
    const events = await journal().events(id)
    expect(events.map((event) => event.type)).toEqual([
      'migration.created',
      'migration.planning_started',
    ])
  })

  test.each(cuts)(
    'a migration created through a connection cut %s is one migration',
    async (cut) => {
      const cutting = new PostgresJournal(door, plane.orgId)
      const id = randomUUID()
      proxy.cut(cut)
      await cutting.create({ id, ...endpoints, options: {}, actor: 'test' })
      expect(await journal().events(id)).toHaveLength(1)
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
    await steady.write(plane.orgId, async (tx) => {
      const values = { org_id: plane.orgId, engine: 'sqlite', url: 'sqlite:/kysely.db' }
      await typed(tx).insertInto('connection').values(values).execute()
      const seen = await tx.query('select from connection where url = $1', [values.url])
      expect(seen).toHaveLength(1)
    })
  })

  test('an ignored failure does not pass for a commit', async () => {
    const work = steady.write(plane.orgId, async (tx) => {
      await tx.query('select 1 / 0').catch(() => undefined)
    })
    await expect(work).rejects.toMatchObject({ code: 'INTERNAL' })
  })

  test('two writers that deadlock both commit', async () => {
    const [first, second] = [await born(), await born()]
    const touch = (order: readonly string[]) =>
      steady.write(plane.orgId, async (tx) => {
        for (const id of order) {
          await tx.query(
            'insert into plan (org_id, migration_id, version, hash, body) values ($1, $2, 1, $3, $4) on conflict (org_id, migration_id, version) do nothing',
            [plane.orgId, id, 'h', '{}'],
          )
          await new Promise((resolve) => setTimeout(resolve, 100))
        }
      })
    await Promise.all([touch([first.id, second.id]), touch([second.id, first.id])])
    expect(await journal().entries(first.id, 'plan')).toHaveLength(1)
  })
}
