import { createHash, createHmac, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { knownError, problemOf } from '../problems.ts'
import { type Answer, type Installation, Served, serveTwins, STORES } from './served.ts'

describe.each(STORES)('bad input over HTTP, on %s', (store) => {
  let home: Installation
  let served: Served
  let key: string
  let otherKey: string
  let close: () => Promise<void>

  beforeAll(async () => {
    ;({ home, served, key, otherKey, close } = await serveTwins(store))
  })

  afterAll(() => close?.())

  /** What a client could tell two refusals apart by. */
  function told({ status, headers, json }: Answer, id: string): unknown {
    const { date: _date, 'x-request-id': _id, ...rest } = headers
    const { request_id: _, ...problem } = json
    return { status, rest, problem: JSON.parse(JSON.stringify(problem).replaceAll(id, 'ID')) }
  }

  async function member(orgId: string, email: string): Promise<string> {
    const by = home.as(orgId)
    const password = 'correct horse battery'
    const wanted = { userId: randomUUID(), email, name: 'M', role: 'viewer', password } as const
    return (await home.platform.acting.users.add(by, wanted)).userId
  }

  async function migration(orgId: string): Promise<string> {
    const id = randomUUID()
    await home.platform.journal(orgId).create({
      id,
      source: { engine: 'sqlite', url: 'sqlite:/shop.db' },
      target: { engine: 'postgres', url: 'postgres://app@db/shop' },
      options: {},
      actor: 'operator:test',
    })
    return id
  }

  test('bad input 83: an id of another organization is answered like one that does not exist', async () => {
    const foreign = {
      'api-keys': (await home.key({ orgId: home.otherOrgId })).id,
      members: await member(home.otherOrgId, 'foreign@example.com'),
      migrations: await migration(home.otherOrgId),
    }
    const calls = [
      ['GET', 'api-keys', ''],
      ['DELETE', 'api-keys', ''],
      ['GET', 'members', ''],
      ['PATCH', 'members', ''],
      ['DELETE', 'members', ''],
      ['GET', 'migrations', ''],
      ['GET', 'migrations', '/events'],
    ] as const
    for (const [method, resource, rest] of calls) {
      const ask = async (id: string) => {
        const options = method === 'PATCH' ? { key, body: { role: 'viewer' } } : { key }
        return told(await served.call(method, `/v1/${resource}/${id}${rest}`, options), id)
      }
      const [theirs, missing] = [await ask(foreign[resource]), await ask(randomUUID())]
      expect(theirs, `${method} ${resource}${rest}`).toEqual(missing)
      expect(theirs).toMatchObject({ status: 404 })
    }
    // The other organization itself finds each of them.
    for (const [resource, id] of Object.entries(foreign)) {
      expect(await served.call('GET', `/v1/${resource}/${id}`, { key: otherKey })).toMatchObject({
        status: 200,
      })
    }
  })

  test('bad input 83: lists hold nothing of another organization', async () => {
    await member(home.otherOrgId, 'canary@example.com')
    await migration(home.otherOrgId)
    const found = await Promise.all(
      ['members', 'api-keys', 'migrations', 'organization'].map((list) =>
        served.call('GET', `/v1/${list}`, { key }),
      ),
    )
    for (const { status, text } of found) {
      expect(status).toBe(200)
      expect(text).not.toContain('canary')
      expect(text).not.toContain(home.otherOrgId)
    }
  })

  test.each([
    [
      'POST',
      '/v1/members',
      { email: 'a@example.com', name: 'A', role: 'viewer', org_id: 'x' },
      '/org_id',
    ],
    ['POST', '/v1/api-keys', { name: 'k', scopes: ['keys:read'], status: 'live' }, '/status'],
    ['PATCH', '/v1/organization', { name: 'N', id: 'x' }, '/id'],
    ['PATCH', '/v1/organization', { settings: { org_id: 1 } }, '/settings/org_id'],
  ])(
    'bad input 84: %s %s refuses a field that is not its own',
    async (method, address, body, pointer) => {
      const { status, json } = await served.call(method, address, { key, body })
      expect(status).toBe(400)
      expect(json).toMatchObject({ code: 'REQUEST_INVALID', errors: [{ in: 'body', pointer }] })
    },
  )

  test('bad input 85: an address that a client made up lets no key in', {
    timeout: 90_000,
  }, async () => {
    const bound = (await home.key({ allowedIps: ['203.0.113.7'] })).text
    const from = (address: string) => ({ key: bound, headers: { 'x-forwarded-for': address } })
    expect((await served.call('GET', '/v1/api-keys', from('203.0.113.7'))).status).toBe(401)
    const behind = await Served.start(home.env, ['--trusted-proxy', '127.0.0.1'])
    try {
      const status = async (address: string) =>
        (await behind.call('GET', '/v1/api-keys', from(address))).status
      expect(await status('203.0.113.7')).toBe(200)
      // What stands before the last hop is the client's own word.
      expect(await status('203.0.113.7, 198.51.100.9')).toBe(401)
      expect(await status('198.51.100.9, 203.0.113.7')).toBe(200)
      expect(await status('not an address')).toBe(401)
    } finally {
      await behind.stop()
    }
  })

  const makeKey = (name: string, once: string, by = key) =>
    served.call('POST', '/v1/api-keys', {
      key: by,
      body: { name, scopes: ['keys:read'] },
      headers: { 'idempotency-key': once },
    })

  test('bad input 86: the same idempotency key with another body is a conflict', async () => {
    const once = randomUUID()
    const first = await makeKey('one', once)
    expect(first.status).toBe(201)
    expect(await makeKey('two', once)).toMatchObject({
      status: 409,
      json: { code: 'IDEMPOTENCY_KEY_REUSED' },
    })
    const again = await makeKey('one', once)
    expect(again.headers['idempotent-replayed']).toBe('true')
    expect(again.json).toEqual({ ...first.json, key: null })
  })

  test('bad input 86: of the same request sent ten times at once, one runs', async () => {
    const [name, once] = [`at once ${randomUUID()}`, randomUUID()]
    const answers = await Promise.all(Array.from({ length: 10 }, () => makeKey(name, once)))
    for (const { status, json } of answers) {
      expect([201, 409]).toContain(status)
      if (status === 409) expect(json.code).toBe('IDEMPOTENCY_IN_FLIGHT')
    }
    expect(await home.sql('select from api_key where name = $1', [name])).toHaveLength(1)
  })

  test('bad input 87: two organizations that take the same idempotency key do not meet', async () => {
    const once = randomUUID()
    const [mine, theirs] = [await makeKey('a', once), await makeKey('b', once, otherKey)]
    expect([mine.status, theirs.status]).toEqual([201, 201])
    expect(mine.json.id).not.toBe(theirs.json.id)
  })

  type Step = Parameters<ReturnType<Installation['platform']['journal']>['transition']>[0]

  /** What the API would answer to a command whose transition is this one; null where it goes through. */
  async function refusalOf(migrationId: string, event: Step['event'], expectedVersion: number) {
    const payload = { planVersion: 1, planHash: 'h', acceptedLosses: [] } as never
    const step = { migrationId, event, expectedVersion, payload, actor: 'operator:test' }
    return home.platform
      .journal(home.plane.orgId)
      .transition(step)
      .then(
        () => null,
        (error: unknown) => {
          const { status, code } = problemOf(knownError(error), 'r', '/')
          return `${status} ${code}`
        },
      )
  }

  async function at(steps: readonly Step['event'][]): Promise<string> {
    const id = await migration(home.plane.orgId)
    for (const [index, event] of steps.entries())
      expect(await refusalOf(id, event, index + 1)).toBeNull()
    return id
  }

  const TO_RUNNING = ['planning_started', 'planned', 'approved', 'started'] as const

  test('bad input 88: of ten starts at once one begins, and the others are conflicts', async () => {
    const id = await at(TO_RUNNING.slice(0, 3))
    const starts = await Promise.all(Array.from({ length: 10 }, () => refusalOf(id, 'started', 4)))
    expect(starts.filter((refusal) => refusal === null)).toHaveLength(1)
    expect(starts.filter((refusal) => refusal === '409 VERSION_CONFLICT')).toHaveLength(9)
    expect((await served.call('GET', `/v1/migrations/${id}`, { key })).json).toMatchObject({
      status: 'running',
      version: 5,
    })
  })

  test('bad input 88: of cancelling and completing at once one happens, and what is done resumes no more', async () => {
    const id = await at([...TO_RUNNING, 'validation_started'])
    const both = await Promise.all([
      refusalOf(id, 'cancel_requested', 6),
      refusalOf(id, 'completed', 6),
    ])
    expect(both.filter((refusal) => refusal === null)).toHaveLength(1)
    expect(both.filter((refusal) => refusal === '409 VERSION_CONFLICT')).toHaveLength(1)
    const done = await at([...TO_RUNNING, 'validation_started', 'completed'])
    expect(await refusalOf(done, 'resumed', 7)).toBe('409 TRANSITION_REFUSED')
    expect(await refusalOf(done, 'cancel_requested', 7)).toBe('409 TRANSITION_REFUSED')
    const { json } = await served.call('GET', `/v1/migrations/${done}/events`, { key })
    expect(json.data).toHaveLength(7)
  })

  test('bad input 89: a cursor that the list did not give, and a limit that is none, are refused', async () => {
    await Promise.all([home.key(), home.key()])
    const first = await served.call('GET', '/v1/api-keys?limit=1', { key })
    const cursor: string = first.json.next_cursor
    const at = (text: string, by = key) =>
      served.call('GET', `/v1/api-keys?limit=1&cursor=${encodeURIComponent(text)}`, { key: by })
    expect((await at(cursor)).json.data[0].id).not.toBe(first.json.data[0].id)
    for (let place = 0; place < cursor.length; place += 7) {
      const other = cursor[place] === 'A' ? 'B' : 'A'
      const bad = cursor.slice(0, place) + other + cursor.slice(place + 1)
      expect((await at(bad)).status, bad).toBe(400)
    }
    expect((await at(`${cursor}=`)).status).toBe(400)
    expect((await at(cursor, otherKey)).status).toBe(400)
    const elsewhere = await served.call('GET', `/v1/members?cursor=${cursor}`, { key })
    expect(elsewhere.status).toBe(400)
    for (const limit of ['-1', '0', '1e9', '1000000000', '1.5', 'NaN', '', '1&limit=2']) {
      const { status } = await served.call('GET', `/v1/api-keys?limit=${limit}`, { key })
      expect(status, limit).toBe(400)
    }
  })

  test('bad input 90: what is too large, too deep, ambiguous or no JSON is not read', async () => {
    const post = (raw: string, headers = {}) =>
      served.call('POST', '/v1/api-keys', { key, raw, headers })
    const nested = await post('['.repeat(100_000) + ']'.repeat(100_000))
    expect(nested).toMatchObject({ status: 400, json: { code: 'JSON_INVALID' } })
    const twice = await post('{"name":"a","n\\u0061me":"b","scopes":["keys:read"]}')
    expect(twice).toMatchObject({ status: 400, json: { code: 'JSON_INVALID' } })
    expect((await post('{"name":"a"')).json.code).toBe('JSON_INVALID')
    expect((await post('{"__proto__":{"x":1},"name":"a","scopes":["keys:read"]}')).status).toBe(400)
    const form = await post('name=a', { 'content-type': 'application/x-www-form-urlencoded' })
    expect(form).toMatchObject({ status: 415, json: { code: 'MEDIA_TYPE_UNSUPPORTED' } })
    const head = `POST /v1/api-keys HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\n`
    const large = await served.send(`${head}Content-Length: 100000000\r\n\r\n{`)
    expect(large).toMatch(/^HTTP\/1\.1 413 /)
    expect(large).toContain('BODY_TOO_LARGE')
    const both = await served.send(
      `${head}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    )
    expect(both).toMatch(/^HTTP\/1\.1 400 /)
    expect(both).toContain('application/problem+json')
    expect((await served.call('GET', '/healthz')).status).toBe(200)
  })

  test('bad input 91: a wrong checksum, an ended key and one of the other mode are all the same 401', async () => {
    const ended = await home.key({ expiresAt: new Date(Date.now() + 300) })
    const revoked = await home.key()
    await home.platform.acting.apiKeys.revoke(home.as(home.plane.orgId), revoked.id)
    await sleep(350)
    const flipped = `${key.slice(0, -1)}${key.endsWith('a') ? 'b' : 'a'}`
    const refused = [
      flipped,
      ended.text,
      revoked.text,
      key.replace('live', 'test'),
      key.slice(0, -7),
      'x',
    ]
    for (const text of refused) {
      const { status, json, headers } = await served.call('GET', '/v1/api-keys', { key: text })
      expect([status, json.code], text.slice(0, 9)).toEqual([401, 'UNAUTHENTICATED'])
      expect(headers['www-authenticate']).toContain('Bearer')
    }
    expect((await served.call('GET', '/v1/api-keys')).status).toBe(401)
    expect((await served.call('GET', '/v1/api-keys', { key })).status).toBe(200)
  })

  test('bad input 92: a JSON Web Token lets nobody in, whatever its header asks for, and nothing is fetched for it', async () => {
    const asked: string[] = []
    const elsewhere = createServer((request, response) => {
      asked.push(String(request.url))
      response.end('{"keys":[]}')
    }).listen(0, '127.0.0.1')
    await once(elsewhere, 'listening')
    const { port } = elsewhere.address() as AddressInfo
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const claims = part({
      sub: 'operator:test',
      org_id: home.plane.orgId,
      aud: 'other',
      exp: 4e9,
    })
    const tokens = [
      { alg: 'none' },
      { alg: 'HS256' },
      { alg: 'HS256', kid: '../../../dev/null' },
      { alg: 'RS256', jku: `http://127.0.0.1:${port}/keys` },
      { alg: 'RS256', x5u: `http://127.0.0.1:${port}/certificate` },
    ]
    for (const header of tokens) {
      const mac = createHmac('sha256', '')
        .update(`${part(header)}.${claims}`)
        .digest('base64url')
      for (const signature of ['', mac]) {
        const token = `${part(header)}.${claims}.${signature}`
        const cookie = `__Host-sensei_session=${token}`
        const carried: Record<string, string>[] = [{ authorization: `Bearer ${token}` }, { cookie }]
        for (const headers of carried) {
          const { status, json } = await served.call('GET', '/v1/members', { headers })
          expect([status, json.code]).toEqual([401, 'UNAUTHENTICATED'])
        }
      }
    }
    expect(asked).toEqual([])
    elsewhere.close()
  })

  async function logIn(email: string, password: string, headers = {}): Promise<Answer> {
    return served.call('POST', '/v1/sessions', { body: { email, password }, headers })
  }

  function cookieOf({ headers }: Answer): string {
    return String(headers['set-cookie']?.[0]).split(';')[0] ?? ''
  }

  test('bad input 94: a cookie alone changes nothing, and its attributes keep other sites away', async () => {
    await member(home.plane.orgId, 'csrf@example.com')
    const session = await logIn('csrf@example.com', 'correct horse battery')
    expect(session.status).toBe(201)
    expect(session.headers['set-cookie']?.[0]).toMatch(
      /^__Host-sensei_session=[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Strict; Max-Age=\d+$/,
    )
    const cookie = cookieOf(session)
    const with_ = (headers: Record<string, string>) => ({ headers: { cookie, ...headers } })
    expect((await served.call('GET', '/v1/sessions', with_({}))).json.data).toHaveLength(1)
    expect((await served.call('DELETE', '/v1/sessions/current', with_({}))).status).toBe(403)
    const forged = { 'x-csrf-token': createHash('sha256').update('csrf:').digest('base64url') }
    expect((await served.call('DELETE', '/v1/sessions/current', with_(forged))).status).toBe(403)
    const own = { 'x-csrf-token': session.json.csrf_token }
    expect((await served.call('DELETE', '/v1/sessions/current', with_(own))).status).toBe(204)
    expect((await served.call('GET', '/v1/sessions', with_({}))).status).toBe(401)
  })

  test('bad input 94: a session that somebody planted is not the one that a login begins', async () => {
    await member(home.plane.orgId, 'fixed@example.com')
    const planted = `__Host-sensei_session=${'A'.repeat(43)}`
    const session = await logIn('fixed@example.com', 'correct horse battery', { cookie: planted })
    expect(session.status).toBe(201)
    expect(cookieOf(session)).not.toBe(planted)
    expect(
      (await served.call('GET', '/v1/sessions', { headers: { cookie: planted } })).status,
    ).toBe(401)
    const two = `${planted}; ${cookieOf(session)}`
    expect((await served.call('GET', '/v1/sessions', { headers: { cookie: two } })).status).toBe(
      401,
    )
  })

  test('bad input 94: guessing of a password is counted and stopped', async () => {
    await member(home.plane.orgId, 'guessed@example.com')
    const guesses = await Promise.all(
      Array.from({ length: 20 }, (_, guess) =>
        logIn('guessed@example.com', `wrong number ${guess}`),
      ),
    )
    const statuses = guesses.map(({ status }) => status)
    expect(statuses.filter((status) => status === 401)).toHaveLength(10)
    expect(statuses.filter((status) => status === 429)).toHaveLength(10)
    const right = await logIn('guessed@example.com', 'correct horse battery')
    expect(right).toMatchObject({ status: 429, json: { code: 'RATE_LIMITED' } })
    expect(right.headers['retry-after']).toBe('900')
    const unknown = await logIn('nobody@example.com', 'correct horse battery')
    expect(unknown.json.detail).toBe(guesses.find(({ status }) => status === 401)?.json.detail)
    const metrics = await (await fetch(served.metricsUrl)).text()
    expect(metrics).toMatch(/^sensei_login_failures_total 11$/m)
  })

  test('bad input 95: a key in an address is refused, and stands in no log and no answer', async () => {
    const encoded = [...key].map((c) => `%${c.charCodeAt(0).toString(16)}`).join('')
    for (const text of [key, encoded]) {
      for (const address of [`/v1/api-keys?api_key=${text}`, `/v1/api-keys/${text}`, `/${text}`]) {
        const answer = await served.call('GET', address, { key })
        expect(answer.status, address).toBe(400)
        expect(answer.text).not.toContain(text)
      }
    }
    await sleep(100)
    expect(served.said).toContain('/[redacted]')
    expect(served.said).not.toContain(key.slice(9, 40))
    expect(served.said).not.toContain(encoded)
  })

  test('bad input 96: an organization gets no more keys than its settings allow, however many ask at once', async () => {
    const orgId = randomUUID()
    await home.sql(
      `insert into organization (id, slug, name, settings) values ($1, 'few', 'Few', '{"api_keys_max": 4}')`,
      [orgId],
    )
    const few = (await home.key({ orgId })).text
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, at) => makeKey(`key ${at}`, randomUUID(), few)),
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(3)
    const refused = answers.filter(({ status }) => status === 409)
    expect(refused.map(({ json }) => json.code)).toEqual(Array(5).fill('LIMIT_REACHED'))
  })

  test('bad input 97: what a client sends cannot write a line of the log or move a terminal', async () => {
    const hostile = encodeURIComponent('x\r\n{"level":30,"msg":"forged"}\u001b[2J\u202e\u009b')
    await served.call('GET', `/v1/migrations/${hostile}`, { key })
    const id = await served.call('GET', '/healthz', { headers: { 'x-request-id': 'a b' } })
    expect(id.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
    const kept = await served.call('GET', '/healthz', {
      headers: { 'x-request-id': 'trace-1.2_3' },
    })
    expect(kept.headers['x-request-id']).toBe('trace-1.2_3')
    await sleep(100)
    // oxlint-disable-next-line no-control-regex
    expect(served.said).not.toMatch(/[\u001b\u0080-\u009f\u2028\u202e]/)
    const lines = served.said.split('\n').filter((line) => line.startsWith('{'))
    for (const line of lines) expect(() => JSON.parse(line), line).not.toThrow()
    expect(lines.some((line) => JSON.parse(line).msg === 'forged')).toBe(false)
  })

  test('bad input 98: what is no field of a list cannot sort or filter it', async () => {
    for (const query of ['sort=id;drop table api_key', 'order=1', "status=x' or '1'='1"]) {
      const { status } = await served.call('GET', `/v1/migrations?${encodeURI(query)}`, { key })
      expect(status, query).toBe(400)
    }
  })

  test('bad input 100: a key makes none that may do more than itself', async () => {
    const maker = (
      await home.key({ scopes: ['keys:write', 'keys:read'], allowedIps: ['127.0.0.0/8'] })
    ).text
    const make = (body: object) => served.call('POST', '/v1/api-keys', { key: maker, body })
    const more = await make({ name: 'more', scopes: ['keys:read', 'members:write'] })
    expect(more).toMatchObject({ status: 403, json: { code: 'FORBIDDEN' } })
    const wider = await make({ name: 'wider', scopes: ['keys:read'], allowed_ips: [] })
    expect(wider.status).toBe(403)
    const child = await make({ name: 'child', scopes: ['keys:read'], allowed_ips: ['127.0.0.1'] })
    expect(child.status).toBe(201)
    expect((await served.call('GET', '/v1/api-keys', { key: child.json.key })).status).toBe(200)
    const beyond = await served.call('GET', '/v1/members', { key: child.json.key })
    expect(beyond).toMatchObject({
      status: 403,
      json: { detail: 'this needs the scope members:read' },
    })
  })
})
