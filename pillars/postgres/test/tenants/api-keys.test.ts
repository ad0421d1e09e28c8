import { randomBytes, randomUUID } from 'node:crypto'
import { makeApiKey } from '@sensei/core/api-key'
import { SCOPES } from '@sensei/core/scopes'
import { server } from '@sensei/contracts/servers'
import { ApiKeys, type NewApiKey } from '@sensei/postgres/tenants/api-keys'
import type { TenantDoor } from '@sensei/postgres/door/door'
import { Organizations } from '@sensei/postgres/tenants/organizations'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestControl, testControl } from '../control-database.ts'
import { foundedBy, organizationBeside, type Owner } from '../people.ts'

const REFUSED = { code: 'UNAUTHENTICATED' }

describe.each([18, 15] as const)('API keys on PostgreSQL %i', (version) => {
  let plane: TestControl
  let keys: ApiKeys
  let owner: Owner

  beforeAll(async () => {
    plane = await testControl(await server(version))
    keys = new ApiKeys(plane.door, 'live')
    owner = await foundedBy(plane.door, plane.orgId, 'owner')
  })
  afterAll(() => plane.close())

  const wanted = (change: Partial<NewApiKey> = {}): NewApiKey => ({
    id: randomUUID(),
    name: 'a key',
    scopes: ['migrations:read', 'keys:write'],
    allowedIps: [],
    expiresAt: null,
    ...change,
  })

  test('who sends a key acts for its organization with its scopes; only the hash is kept', async () => {
    const { key, text } = await keys.create(owner.principal, wanted())
    expect(await keys.authenticate(text, '192.0.2.1')).toEqual({
      orgId: plane.orgId,
      actor: `key:${key.id}`,
      scopes: ['migrations:read', 'keys:write'],
      by: { kind: 'key', id: key.id },
    })
    const { rows } = await plane.client.query('select k::text as row from api_key k')
    for (const { row } of rows) expect(row).not.toContain(text.slice(9, 52))
    const audit = await plane.client.query('select a::text as row from audit_log a')
    for (const { row } of audit.rows) expect(row).not.toContain(text.slice(9, 52))
  })

  test('bad input 91: a wrong checksum and a test key on a live installation cost no question to the database', async () => {
    const closed: TenantDoor = {
      read: () => Promise.reject(new Error('asked')),
      write: () => Promise.reject(new Error('asked')),
    }
    const asked = new ApiKeys(closed, 'live')
    const live = makeApiKey('live', randomBytes(32))
    const wrong = [
      makeApiKey('test', randomBytes(32)),
      `${live.slice(0, -1)}!`,
      live.replace(/.$/, (c) => (c === '0' ? '1' : '0')),
      '',
      'x'.repeat(1e5),
    ]
    for (const text of wrong)
      await expect(asked.authenticate(text, '::1')).rejects.toMatchObject(REFUSED)
    await expect(asked.authenticate(live, '::1')).rejects.toThrow('asked')
  })

  test('bad input 91: unknown, revoked and expired keys let nobody in, in the same words', async () => {
    const revoked = await keys.create(owner.principal, wanted())
    await keys.revoke(owner.principal, revoked.key.id)
    const expired = await keys.create(
      owner.principal,
      wanted({ expiresAt: new Date(Date.now() + 300) }),
    )
    await keys.authenticate(expired.text, '::1')
    await new Promise((resolve) => setTimeout(resolve, 400))
    const unknown = makeApiKey('live', randomBytes(32))
    const words = await Promise.all(
      [revoked.text, expired.text, unknown].map((text) =>
        keys.authenticate(text, '::1').catch(String),
      ),
    )
    expect(new Set(words)).toEqual(new Set(['SenseiError: this API key does not let anybody in']))
  })

  test('bad input 85: a key that is bound to addresses works from there alone', async () => {
    const { text } = await keys.create(
      owner.principal,
      wanted({ allowedIps: ['10.0.0.0/8', '2001:db8::/32'] }),
    )
    for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '2001:db8::7'])
      await keys.authenticate(text, address)
    for (const address of ['11.0.0.1', '::ffff:11.0.0.1', '2001:db9::7', 'unknown'])
      await expect(keys.authenticate(text, address)).rejects.toMatchObject(REFUSED)
  })

  test('bad input 100: a child has no scope, no address and no day more than its parent', async () => {
    const expiresAt = new Date(Date.now() + 60_000)
    const { text } = await keys.create(
      owner.principal,
      wanted({ allowedIps: ['10.0.0.0/8'], expiresAt }),
    )
    const parent = await keys.authenticate(text, '10.0.0.1')
    const fit = { allowedIps: ['10.1.0.0/16'], expiresAt }
    const forbidden = { code: 'FORBIDDEN' }
    const more: Partial<NewApiKey>[] = [
      { ...fit, scopes: ['migrations:write'] },
      { ...fit, scopes: [...SCOPES] },
      { ...fit, allowedIps: [] },
      { ...fit, allowedIps: ['10.1.0.0/16', '11.0.0.0/8'] },
      { ...fit, allowedIps: ['0.0.0.0/0'] },
      { ...fit, expiresAt: null },
      { ...fit, expiresAt: new Date(expiresAt.getTime() + 1) },
    ]
    for (const change of more)
      await expect(keys.create(parent, wanted(change))).rejects.toMatchObject(forbidden)
    const { key } = await keys.create(parent, wanted(fit))
    expect(key.parentId).toBe(parent.by.id)
    const weak = { ...parent, scopes: ['migrations:read'] as const }
    await expect(keys.create(weak, wanted(fit))).rejects.toMatchObject(forbidden)
  })

  test('a key ends with the one that made it, grandchildren too', async () => {
    const texts: string[] = []
    let by = owner.principal as Parameters<ApiKeys['create']>[0]
    for (let generation = 0; generation < 3; generation++) {
      const { text } = await keys.create(by, wanted())
      texts.push(text)
      by = await keys.authenticate(text, '::1')
    }
    const { text: beside } = await keys.create(owner.principal, wanted())
    const [first] = texts
    const { by: root } = await keys.authenticate(first ?? '', '::1')
    await keys.revoke(owner.principal, root.id)
    for (const text of texts)
      await expect(keys.authenticate(text, '::1')).rejects.toMatchObject(REFUSED)
    await keys.authenticate(beside, '::1')
    await expect(keys.create(by, wanted())).rejects.toMatchObject(REFUSED)
  })

  test('bad input 96: the organization’s limit holds, for many at the same moment too', async () => {
    const org = await organizationBeside(plane.client, 'limited')
    const founder = await foundedBy(plane.door, org, 'founder')
    await new Organizations(plane.door).change(founder.principal, { settings: { api_keys_max: 3 } })
    const asked = Array.from({ length: 12 }, () => keys.create(founder.principal, wanted()))
    const made = await Promise.allSettled(asked)
    expect(made.filter((one) => one.status === 'fulfilled')).toHaveLength(3)
    for (const one of made)
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'LIMIT_REACHED' })
    const [first] = await keys.list(org)
    await keys.revoke(founder.principal, first?.id ?? '')
    await keys.create(founder.principal, wanted())
  })

  test('bad input 83: another organization’s key is not found, listed or revoked', async () => {
    const org = await organizationBeside(plane.client, 'foreign')
    const foreigner = await foundedBy(plane.door, org, 'foreigner')
    const { key, text } = await keys.create(foreigner.principal, wanted())
    await expect(keys.get(plane.orgId, key.id)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(keys.revoke(owner.principal, key.id)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: `there is no API key ${key.id}`,
    })
    expect((await keys.list(plane.orgId, { limit: 200 })).map((one) => one.id)).not.toContain(
      key.id,
    )
    await keys.authenticate(text, '::1')
  })

  test('the last use is written to the minute, and once a minute', async () => {
    const { key, text } = await keys.create(owner.principal, wanted())
    const used = async () => (await keys.get(plane.orgId, key.id)).lastUsedAt
    expect(await used()).toBe(null)
    await keys.authenticate(text, '::1')
    await keys.settled()
    const first = await used()
    expect(first).not.toBe(null)
    await keys.authenticate(text, '::1')
    await keys.settled()
    expect(await used()).toBe(first)
    await plane.client.query("update api_key set last_used_at = now() - interval '2 minutes'")
    await keys.authenticate(text, '::1')
    await keys.settled()
    expect(Date.parse((await used()) ?? '')).toBeGreaterThan(Date.now() - 60_000)
  })

  test('pages follow each other without a gap or a double', async () => {
    const all = (await keys.list(plane.orgId, { limit: 200 })).map((key) => key.id)
    const paged: string[] = []
    for (;;) {
      const after = paged.at(-1)
      const page = await keys.list(
        plane.orgId,
        after === undefined ? { limit: 3 } : { limit: 3, after },
      )
      if (page.length === 0) break
      paged.push(...page.map((key) => key.id))
    }
    expect(paged).toEqual(all)
  })
})
