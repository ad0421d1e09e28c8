/** Principals for tests: an owner who is logged in, and what a key of these scopes would be. */
import { randomUUID } from 'node:crypto'
import type { Principal } from '@sensei/core/principal'
import { type Scope, SCOPES } from '@sensei/core/scopes'
import type { Door } from '@sensei/postgres/door/door'
import { Passwords } from '@sensei/postgres/tenants/passwords'
import { Sessions, type SessionPrincipal } from '@sensei/postgres/tenants/sessions'
import { Users } from '@sensei/postgres/tenants/users'

export const PASSWORD = 'correct horse battery'
export const passwords = new Passwords()

export interface Owner {
  readonly principal: SessionPrincipal
  readonly token: string
  readonly email: string
  readonly userId: string
}

export async function foundedBy(door: Door, orgId: string, name: string): Promise<Owner> {
  const users = new Users(door, passwords)
  const email = `${name}@${randomUUID()}.example`
  const wanted = { userId: randomUUID(), email, name, password: PASSWORD }
  const { userId } = await users.found(orgId, 'test', wanted)
  const sessions = new Sessions(door)
  const { token } = await sessions.start(orgId, userId)
  return { principal: await sessions.authenticate(token), token, email, userId }
}

export function aKey(orgId: string, id: string, scopes: readonly Scope[] = SCOPES): Principal {
  return { orgId, actor: `key:${id}`, scopes, by: { kind: 'key', id } }
}

/** A second organization on the test's control plane. */
export async function organizationBeside(
  client: { query(sql: string, values: unknown[]): Promise<{ rows: { id: string }[] }> },
  slug: string,
): Promise<string> {
  const { rows } = await client.query(
    'insert into organization (slug, name) values ($1, $1) returning id',
    [slug],
  )
  return rows[0]?.id ?? ''
}
