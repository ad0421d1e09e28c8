import { randomBytes, randomUUID } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runFolder } from '@sensei/contracts/run-folder'
import { server } from '@sensei/contracts/servers'
import type { Principal } from '@sensei/core/principal'
import { scopesOfRole } from '@sensei/core/scopes'
import { Connections } from '@sensei/postgres/secrets/connections'
import { KeyRing } from '@sensei/postgres/secrets/key-ring'
import { rewrapAll, rotatingAlone } from '@sensei/postgres/secrets/rewrap'
import { Vault } from '@sensei/postgres/secrets/vault'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type TestControl, testControl } from '../control-database.ts'

const fields = { engine: 'postgres', host: 'db.example.com', database: 'shop', user: 'app' }
const secret = (text: string) => Buffer.from(text)

function principal(orgId: string, role: 'operator' | 'viewer' = 'operator'): Principal {
  const by = { kind: 'session', id: randomUUID(), userId: randomUUID(), role } as const
  return { orgId, actor: 'user:test', scopes: scopesOfRole(role), by }
}

describe.each([18, 15] as const)('connections on PostgreSQL %i', (version) => {
  let plane: TestControl
  let folder: string
  let file: string
  let ring: KeyRing
  let connections: Connections
  let me: Principal

  beforeAll(async () => {
    plane = await testControl(await server(version))
  })
  afterAll(() => plane.close())
  beforeEach(async () => {
    folder = mkdtempSync(join(runFolder(), 'keys-'))
    file = join(folder, 'encryption-keys')
    ring = new KeyRing({ kind: 'own', file })
    connections = new Connections(plane.door, new Vault(ring))
    const slug = randomUUID()
    const { rows } = await plane.client.query<{ id: string }>(
      'insert into organization (slug, name) values ($1, $1) returning id',
      [slug],
    )
    me = principal(rows[0]?.id ?? '')
  })
  afterEach(async () => {
    await plane.client.query('delete from connection_secret')
    rmSync(folder, { recursive: true, force: true })
  })

  const create = (name: string, password: Buffer | null, id: string = randomUUID()) =>
    connections.create(me, { id, name, fields, password })
  const passwordOf = (id: string) =>
    connections.withPassword(me.orgId, id, async (_, bytes) => bytes?.toString() ?? null)
  const audit = async () => {
    const { rows } = await plane.client.query(
      'select action, detail from audit_log where org_id = $1 order by recorded_at',
      [me.orgId],
    )
    return rows
  }

  test('a password goes in, is wiped, is lent to who connects, and is shown to nobody', async () => {
    const given = secret('p4ss-canary')
    const made = await create('shop', given)
    expect(given.every((byte) => byte === 0)).toBe(true)
    expect(made).toMatchObject({
      name: 'shop',
      url: 'postgres://app@db.example.com:5432/shop',
      hasPassword: true,
      version: 1,
    })
    expect(await passwordOf(made.id)).toBe('p4ss-canary')
    const everything = JSON.stringify([
      made,
      await connections.get(me, made.id),
      await connections.list(me),
      await audit(),
      (await plane.client.query("select * from connection where name = 'shop'")).rows,
    ])
    expect(everything).not.toContain('canary')
    let lent: Buffer | null = null
    await connections.withPassword(me.orgId, made.id, async (_, bytes) => {
      lent = bytes
    })
    expect((lent as unknown as Buffer).every((byte) => byte === 0)).toBe(true)
  })

  test('each command leaves its audit row', async () => {
    const { id } = await create('shop', secret('one'))
    await connections.update(me, id, { version: 1, change: { password: secret('two') } })
    await connections.remove(me, id)
    expect(await audit()).toMatchObject([
      { action: 'connection.created', detail: { connection_id: id, name: 'shop' } },
      { action: 'connection.updated', detail: { password: 'set' } },
      { action: 'connection.deleted' },
    ])
  })

  test('a change needs the version it is based on, and other fields need the password again', async () => {
    const { id } = await create('shop', secret('one'))
    const moved = { ...fields, host: 'evil.example.com' }
    const change = (part: object, at = 1) =>
      connections.update(me, id, { version: at, change: part })
    await expect(change({ fields: moved })).rejects.toMatchObject({
      code: 'CONNECTION_INVALID',
      details: { field: 'password' },
    })
    await expect(change({ name: 'other' }, 2)).rejects.toMatchObject({ code: 'VERSION_CONFLICT' })
    expect(await change({ name: 'other' })).toMatchObject({ version: 2, hasPassword: true })
    expect(await passwordOf(id)).toBe('one')
    expect(await change({ fields: moved, password: secret('two') }, 2)).toMatchObject({
      version: 3,
    })
    expect(await passwordOf(id)).toBe('two')
    expect(await change({ password: null }, 3)).toMatchObject({ hasPassword: false })
    expect(await passwordOf(id)).toBe(null)
  })

  test('names are unique among those that are there; a deleted connection is gone with its secret', async () => {
    const { id } = await create('shop', secret('one'))
    await expect(create('shop', null)).rejects.toMatchObject({ code: 'CONNECTION_EXISTS' })
    await connections.remove(me, id)
    await expect(connections.get(me, id)).rejects.toMatchObject({ code: 'CONNECTION_NOT_FOUND' })
    await expect(passwordOf(id)).rejects.toMatchObject({ code: 'CONNECTION_NOT_FOUND' })
    const { rowCount } = await plane.client.query(
      'select from connection_secret where connection_id = $1',
      [id],
    )
    expect(rowCount).toBe(0)
    expect(await create('shop', null)).toMatchObject({ hasPassword: false })
  })

  test('lists go by id, in pages', async () => {
    const made = []
    for (const name of ['a', 'b', 'c']) made.push((await create(name, null)).id)
    made.sort()
    const first = await connections.list(me, { limit: 2 })
    const rest = await connections.list(me, { limit: 2, after: first[1]?.id ?? '' })
    expect([...first, ...rest].map(({ id }) => id)).toEqual(made)
  })

  test('another tenant and a role without the scope get nothing', async () => {
    const { id } = await create('shop', secret('one'))
    await expect(connections.get(principal(plane.orgId), id)).rejects.toMatchObject({
      code: 'CONNECTION_NOT_FOUND',
    })
    await expect(
      connections.withPassword(plane.orgId, id, async () => undefined),
    ).rejects.toMatchObject({ code: 'CONNECTION_NOT_FOUND' })
    const viewer = principal(me.orgId, 'viewer')
    await expect(connections.remove(viewer, id)).rejects.toMatchObject({ code: 'FORBIDDEN' })
    expect(await connections.get(viewer, id)).toMatchObject({ name: 'shop' })
  })

  test('a ciphertext works only in its own row and version', async () => {
    const [one, two] = [await create('one', secret('1')), await create('two', secret('2'))]
    await plane.client.query(
      `update connection_secret s set ciphertext = o.ciphertext, wrapped_key = o.wrapped_key, key_id = o.key_id
       from connection_secret o where s.org_id = $1 and o.org_id = $1 and o.connection_id <> s.connection_id`,
      [me.orgId],
    )
    for (const { id } of [one, two])
      await expect(passwordOf(id)).rejects.toMatchObject({ code: 'SECRET_UNREADABLE' })
    const three = await create('three', secret('3'))
    await plane.client.query('update connection_secret set version = 2 where connection_id = $1', [
      three.id,
    ])
    await expect(passwordOf(three.id)).rejects.toMatchObject({ code: 'SECRET_UNREADABLE' })
  })

  test('a rotation brings every secret under the new key and throws the old one away', async () => {
    const made = [await create('one', secret('1')), await create('two', secret('2'))]
    const old = await ring.current()
    const keyId = await ring.add()
    const keeper = { ...plane.admin, role: 'sensei_keeper' }
    const rotation = await rewrapAll(keeper, ring)
    expect(rotation).toMatchObject({ keyId, rewrapped: 2, kept: [] })
    expect(rotation.retired).toContain(old)
    await ring.keepOnly(rotation.kept)
    expect(await ring.ids()).toEqual([keyId])
    expect(await Promise.all(made.map(({ id }) => passwordOf(id)))).toEqual(['1', '2'])
    expect(await rewrapAll(keeper, ring)).toMatchObject({ rewrapped: 0, retired: [] })
  })

  test('a process that missed the rotation cannot write under a retired key, and hears of the new one', async () => {
    const stale = new KeyRing({ kind: 'text', name: 'test', text: `stale:${key()}` })
    const behind = new Connections(plane.door, new Vault(stale))
    await behind.create(me, { id: randomUUID(), name: 'a', fields, password: secret('1') })
    await plane.client.query('delete from connection_secret')
    await rewrapAll({ ...plane.admin, role: 'sensei_keeper' }, ring)
    await expect(
      behind.create(me, { id: randomUUID(), name: 'b', fields, password: secret('2') }),
    ).rejects.toMatchObject({ code: 'ENCRYPTION_KEY_INVALID' })
    expect(await audit()).toHaveLength(1)
  })

  test('the keeper of keys sees no ciphertext', async () => {
    await plane.client.query('begin; set local role sensei_keeper')
    await expect(
      plane.client.query('select ciphertext from connection_secret'),
    ).rejects.toMatchObject({ code: '42501' })
    await plane.client.query('rollback')
  })

  test('one rotation at a time', async () => {
    const settings = { ...plane.admin }
    await rotatingAlone(settings, async () => {
      await expect(rotatingAlone(settings, async () => 1)).rejects.toMatchObject({
        code: 'VERSION_CONFLICT',
      })
    })
    expect(await rotatingAlone(settings, async () => 1)).toBe(1)
  })

  test('the key file is made once, is nobody else’s, and is refused when it could be', async () => {
    const rings = [1, 2, 3].map(() => new KeyRing({ kind: 'own', file }))
    const ids = await Promise.all(rings.map((one) => one.current()))
    expect(new Set(ids).size).toBe(1)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    chmodSync(file, 0o640)
    await expect(new KeyRing({ kind: 'own', file }).current()).rejects.toMatchObject({
      code: 'ENCRYPTION_KEY_INVALID',
    })
    expect(readFileSync(file, 'utf8')).toMatch(/^key-[0-9a-f-]{13}:[A-Za-z0-9+/]{43}=\n$/)
  })
})

const key = () => randomBytes(32).toString('base64')

describe('given keys', () => {
  test.each([
    ['nothing', ''],
    ['no id', key()],
    ['a short key', `a:${randomBytes(16).toString('base64')}`],
    ['a key that is no base64', `a:${'*'.repeat(44)}`],
    ['one id twice', `a:${key()},a:${key()}`],
    ['an id with a slash', `a/b:${key()}`],
  ])('%s is refused without repeating it', async (_, text) => {
    const ring = new KeyRing({ kind: 'text', name: 'SENSEI_ENCRYPTION_KEY', text })
    const refused = await ring.current().catch((error: unknown) => error as Error)
    expect(refused).toMatchObject({ code: 'ENCRYPTION_KEY_INVALID' })
    for (const part of text.split(/[:,]/).filter((one) => one.length > 20))
      expect((refused as Error).message).not.toContain(part)
  })

  test('the first one is current, the others still open what they wrapped; they are not changed by us', async () => {
    const [one, two] = [key(), key()]
    const before = new KeyRing({ kind: 'text', name: 'x', text: `a:${one}` })
    const after = new KeyRing({ kind: 'text', name: 'x', text: `b:${two}\na:${one}\n` })
    const place = { orgId: 'o', connectionId: 'c', version: 1 }
    const sealed = await new Vault(before).seal(secret('x'), place)
    expect(await after.current()).toBe('b')
    expect((await new Vault(after).open(sealed, place)).toString()).toBe('x')
    await expect(after.add()).rejects.toMatchObject({ code: 'ENCRYPTION_KEY_INVALID' })
    const without = new Vault(new KeyRing({ kind: 'text', name: 'x', text: `b:${two}` }))
    await expect(without.open(sealed, place)).rejects.toMatchObject({
      code: 'ENCRYPTION_KEY_UNKNOWN',
    })
  })

  test('a file that is given may be readable by its group, and is read again when it changes', async () => {
    const folder = mkdtempSync(join(runFolder(), 'keys-'))
    const file = join(folder, 'mounted')
    writeFileSync(file, `a:${key()}\n`, { mode: 0o640 })
    const ring = new KeyRing({ kind: 'file', file })
    expect(await ring.current()).toBe('a')
    writeFileSync(file, `bb:${key()}\na:${key()}\n`)
    expect(await ring.current()).toBe('bb')
    rmSync(folder, { recursive: true })
  })
})
