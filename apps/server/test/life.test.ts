import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Installation, Served } from './served.ts'

/** Each test starts and stops processes, and waits for them. */
const LONG = { timeout: 90_000 }

let home: Installation

beforeAll(async () => {
  home = await Installation.open()
})

afterAll(async () => {
  await home?.close()
})

test(
  'served, used and stopped: a key is made, works, is revoked, and the end takes no 30 s',
  LONG,
  async () => {
    const served = await Served.start(home.env)
    while (!served.said.includes('sensei users create')) await sleep(20)
    const { text: key } = await home.key()
    const made = await served.call('POST', '/v1/api-keys', {
      key,
      body: { name: 'reader', scopes: ['migrations:read', 'audit:read'] },
    })
    const reader: string = made.json.key
    expect(await served.call('GET', '/v1/migrations', { key: reader })).toMatchObject({
      status: 200,
      json: { data: [], next_cursor: null },
    })
    const audit = await served.call('GET', '/v1/audit-log?q=reader', { key: reader })
    expect(audit.json.data[0]).toMatchObject({ action: 'api_key.created' })
    const revoked = await served.call('DELETE', `/v1/api-keys/${made.json.id}`, { key })
    expect(revoked.json.revoked_at).not.toBeNull()
    // From the very answer on: nothing is remembered about a key.
    expect((await served.call('GET', '/v1/migrations', { key: reader })).status).toBe(401)
    const startedAt = performance.now()
    served.child.kill('SIGTERM')
    expect(await served.ended).toEqual({ code: 0, signal: null })
    expect(performance.now() - startedAt).toBeLessThan(30_000)
  },
)

test(
  'after SIGTERM an open request is answered, /readyz says draining, and nothing new is taken',
  LONG,
  async () => {
    const served = await Served.start(home.env)
    const { text: key } = await home.key()
    expect((await served.call('GET', '/readyz')).json.status).toBe('ready')
    const { hostname, port } = new URL(served.url)
    const open = async (head: string) => {
      const socket = connect(Number(port), hostname).setEncoding('utf8')
      await once(socket, 'connect')
      let text = ''
      socket.on('data', (part) => (text += String(part)))
      socket.write(head)
      return { socket, answer: once(socket, 'close').then(() => text) }
    }
    const body = '{"name":"slow","scopes":["keys:read"]}'
    const head = `POST /v1/api-keys HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\n`
    const slow = await open(`${head}Content-Length: ${body.length}\r\n\r\n${body.slice(0, 9)}`)
    const probe = await open('GET /readyz HTTP/1.1\r\nHost: x\r\n')
    await sleep(500)
    served.child.kill('SIGTERM')
    await sleep(500)
    await expect(served.call('GET', '/healthz')).rejects.toThrow(/ECONNREFUSED/)
    probe.socket.write('\r\n')
    expect(await probe.answer).toMatch(/^HTTP\/1\.1 503 [^]*"status":"draining"/)
    slow.socket.write(body.slice(9))
    expect(await slow.answer).toMatch(/^HTTP\/1\.1 201 [^]*sns_live_/)
    expect(await served.ended).toEqual({ code: 0, signal: null })
  },
)

test('a second signal ends it at once', LONG, async () => {
  const served = await Served.start(home.env)
  const { hostname, port } = new URL(served.url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.write('GET /healthz HTTP/1.1\r\n')
  await sleep(300)
  served.child.kill('SIGTERM')
  await sleep(300)
  expect(served.child.exitCode).toBeNull()
  served.child.kill('SIGTERM')
  expect(await served.ended).toEqual({ code: 130, signal: null })
})

test(
  'PostgreSQL killed: requests get 503 with Retry-After, and are served again within 10 s',
  LONG,
  async () => {
    const served = await Served.start(home.env)
    const { text: key } = await home.key()
    const made = await served.call('GET', '/v1/api-keys', { key })
    expect(made.status).toBe(200)
    const flipped = `${key.slice(0, -1)}${key.endsWith('a') ? 'b' : 'a'}`
    // Stopped first, so that nobody can start another one while requests are asked.
    const pid = home.postmaster()
    const backends = await home.sql<{ pid: number }>('select pid from pg_stat_activity')
    const all = [pid, ...backends.map((row) => row.pid)]
    const signal = (name: NodeJS.Signals) => {
      for (const one of all) {
        try {
          process.kill(one, name)
        } catch {
          // It left by itself.
        }
      }
    }
    signal('SIGSTOP')
    try {
      const away = await served.call('GET', '/readyz')
      expect(away).toMatchObject({ status: 503, json: { checks: { postgresql: 'unavailable' } } })
      expect((await served.call('GET', '/healthz')).status).toBe(200)
      // bad input 91: what cannot be a key is refused without a database.
      const startedAt = performance.now()
      expect((await served.call('GET', '/v1/api-keys', { key: flipped })).status).toBe(401)
      expect(performance.now() - startedAt).toBeLessThan(1_000)
    } finally {
      signal('SIGKILL')
    }
    const killedAt = performance.now()
    const statuses = new Set<number>()
    for (;;) {
      const { status, headers, json } = await served.call('GET', '/v1/api-keys', { key })
      statuses.add(status)
      if (status === 200) break
      expect([status, json.code]).toEqual([503, 'CONTROL_UNREACHABLE'])
      expect(Number(headers['retry-after'])).toBeGreaterThan(0)
      expect(performance.now() - killedAt).toBeLessThan(60_000)
      await sleep(100)
    }
    const backAt = performance.now()
    const [row] = await home.sql<{ seconds: number }>(
      'select extract(epoch from now() - pg_postmaster_start_time())::float8 as seconds',
    )
    expect((row?.seconds ?? 0) - (performance.now() - backAt) / 1_000).toBeLessThan(10)
    expect((await served.call('GET', '/readyz')).json.status).toBe('ready')
    await served.stop()
  },
)

test('a create that is sent again after kill -9 of the server makes one', LONG, async () => {
  const { text: key } = await home.key()
  const wanted = Array.from({ length: 12 }, (_, at) => ({
    name: `retried ${at}`,
    once: randomUUID(),
  }))
  const answered = new Map<string, string>()
  for (const waitMs of [5, 15, 40]) {
    const served = await Served.start(home.env)
    const sending = wanted.map(async ({ name, once: idempotencyKey }) => {
      const { status, json } = await served.call('POST', '/v1/api-keys', {
        key,
        body: { name, scopes: ['keys:read'] },
        headers: { 'idempotency-key': idempotencyKey },
      })
      if (status !== 201) return
      expect(answered.get(name) ?? json.id).toBe(json.id)
      answered.set(name, json.id)
    })
    const settled = Promise.allSettled(sending)
    await sleep(waitMs)
    served.child.kill('SIGKILL')
    await settled
    await served.ended
  }
  const served = await Served.start(home.env)
  for (const { name, once: idempotencyKey } of wanted) {
    const { status, json } = await served.call('POST', '/v1/api-keys', {
      key,
      body: { name, scopes: ['keys:read'] },
      headers: { 'idempotency-key': idempotencyKey },
    })
    expect(status).toBe(201)
    expect(answered.get(name) ?? json.id).toBe(json.id)
    expect(await home.sql('select from api_key where name = $1', [name])).toHaveLength(1)
    const effects =
      "select from audit_log where action = 'api_key.created' and detail ->> 'name' = $1"
    expect(await home.sql(effects, [name])).toHaveLength(1)
  }
  await served.stop()
})

test(
  'a key that is revoked while it is used lets no request in that begins afterwards',
  LONG,
  async () => {
    const served = await Served.start(home.env)
    const [{ text: admin }, used] = await Promise.all([home.key(), home.key()])
    let revokedAt = Infinity
    const late: number[] = []
    const statuses = new Set<number>()
    const users = Array.from({ length: 8 }, async () => {
      for (let after = 0; after < 5; ) {
        const begunAt = performance.now()
        const { status } = await served.call('GET', '/v1/organization', { key: used.text })
        statuses.add(status)
        if (begunAt > revokedAt) {
          after++
          if (status === 200) late.push(begunAt - revokedAt)
        }
      }
    })
    await sleep(300)
    expect((await served.call('DELETE', `/v1/api-keys/${used.id}`, { key: admin })).status).toBe(
      200,
    )
    revokedAt = performance.now()
    await Promise.all(users)
    expect(late).toEqual([])
    expect(statuses).toEqual(new Set([200, 401]))
    await served.stop()
  },
)

test(
  'a database that takes no writes: reads go on, a change is 503 and says why',
  LONG,
  async () => {
    const { text: key } = await home.key()
    const login = home.plane.control.user
    await home.sql(`alter role ${login} set default_transaction_read_only = on`)
    const served = await Served.start(home.env)
    try {
      expect((await served.call('GET', '/v1/api-keys', { key })).status).toBe(200)
      const refused = await served.call('POST', '/v1/api-keys', {
        key,
        body: { name: 'refused', scopes: ['keys:read'] },
      })
      expect(refused).toMatchObject({ status: 503, json: { code: 'CONTROL_READ_ONLY' } })
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    } finally {
      await home.sql(`alter role ${login} reset default_transaction_read_only`)
      await served.stop()
    }
  },
)

test('while it serves, audit rows are linked', LONG, async () => {
  const served = await Served.start(home.env)
  await home.key()
  const open = `select from audit_position p left join audit_chain c using (org_id, position)
    where c.position is null`
  while ((await home.sql(open)).length > 0) await sleep(100)
  await served.stop()
  expect(await home.sql('select from audit_chain')).not.toEqual([])
})
