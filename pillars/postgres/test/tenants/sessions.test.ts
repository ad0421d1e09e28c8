import { server } from '@sensei/contracts/servers'
import { Sessions } from '@sensei/postgres/tenants/sessions'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type TestControl, testControl } from '../control-database.ts'
import { aKey, foundedBy, organizationBeside, type Owner } from '../people.ts'

const REFUSED = { code: 'UNAUTHENTICATED' }

describe.each([18, 15] as const)('sessions on PostgreSQL %i', (version) => {
  let plane: TestControl
  let sessions: Sessions
  let owner: Owner
  let token: string
  let id: string

  beforeAll(async () => {
    plane = await testControl(await server(version))
    sessions = new Sessions(plane.door)
    owner = await foundedBy(plane.door, plane.orgId, 'owner')
  })
  beforeEach(async () => {
    const started = await sessions.start(plane.orgId, owner.userId)
    token = started.token
    id = started.session.id
  })
  afterAll(() => plane.close())

  const change = (set: string) =>
    plane.client.query(`update session set ${set} where id = $1`, [id])

  test('the token is the person, with the scopes of his role; only its hash is kept', async () => {
    const { orgId, actor, by, scopes } = await sessions.authenticate(token)
    expect({ orgId, actor, by }).toEqual({
      orgId: plane.orgId,
      actor: `user:${owner.userId}`,
      by: { kind: 'session', id, userId: owner.userId, role: 'owner' },
    })
    expect(scopes).toContain('organization:write')
    const { rows } = await plane.client.query('select s::text as row from session s')
    for (const { row } of rows) expect(row).not.toContain(token)
  })

  test('a session ends by its time, by disuse and by revocation, in the same words', async () => {
    await change("expires_at = now() - interval '1 second'")
    await expect(sessions.authenticate(token)).rejects.toMatchObject(REFUSED)
    await change(
      "expires_at = now() + interval '1 day', idle_expires_at = now() - interval '1 second'",
    )
    await expect(sessions.authenticate(token)).rejects.toMatchObject(REFUSED)
    await change("idle_expires_at = now() + interval '1 day'")
    await sessions.authenticate(token)
    await sessions.revoke(owner.principal, id)
    await sessions.revoke(owner.principal, id)
    await expect(sessions.authenticate(token)).rejects.toMatchObject(REFUSED)
  })

  test('use moves the end by disuse on, never past the fixed one', async () => {
    const idle = async () =>
      (
        await plane.client.query(
          'select extract(epoch from idle_expires_at - now())::int as idle, idle_expires_at = expires_at as capped from session where id = $1',
          [id],
        )
      ).rows[0]
    await change(
      "last_used_at = now() - interval '11 hours', idle_expires_at = now() + interval '1 hour'",
    )
    await sessions.authenticate(token)
    expect((await idle()).idle).toBeGreaterThan(11.9 * 3600)
    await change(
      "last_used_at = now() - interval '11 hours', idle_expires_at = now() + interval '1 hour', expires_at = now() + interval '2 hours'",
    )
    await sessions.authenticate(token)
    expect(await idle()).toMatchObject({ capped: true })
  })

  test('what cannot be a token costs no question to the database', async () => {
    const closed = new Sessions({
      read: () => Promise.reject(new Error('asked')),
      write: () => Promise.reject(new Error('asked')),
    })
    for (const wrong of [
      '',
      'x',
      `${token}x`,
      token.slice(1),
      'x'.repeat(1e6),
      `${token.slice(0, -1)}\0`,
    ])
      await expect(closed.authenticate(wrong)).rejects.toMatchObject(REFUSED)
    await expect(closed.authenticate(token)).rejects.toThrow('asked')
  })

  test('all sessions of a person end together, here', async () => {
    const second = await sessions.start(plane.orgId, owner.userId)
    const listed = await sessions.list(owner.principal, owner.userId)
    expect(listed.map((one) => one.id)).toContain(second.session.id)
    await sessions.revokeAll(owner.principal, owner.userId)
    for (const one of [token, second.token, owner.token])
      await expect(sessions.authenticate(one)).rejects.toMatchObject(REFUSED)
    expect(await sessions.list(owner.principal, owner.userId)).toEqual([])
  })

  test('bad input 83: a session of another organization is not found, and stays', async () => {
    const org = await organizationBeside(plane.client, `org-${id.slice(0, 8)}`)
    const stranger = await foundedBy(plane.door, org, 'stranger')
    const refused = sessions.revoke(owner.principal, stranger.principal.by.id)
    await expect(refused).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const all = sessions.revokeAll(owner.principal, stranger.userId)
    await expect(all).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await sessions.list(owner.principal, stranger.userId)).toEqual([])
    await sessions.authenticate(stranger.token)
  })

  test('others’ sessions need a scope', async () => {
    const weak = aKey(plane.orgId, id, ['migrations:read'])
    const forbidden = { code: 'FORBIDDEN' }
    await expect(sessions.list(weak, owner.userId)).rejects.toMatchObject(forbidden)
    await expect(sessions.revoke(weak, id)).rejects.toMatchObject(forbidden)
    await expect(sessions.revokeAll(weak, owner.userId)).rejects.toMatchObject(forbidden)
    await sessions.authenticate(token)
  })
})
