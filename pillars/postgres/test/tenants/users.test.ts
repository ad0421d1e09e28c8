import { randomUUID } from 'node:crypto'
import { server } from '@sensei/contracts/servers'
import { ApiKeys } from '@sensei/postgres/tenants/api-keys'
import { Organizations } from '@sensei/postgres/tenants/organizations'
import { Sessions } from '@sensei/postgres/tenants/sessions'
import { Users } from '@sensei/postgres/tenants/users'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestControl, testControl } from '../control-database.ts'
import { aKey, foundedBy, organizationBeside, type Owner, PASSWORD, passwords } from '../people.ts'

describe.each([18, 15] as const)('people on PostgreSQL %i', (version) => {
  let plane: TestControl
  let users: Users
  let sessions: Sessions
  let owner: Owner
  let other: string
  let stranger: Owner

  beforeAll(async () => {
    plane = await testControl(await server(version))
    users = new Users(plane.door, passwords)
    sessions = new Sessions(plane.door)
    owner = await foundedBy(plane.door, plane.orgId, 'owner')
    other = await organizationBeside(plane.client, 'other')
    stranger = await foundedBy(plane.door, other, 'stranger')
  })
  afterAll(() => plane.close())

  const anew = (name: string, role: 'admin' | 'viewer' | 'owner' | 'operator' = 'viewer') => ({
    userId: randomUUID(),
    email: `${name}@${randomUUID()}.example`,
    name,
    role,
    password: PASSWORD,
  })

  test('an organization is founded once: whoever comes later is added by an owner', async () => {
    const again = users.found(plane.orgId, 'test', anew('usurper'))
    await expect(again).rejects.toMatchObject({ code: 'MEMBER_EXISTS' })
  })

  test('who knows the password is let in, with his memberships; nobody else is, in the same words', async () => {
    const { email, userId } = owner
    expect(await users.logIn(email.toUpperCase(), PASSWORD)).toEqual({
      userId,
      memberships: [{ orgId: plane.orgId, role: 'owner' }],
    })
    const refusals = [
      users.logIn(email, 'wrong horse battery'),
      users.logIn('nobody@nowhere.example', PASSWORD),
      users.logIn('no address', PASSWORD),
    ]
    const words = await Promise.all(refusals.map((refused) => refused.catch(String)))
    expect(new Set(words)).toEqual(new Set(['SenseiError: the address or the password is wrong']))
  })

  test('a person in two organizations has one password and a name in each', async () => {
    const wanted = { ...anew('Ann here'), email: stranger.email, password: 'another horse battery' }
    const added = await users.add(owner.principal, wanted)
    expect(added).toMatchObject({ userId: stranger.userId, name: 'Ann here' })
    expect(await users.get(other, stranger.userId)).toMatchObject({ name: 'stranger' })
    const { memberships } = await users.logIn(stranger.email, PASSWORD)
    expect(memberships.map((one) => one.orgId).sort()).toEqual([other, plane.orgId].sort())
    await expect(users.logIn(stranger.email, wanted.password)).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    })
    await expect(users.add(owner.principal, { ...wanted, role: 'admin' })).rejects.toMatchObject({
      code: 'MEMBER_EXISTS',
    })
    await users.remove(owner.principal, stranger.userId)
  })

  test('bad input 83: a person of another organization is not found, and cannot be changed', async () => {
    const { principal } = owner
    for (const id of [stranger.userId, randomUUID()]) {
      const refusals = [
        () => users.get(plane.orgId, id),
        () => users.changeRole(principal, id, 'viewer'),
        () => users.remove(principal, id),
      ]
      for (const refused of refusals)
        await expect(refused()).rejects.toMatchObject({
          code: 'NOT_FOUND',
          message: `there is no member ${id}`,
        })
    }
    expect((await users.list(plane.orgId)).map((one) => one.userId)).not.toContain(stranger.userId)
    expect(await users.get(other, stranger.userId)).toMatchObject({ role: 'owner' })
  })

  test('neither the hash of a password nor a person by his id is there for the application', async () => {
    const read = (sql: string, values: unknown[] = []) =>
      plane.door.write(plane.orgId, (tx) => tx.query(sql, values))
    const denied = { code: '42501' }
    await expect(read('select password_hash from app_user')).rejects.toMatchObject(denied)
    await expect(read('select * from app_user')).rejects.toMatchObject(denied)
    const membership =
      "insert into membership (org_id, user_id, role, name) values ($1, $2, 'viewer', 'x')"
    await expect(read(membership, [plane.orgId, stranger.userId])).rejects.toMatchObject(denied)
    expect(await read('select id from app_user where id = $1', [stranger.userId])).toEqual([])
    expect(await read('select id from app_user where id = $1', [owner.userId])).toHaveLength(1)
  })

  test('nobody gives or takes a role above his own, and the last owner stays', async () => {
    const admin = await users.add(owner.principal, anew('admin', 'admin'))
    const { token } = await sessions.start(plane.orgId, admin.userId)
    const asAdmin = await sessions.authenticate(token)
    const forbidden = { code: 'FORBIDDEN' }
    await expect(users.add(asAdmin, anew('x', 'owner'))).rejects.toMatchObject(forbidden)
    await expect(users.remove(asAdmin, owner.userId)).rejects.toMatchObject(forbidden)
    await expect(users.changeRole(asAdmin, admin.userId, 'owner')).rejects.toMatchObject(forbidden)
    const key = aKey(plane.orgId, randomUUID())
    await expect(users.remove(key, owner.userId)).rejects.toMatchObject(forbidden)
    const last = { code: 'LAST_OWNER' }
    await expect(users.remove(owner.principal, owner.userId)).rejects.toMatchObject(last)
    await expect(users.changeRole(owner.principal, owner.userId, 'admin')).rejects.toMatchObject(
      last,
    )
    const viewer = await users.add(asAdmin, anew('viewer'))
    const asViewer = await sessions.start(plane.orgId, viewer.userId)
    const weak = await sessions.authenticate(asViewer.token)
    await expect(users.add(weak, anew('y'))).rejects.toMatchObject(forbidden)
  })

  test('two owners who remove each other at once leave one', async () => {
    const org = await organizationBeside(plane.client, 'duel')
    const first = await foundedBy(plane.door, org, 'first')
    const second = await users.add(first.principal, anew('second', 'owner'))
    const { token } = await sessions.start(org, second.userId)
    const asSecond = await sessions.authenticate(token)
    await Promise.allSettled([
      users.remove(first.principal, second.userId),
      users.remove(asSecond, first.userId),
    ])
    expect(await users.list(org)).toHaveLength(1)
  })

  test('who is removed is out at once, with his sessions, and stays a person elsewhere', async () => {
    const member = await users.add(owner.principal, anew('leaver'))
    const { token } = await sessions.start(plane.orgId, member.userId)
    await sessions.authenticate(token)
    await users.remove(owner.principal, member.userId)
    await expect(sessions.authenticate(token)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    await expect(sessions.start(plane.orgId, member.userId)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
  })

  test('a new password ends every other session, in other organizations too', async () => {
    const org = await organizationBeside(plane.client, 'changed')
    const person = await foundedBy(plane.door, org, 'changer')
    await users.add(owner.principal, { ...anew('changer'), email: person.email })
    const elsewhere = await sessions.start(plane.orgId, person.userId)
    const beside = await sessions.start(org, person.userId)
    const change = (old: string) =>
      users.changePassword(person.principal, person.email, old, 'the next horse battery')
    await expect(change('wrong horse battery')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    await change(PASSWORD)
    await sessions.authenticate(person.token)
    for (const { token } of [elsewhere, beside])
      await expect(sessions.authenticate(token)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    await expect(users.logIn(person.email, PASSWORD)).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    })
    await users.logIn(person.email, 'the next horse battery')
  })

  test('the password of somebody else is not changed, whoever asks', async () => {
    const asked = plane.door.write(plane.orgId, (tx) =>
      tx.query("select change_password($1, 'x', 'y', $1) as done", [stranger.userId]),
    )
    expect(await asked).toEqual([{ done: false }])
    const wrong = users.changePassword(
      owner.principal,
      stranger.email,
      PASSWORD,
      'a new horse battery',
    )
    await expect(wrong).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })

  test('settings are the organization’s own, each within its bounds', async () => {
    const organizations = new Organizations(plane.door)
    const changed = await organizations.change(owner.principal, { settings: { api_keys_max: 7 } })
    expect(changed.settings).toMatchObject({ api_keys_max: 7, session_hours: 168 })
    expect((await organizations.get(other)).settings.api_keys_max).toBe(100)
    const weak = { ...owner.principal, scopes: [] }
    await expect(organizations.change(weak, { name: 'x' })).rejects.toMatchObject({
      code: 'FORBIDDEN',
    })
    await organizations.change(owner.principal, { settings: { api_keys_max: 100 } })
  })

  test('every command has its audit row, and what was refused has none', async () => {
    const org = await organizationBeside(plane.client, 'audited')
    const person = await foundedBy(plane.door, org, 'audited')
    const keys = new ApiKeys(plane.door, 'live')
    const wanted = {
      id: randomUUID(),
      name: 'k',
      scopes: ['audit:read'],
      allowedIps: [],
      expiresAt: null,
    }
    await keys.create(person.principal, wanted)
    await keys.revoke(person.principal, wanted.id)
    const added = await users.add(person.principal, anew('one'))
    await users.changeRole(person.principal, added.userId, 'operator')
    await users.remove(person.principal, added.userId)
    await expect(users.remove(person.principal, added.userId)).rejects.toThrow()
    await sessions.revokeAll(person.principal, person.userId)
    const { rows } = await plane.client.query(
      `select a.action, a.actor, p.position::int from audit_log a join audit_position p
         on p.org_id = a.org_id and p.audit_id = a.id where a.org_id = $1 order by p.position`,
      [org],
    )
    const me = `user:${person.userId}`
    expect(rows).toEqual(
      [
        ['member.added', 'test'],
        ['session.started', me],
        ['api_key.created', me],
        ['api_key.revoked', me],
        ['member.added', me],
        ['member.role_changed', me],
        ['member.removed', me],
        ['session.all_revoked', me],
      ].map(([action, actor], index) => ({ action, actor, position: index + 1 })),
    )
  })

  test('an audit row that is a transition’s, nobody’s or another one’s is not written', async () => {
    const write = (action: string, id: string = randomUUID(), orgId = plane.orgId) =>
      plane.door.write(orgId, (tx) =>
        tx.query("select record_audit($1, '{}', 'test', $2)", [action, id]),
      )
    for (const action of ['migration.created', 'nonsense', 'Drop.table', 'a.b; --'])
      await expect(write(action)).rejects.toMatchObject({ code: '22023' })
    await expect(write('a.b', randomUUID(), '')).rejects.toMatchObject({ code: 'SN004' })
    const id = randomUUID()
    await write('a.b', id)
    await write('a.b', id)
    await expect(write('a.c', id)).rejects.toMatchObject({ code: 'SN006' })
    await write('a.c', id, other)
  })
})
