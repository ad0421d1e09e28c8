import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Installation, type Served, serveTwins, STORES } from './served.ts'

const SECRET = 'canary-Xq7-password'
const fields = { engine: 'postgres', host: 'db.example.com', database: 'shop', user: 'app' }

describe.each(STORES)('connections over HTTP, on %s', (store) => {
  let home: Installation
  let served: Served
  let key: string
  let otherKey: string
  let close: () => Promise<void>

  beforeAll(async () => {
    ;({ home, served, key, otherKey, close } = await serveTwins(store))
  })

  afterAll(() => close?.())

  const create = (name: string, more: object = {}, headers = {}) =>
    served.call('POST', '/v1/connections', {
      key,
      body: { name, fields, password: SECRET, ...more },
      headers,
    })

  test('a connection is kept, shown without its password, changed by version and forgotten', async () => {
    const made = await create('shop')
    expect(made.status).toBe(201)
    expect(made.json).toMatchObject({
      name: 'shop',
      url: 'postgres://app@db.example.com:5432/shop',
      fields: { ...fields, port: 5432, tls: { mode: 'verify-full' } },
      has_password: true,
      version: 1,
    })
    const address = `/v1/connections/${made.json.id}`
    const read = await served.call('GET', address, { key })
    expect(read.headers['etag']).toBe('"1"')
    expect(
      (await served.call('GET', address, { key, headers: { 'if-none-match': '"1"' } })).status,
    ).toBe(304)
    const patch = (version: string, body: object) =>
      served.call('PATCH', address, { key, body, headers: { 'if-match': version } })
    expect(await patch('"1"', { name: 'store' })).toMatchObject({
      status: 200,
      json: { version: 2 },
    })
    expect(await patch('"1"', { name: 'late' })).toMatchObject({
      status: 412,
      json: { code: 'PRECONDITION_FAILED' },
    })
    expect((await served.call('PATCH', address, { key, body: { name: 'x' } })).status).toBe(400)
    // The password goes to the server that it was given for, and to no other one.
    const elsewhere = await patch('"2"', { fields: { ...fields, host: 'evil.example.com' } })
    expect(elsewhere).toMatchObject({ status: 400, json: { code: 'CONNECTION_INVALID' } })
    expect((await served.call('DELETE', address, { key })).status).toBe(204)
    expect((await served.call('GET', address, { key })).status).toBe(404)
  })

  test('a password stands in no answer, no log and no table', async () => {
    const once = { 'idempotency-key': randomUUID() }
    const made = await create('canary', {}, once)
    const again = await create('canary', {}, once)
    expect([made.status, again.status, again.json.id]).toEqual([201, 201, made.json.id])
    const other = await create('canary', { password: `${SECRET}2` }, once)
    expect(other).toMatchObject({ status: 409, json: { code: 'IDEMPOTENCY_KEY_REUSED' } })
    const list = await served.call('GET', '/v1/connections', { key })
    const audit = await served.call('GET', '/v1/audit-log?action=connection.created', { key })
    await sleep(100)
    for (const text of [made.text, again.text, list.text, audit.text, served.said]) {
      expect(text).not.toContain(SECRET)
    }
    for (const table of ['connection', 'connection_secret', 'idempotency', 'audit_log']) {
      const rows = await home.sql<{ text: string }>(`select t::text as text from ${table} t`)
      expect(rows.length, table).toBeGreaterThan(0)
      const hex = Buffer.from(SECRET).toString('hex')
      for (const { text } of rows)
        expect([text.includes(SECRET), text.includes(hex)]).toEqual([false, false])
    }
  })

  test('bad input 70: a connection is made of fields, and nothing in them is a setting', async () => {
    const smuggled: [object, string][] = [
      [{ ...fields, options: '-c role=postgres' }, '/fields/options'],
      [{ ...fields, service: 'admin' }, '/fields/service'],
      [{ ...fields, passfile: '/etc/passwd' }, '/fields/passfile'],
      [{ ...fields, sslrootcert: '/etc/passwd' }, '/fields/sslrootcert'],
      [{ ...fields, host: '/var/run/postgresql' }, '/fields/host'],
      [{ ...fields, host: 'a,b' }, '/fields/host'],
      [{ ...fields, host: '2130706433' }, '/fields/host'],
      [{ ...fields, database: 'host=evil dbname=x' }, '/fields/database'],
      [{ ...fields, database: 'postgres://evil/x' }, '/fields/database'],
      [{ ...fields, tls: { mode: 'verify-ca', ca: '/etc/passwd' } }, '/fields/tls/ca'],
      [{ ...fields, port: 0 }, '/fields/port'],
    ]
    for (const [wrong, pointer] of smuggled) {
      const { status, json } = await create('smuggled', { fields: wrong })
      expect([status, json.errors?.[0]?.pointer], JSON.stringify(wrong)).toEqual([400, pointer])
    }
  })

  test('bad input 83: a connection of another organization is answered like a missing one', async () => {
    const made = await create('mine')
    const calls = [
      ['GET', {}],
      ['DELETE', {}],
      ['PATCH', { body: { name: 'x' }, headers: { 'if-match': '"1"' } }],
    ] as const
    for (const [method, options] of calls) {
      const ask = async (id: string) => {
        const { status, json } = await served.call(method, `/v1/connections/${id}`, {
          key: otherKey,
          ...options,
        })
        const { request_id: _, ...problem } = json
        return JSON.stringify({ status, problem }).replaceAll(id, 'ID')
      }
      const theirs = await ask(made.json.id)
      expect(theirs).toBe(await ask(randomUUID()))
      expect(theirs).toContain('"status":404')
    }
  })
})
