import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import path from 'node:path'
import { runFolder } from '@sensei/contracts/run-folder'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Installation, POOLED, Served, serveTwins } from './served.ts'

const MAIN = path.resolve(import.meta.dirname, '../../cli/main.ts')

/** A word that is in one request only. */
const word = (): string => `trace${randomUUID().replaceAll('-', '')}`

describe.each(POOLED)('the log of an organization, on %s', (store) => {
  let home: Installation
  let served: Served
  let key: string
  let otherKey: string
  let close: () => Promise<void>

  beforeAll(async () => {
    ;({ home, served, key, otherKey, close } = await serveTwins(store))
  })

  afterAll(() => close?.())

  const ask = (address: string, requestId: string, by = key) =>
    served.call('GET', address, { key: by, headers: { 'x-request-id': requestId } })

  const logged = async (words: string, by = key) => {
    const { json } = await served.call('GET', `/v1/logs?q=${words}`, { key: by })
    return json.data as { level: string; message: string; migration_id: string; fields: object }[]
  }

  /** As the administrator, whom no policy binds. */
  const stored = (words: string) =>
    home.sql<{ org_id: string }>('select org_id from log_entry e where e::text like $1', [
      `%${words}%`,
    ])

  test('a request leaves an entry that its organization finds, over HTTP and by the command', async () => {
    const requestId = word()
    expect((await ask('/v1/organization', requestId)).status).toBe(200)
    await expect.poll(() => logged(requestId)).toHaveLength(1)
    const [entry] = await logged(requestId)
    expect(entry).toMatchObject({
      level: 'info',
      component: 'server',
      message: 'GET /v1/organization 200',
      fields: { request_id: requestId, route: '/v1/organization', status: 200 },
    })
    const args = [MAIN, 'logs', 'search', requestId, '--output', 'json']
    const cli = spawn(process.execPath, args, {
      cwd: runFolder(),
      env: { PATH: process.env['PATH'] ?? '', HOME: runFolder(), ...home.env },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    let out = ''
    cli.stdout.setEncoding('utf8').on('data', (part: string) => (out += part))
    await once(cli, 'close')
    expect(JSON.parse(out).entries).toMatchObject([{ message: 'GET /v1/organization 200' }])
  })

  test('another organization finds its own requests and no other one’s', async () => {
    const shared = word()
    await Promise.all([ask('/v1/members', shared), ask('/v1/api-keys', shared, otherKey)])
    await expect.poll(() => stored(shared)).toHaveLength(2)
    const messages = (by: string) =>
      logged(shared, by).then((all) => all.map(({ message }) => message))
    expect(await messages(key)).toEqual(['GET /v1/members 200'])
    expect(await messages(otherKey)).toEqual(['GET /v1/api-keys 200'])
    // Negative control: who is not bound by a policy sees both, so it is the policy that keeps them apart.
    const owners = (await stored(shared)).map((row) => row.org_id)
    expect(new Set(owners)).toEqual(new Set([home.plane.orgId, home.otherOrgId]))
  })

  test('what names no organization stands on stderr and in nobody’s log', async () => {
    const [known, unknown] = [word(), word()]
    await ask('/v1/organization', unknown, `${key.slice(0, -1)}_`)
    await served.call('GET', '/healthz', { headers: { 'x-request-id': unknown } })
    await ask('/v1/organization', known)
    await expect.poll(() => stored(known)).toHaveLength(1)
    expect(served.said).toContain(unknown)
    expect(await stored(unknown)).toEqual([])
  })

  test('an entry names the migration that was asked for, and what is no id costs nothing', async () => {
    const [id, requestId] = [randomUUID(), word()]
    await ask(`/v1/migrations/${id}`, requestId)
    await ask('/v1/migrations/no-id', requestId)
    await expect.poll(() => logged(requestId)).toHaveLength(2)
    const found = await served.call('GET', `/v1/logs?migration_id=${id}`, { key })
    expect(found.json.data).toMatchObject([{ message: `GET /v1/migrations/${id} 404` }])
  })

  test('no secret of a request is in any entry', async () => {
    const [canary, seen] = [word(), word()]
    const body = { name: canary, fields: { engine: canary }, password: canary }
    const headers = {
      'x-request-id': seen,
      'x-other': canary,
      'idempotency-key': canary,
      cookie: `__Host-sensei_session=${canary}`,
    }
    await served.call('POST', '/v1/connections', { key, body, headers })
    await served.call('POST', '/v1/sessions', { body: { email: 'a@b.c', password: canary } })
    await ask(`/v1/logs?q=${canary}&cursor=${canary}`, seen)
    const url = `/v1/api-keys/sns_live_${canary}`
    expect((await ask(url, seen)).status).toBe(400)
    await ask('/v1/members', seen)
    // Negative control: by the same search, what a request may leave is found.
    await expect.poll(() => stored(seen)).toHaveLength(3)
    expect(await stored(canary)).toEqual([])
    expect(await stored(key.slice(9, 40))).toEqual([])
    expect(served.said).not.toContain(canary)
  })

  test('a fault is told to the organization without our words, which stand on stderr', async () => {
    const requestId = word()
    await home.sql('alter table receipt rename to canary_of_the_store')
    try {
      expect((await ask('/v1/reports/rows', requestId)).status).toBe(500)
    } finally {
      await home.sql('alter table canary_of_the_store rename to receipt')
    }
    await expect.poll(() => logged(requestId)).toHaveLength(2)
    const messages = (await logged(requestId)).map(({ level, message }) => `${level} ${message}`)
    expect(new Set(messages)).toEqual(
      new Set(['error failed: INTERNAL', 'info GET /v1/reports/rows 500']),
    )
    expect(JSON.stringify(await logged(requestId))).not.toMatch(/receipt|stack|\.ts/)
    expect(served.said).toContain('relation \\"receipt\\" does not exist')
  })

  test('a log that cannot be written delays no request, is counted, and is caught up with', async () => {
    const requestId = word()
    const admin = new Client({ connectionString: home.plane.ownUrl })
    await admin.connect()
    await admin.query('begin; lock table log_entry in access exclusive mode')
    for (let n = 0; n < 10; n++) {
      expect((await ask('/v1/organization', requestId)).status).toBe(200)
    }
    const metrics = await (await fetch(served.metricsUrl)).text()
    expect(metrics).toMatch(/^sensei_log_entries_waiting [1-9]\d*$/m)
    expect(metrics).toMatch(/^sensei_log_entries_total\{outcome="dropped"\} 0$/m)
    await admin.query('rollback')
    await admin.end()
    await expect.poll(() => stored(requestId)).toHaveLength(10)
  })

  test('what was logged before SIGTERM is in the log after it', async () => {
    const requestId = word()
    const ending = await Served.start(home.env)
    const asking = Array.from({ length: 20 }, () =>
      ending.call('GET', '/v1/organization', { key, headers: { 'x-request-id': requestId } }),
    )
    await Promise.all(asking)
    await ending.stop()
    expect(await ending.ended).toMatchObject({ code: 0 })
    expect(await stored(requestId)).toHaveLength(20)
  })
})
