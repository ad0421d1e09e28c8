import { randomUUID } from 'node:crypto'
import { type PgBouncer, startPgBouncer } from '@sensei/contracts/pgbouncer'
import { server } from '@sensei/contracts/servers'
import { connect } from '@sensei/postgres/door/connection'
import { Door } from '@sensei/postgres/door/door'
import { once } from '@sensei/postgres/tenants/idempotency'
import { PostgresJournal } from '@sensei/postgres/record/journal'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints, type TestControl, testControl } from '../control-database.ts'
import { doorContract } from '../door-contract.ts'
import { organizationBeside } from '../people.ts'

async function pooled(plane: TestControl, poolSize: number): Promise<PgBouncer> {
  const { host, port, database, user, password } = plane.control
  return startPgBouncer({ server: { host, port }, database, user, password, poolSize })
}

describe.each([18, 15] as const)('the door through PgBouncer, before PostgreSQL %i', (version) => {
  doorContract(async () => {
    const plane = await testControl(await server(version))
    const pooler = await pooled(plane, 3)
    return {
      plane,
      host: pooler.host,
      port: pooler.port,
      close: async () => {
        await pooler.close()
        await plane.close()
      },
    }
  })
})

describe.each([18, 15] as const)(
  'two tenants on one server connection of PostgreSQL %i',
  (version) => {
    let plane: TestControl
    let pooler: PgBouncer
    let door: Door
    let other: string

    beforeAll(async () => {
      plane = await testControl(await server(version))
      pooler = await pooled(plane, 1)
      door = new Door(
        { ...plane.control, host: pooler.host, port: pooler.port },
        { connectionsMax: 20 },
      )
      other = await organizationBeside(plane.client, 'other')
    })
    afterAll(async () => {
      await door.close()
      await pooler.close()
      await plane.close()
    })

    test('each transaction is of its own tenant, whoever had the connection before', async () => {
      const work = Array.from({ length: 60 }, (_, at) => [plane.orgId, other, ''][at % 3] as string)
      const seen = await Promise.all(
        work.map((orgId) =>
          door.read(orgId, async (tx) => {
            const rows = await tx.query<{ id: string; pid: number }>(
              'select id, pg_backend_pid() as pid from organization',
            )
            return rows
          }),
        ),
      )
      for (const [at, rows] of seen.entries())
        expect(rows.map((row) => row.id)).toEqual(work[at] === '' ? [] : [work[at]])
      expect(new Set(seen.flat().map((row) => row.pid)).size).toBe(1)
    })

    test('a request that is sent twice has its effect once', async () => {
      const request = { orgId: other, route: 'r', key: randomUUID(), content: {} }
      const create = () =>
        once(door, request, async (inside) => {
          const journal = new PostgresJournal(inside, other)
          const { id } = await journal.create({
            id: randomUUID(),
            ...endpoints,
            options: {},
            actor: 'x',
          })
          return { id }
        })
      const first = await create()
      expect(await create()).toEqual({ response: first.response, replayed: true })
    })

    test('negative control: a tenant set for the session is the next one’s as well', async () => {
      const settings = { ...plane.control, host: pooler.host, port: pooler.port }
      const [careless, next] = [await connect(settings), await connect(settings)]
      await careless.query("select set_config('app.org_id', $1, false)", [other])
      expect((await next.query('select id from organization')).rows).toEqual([{ id: other }])
      await careless.query("select set_config('app.org_id', '', false)")
      await Promise.all([careless.end(), next.end()])
    })
  },
)
