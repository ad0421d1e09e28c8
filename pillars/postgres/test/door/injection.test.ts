import { randomUUID } from 'node:crypto'
import type { Json } from '@sensei/core/json'
import { server } from '@sensei/contracts/servers'
import { isSenseiError } from '@sensei/core/errors'
import { ApiKeys } from '@sensei/postgres/tenants/api-keys'
import { once } from '@sensei/postgres/tenants/idempotency'
import { Organizations } from '@sensei/postgres/tenants/organizations'
import { Sessions } from '@sensei/postgres/tenants/sessions'
import { Users } from '@sensei/postgres/tenants/users'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestControl, testControl } from '../control-database.ts'
import { foundedBy, organizationBeside, type Owner, passwords } from '../people.ts'

const CORPUS = [
  "'; drop table migration; --",
  "' or '1'='1",
  "x'||(select string_agg(email, ',') from app_user)||'",
  "'); select set_config('app.org_id', '', true); --",
  '"; reset role; --',
  "\\'; truncate audit_log; --",
  '$1; delete from membership; --',
  '$$; select 1; $$',
  "E'\\x27' or true",
  '%00\u2028; commit; begin;',
  '${process.exit()}',
  "admin'/*",
] as const

describe.each([18, 15] as const)('hostile texts on PostgreSQL %i', (version) => {
  let plane: TestControl
  let owner: Owner
  let other: string

  beforeAll(async () => {
    plane = await testControl(await server(version))
    owner = await foundedBy(plane.door, plane.orgId, 'owner')
    other = await organizationBeside(plane.client, 'other')
    await foundedBy(plane.door, other, 'stranger')
  })
  afterAll(() => plane.close())

  /** What another organization has, and how many tables there are: what no text may change. */
  const rest = async (): Promise<unknown> => {
    const { rows } = await plane.client.query(
      `select (select md5(string_agg(t::text, '' order by t::text)) from (
           select m::text from membership m where org_id = $1 union all select a::text from audit_log a where org_id = $1
           union all select o::text from organization o where id = $1) t) as other,
         (select count(*) from pg_class where relkind in ('r', 'p')) as tables`,
      [other],
    )
    return rows
  }

  type Field = readonly [string, (text: string) => Promise<Json>]

  const fields = (): readonly Field[] => {
    const users = new Users(plane.door, passwords)
    const keys = new ApiKeys(plane.door, 'live')
    const key = { id: randomUUID(), scopes: ['audit:read'], allowedIps: [], expiresAt: null }
    const email = `m@${randomUUID()}.example`
    const member = { userId: randomUUID(), email, role: 'viewer', password: null } as const
    const request = { orgId: plane.orgId, key: randomUUID(), content: {} }
    return [
      [
        'the name of a key',
        async (text) => (await keys.create(owner.principal, { ...key, name: text })).key.name,
      ],
      [
        'the name of a member',
        async (text) => (await users.add(owner.principal, { ...member, name: text })).name,
      ],
      [
        'the name of an organization',
        async (text) =>
          (await new Organizations(plane.door).change(owner.principal, { name: text })).name,
      ],
      [
        'a stored answer',
        async (text) =>
          (await once(plane.door, { ...request, route: text }, async () => text)).response,
      ],
    ]
  }

  test.each(CORPUS)('%j is kept as it is, wherever a text is kept', async (text) => {
    const before = await rest()
    for (const [name, keep] of fields()) expect(await keep(text), name).toBe(text)
    expect(await rest()).toEqual(before)
  })

  test.each(CORPUS)('%j is refused by a rule, wherever something is looked up', async (text) => {
    const before = await rest()
    const users = new Users(plane.door, passwords)
    const lookups = [
      () => users.logIn(text, text),
      () => users.logIn(`${text}@x.example`, text),
      () => new ApiKeys(plane.door, 'live').authenticate(text, text),
      () => new Sessions(plane.door).authenticate(text),
    ]
    for (const look of lookups) {
      const refusal: unknown = await look().catch((error: unknown) => error)
      expect(isSenseiError(refusal, 'UNAUTHENTICATED')).toBe(true)
    }
    expect(await rest()).toEqual(before)
  })
})
