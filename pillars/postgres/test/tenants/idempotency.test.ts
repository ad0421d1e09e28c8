import { randomUUID } from 'node:crypto'
import type { Json } from '@sensei/core/json'
import { server } from '@sensei/contracts/servers'
import { ApiKeys } from '@sensei/postgres/tenants/api-keys'
import { Door } from '@sensei/postgres/door/door'
import { once } from '@sensei/postgres/tenants/idempotency'
import { PostgresJournal } from '@sensei/postgres/record/journal'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints, type TestControl, testControl } from '../control-database.ts'
import { type Cut, type CuttingProxy, cuttingProxy } from '../cutting-proxy.ts'
import { foundedBy, organizationBeside } from '../people.ts'

describe.each([18, 15] as const)('requests that are sent twice, on PostgreSQL %i', (version) => {
  let plane: TestControl
  let other: string
  let proxy: CuttingProxy
  let door: Door

  beforeAll(async () => {
    plane = await testControl(await server(version), { connectionsMax: 12 })
    other = await organizationBeside(plane.client, 'other')
    proxy = await cuttingProxy(plane.control.host, plane.control.port)
    door = new Door({ ...plane.control, port: proxy.port })
  })
  afterAll(async () => {
    await door.close()
    await proxy.close()
    await plane.close()
  })

  interface Asked {
    readonly key?: string
    readonly content?: Json
    readonly orgId?: string
    readonly through?: Door
    readonly pauseMs?: number
  }

  /** Makes a migration, as a request for one does: with an id of the server's own choice. */
  const create = (asked: Asked = {}) => {
    const orgId = asked.orgId ?? plane.orgId
    const key = asked.key ?? randomUUID()
    const request = { orgId, route: 'POST /v1/migrations', key, content: asked.content ?? {} }
    return once(asked.through ?? plane.door, request, async (inside) => {
      const journal = new PostgresJournal(inside, orgId)
      const { id } = await journal.create({
        id: randomUUID(),
        ...endpoints,
        options: { key },
        actor: 'test',
      })
      await new Promise((resolve) => setTimeout(resolve, asked.pauseMs ?? 0))
      return { id }
    })
  }

  const made = async (key: string): Promise<number> => {
    const { rowCount } = await plane.client.query(
      "select from migration where options ->> 'key' = $1",
      [key],
    )
    return rowCount ?? 0
  }

  test('the second one gets the first one’s answer, and nothing is made twice', async () => {
    const key = randomUUID()
    const first = await create({ key })
    expect(first.replayed).toBe(false)
    expect(await create({ key })).toEqual({ response: first.response, replayed: true })
    expect(await made(key)).toBe(1)
    const events = await plane.client.query(
      'select from migration_event e join audit_log a using (org_id, migration_id, version) where migration_id = $1',
      [first.response.id],
    )
    expect(events.rowCount).toBe(1)
  })

  test('bad input 86: the same key with another body is refused, whatever differs', async () => {
    const key = randomUUID()
    await create({ key, content: { name: 'a', list: [1, 2] } })
    const others: readonly Json[] = [
      { name: 'b', list: [1, 2] },
      { name: 'a', list: [2, 1] },
      { name: 'a' },
      null,
    ]
    for (const content of others)
      await expect(create({ key, content })).rejects.toMatchObject({
        code: 'IDEMPOTENCY_KEY_REUSED',
      })
    expect((await create({ key, content: { list: [1, 2], name: 'a' } })).replayed).toBe(true)
    expect(await made(key)).toBe(1)
  })

  test('bad input 86: of many at the same moment one runs, and the others are told to come back', async () => {
    const key = randomUUID()
    const all = await Promise.allSettled(
      Array.from({ length: 10 }, () => create({ key, pauseMs: 200 })),
    )
    const ran = all.filter((one) => one.status === 'fulfilled' && !one.value.replayed)
    expect(ran).toHaveLength(1)
    for (const one of all)
      if (one.status === 'rejected')
        expect(one.reason).toMatchObject({ code: 'IDEMPOTENCY_IN_FLIGHT', retryable: true })
    expect(await made(key)).toBe(1)
    expect((await create({ key })).replayed).toBe(true)
  })

  test('bad input 87: the same key of two organizations is two requests', async () => {
    const key = randomUUID()
    const [ours, theirs] = [await create({ key }), await create({ key, orgId: other })]
    expect([ours.replayed, theirs.replayed]).toEqual([false, false])
    expect(theirs.response.id).not.toBe(ours.response.id)
    expect(await made(key)).toBe(2)
    await expect(create({ key, orgId: other, content: 1 })).rejects.toMatchObject({
      code: 'IDEMPOTENCY_KEY_REUSED',
    })
  })

  test.each([['before the commit'], ['after the commit'], ['while committing']] as [Cut][])(
    'a request whose connection is cut %s has its effect once',
    async (cut) => {
      const key = randomUUID()
      proxy.cut(cut, cut)
      const { response } = await create({ key, through: door })
      expect(await create({ key })).toEqual({ response, replayed: true })
      expect(await made(key)).toBe(1)
    },
  )

  test('what is refused leaves nothing, neither its effect nor an answer', async () => {
    const key = randomUUID()
    const request = { orgId: plane.orgId, route: 'r', key, content: {} }
    const refused = once(plane.door, request, async (inside) => {
      const journal = new PostgresJournal(inside, plane.orgId)
      const id = randomUUID()
      await journal.create({ id, ...endpoints, options: { key }, actor: 'test' })
      const step = { migrationId: id, expectedVersion: 7, payload: {}, actor: 'test' } as const
      await journal.transition({ ...step, event: 'planning_started' })
      return null
    })
    await expect(refused).rejects.toMatchObject({ code: 'VERSION_CONFLICT' })
    expect(await made(key)).toBe(0)
    const answered = await once(plane.door, request, async () => 'anew')
    expect(answered).toEqual({ response: 'anew', replayed: false })
  })

  test('a key that is made so is made once, and its text is in no answer that is kept', async () => {
    const owner = await foundedBy(plane.door, plane.orgId, 'owner')
    const id = randomUUID()
    let text = ''
    const request = {
      orgId: plane.orgId,
      route: 'POST /v1/api-keys',
      key: randomUUID(),
      content: { id },
    }
    const create = () =>
      once(plane.door, request, async (inside) => {
        const wanted = { id, name: 'k', scopes: ['audit:read'], allowedIps: [], expiresAt: null }
        const created = await new ApiKeys(inside, 'live').create(owner.principal, wanted)
        text = created.text
        return { id: created.key.id, hint: created.key.hint }
      })
    const first = await create()
    expect(await create()).toEqual({ response: first.response, replayed: true })
    const keys = new ApiKeys(plane.door, 'live')
    expect((await keys.authenticate(text, '::1')).by.id).toBe(id)
    const { rows } = await plane.client.query('select i::text as row from idempotency i')
    for (const { row } of rows) expect(row).not.toContain(text.slice(9, 52))
  })

  test('after its day a key is a new one', async () => {
    const key = randomUUID()
    await create({ key })
    await plane.client.query(
      "update idempotency set expires_at = now() - interval '1 second' where key = $1",
      [key],
    )
    expect((await create({ key, content: 'another' })).replayed).toBe(false)
    expect(await made(key)).toBe(2)
  })

  test('a transaction of one organization serves no other one', async () => {
    const request = { orgId: plane.orgId, route: 'r', key: randomUUID(), content: {} }
    const strayed = once(plane.door, request, (inside) => inside.read(other, async () => null))
    await expect(strayed).rejects.toMatchObject({ code: 'INTERNAL' })
  })

  test('an idempotency key is visible ASCII of a bounded length', async () => {
    for (const key of ['', ' ', 'a b', 'ä', 'x'.repeat(256), 'a\n'])
      await expect(create({ key })).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
    await create({ key: 'x'.repeat(255) })
  })
})

test('negative control: with the answer in another transaction than the effect, a death between them makes two', async () => {
  const plane = await testControl(await server(18))
  const request = { orgId: plane.orgId, route: 'r', key: randomUUID(), content: {} }
  const apart = () =>
    once(plane.door, request, async () => {
      const migration = { id: randomUUID(), ...endpoints, options: {}, actor: 'test' }
      const { id } = await plane.journal.create(migration)
      if ((await plane.journal.list()).length === 1) throw new Error('the process dies here')
      return { id }
    })
  await expect(apart()).rejects.toThrow('dies here')
  await apart()
  expect(await plane.journal.list()).toHaveLength(2)
  await plane.close()
})
