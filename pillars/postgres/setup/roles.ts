/**
 * The roles of a control plane, and what the role that sets one up needs for them. Managed servers lend no superuser: a
 * role with CREATEROLE makes the roles itself, any other one is told what an administrator has to run, once.
 */
import { SenseiError } from '@sensei/core/errors'
import { quoteIdent } from '@sensei/core/sql'
import type { Client } from '../door/connection.ts'

/** None can log in. They belong to the cluster and are shared by the control databases in it. */
export const ROLES = [
  'sensei_owner',
  'sensei_app',
  'sensei_lifecycle',
  'sensei_log_writer',
  'sensei_auth',
  'sensei_audit_writer',
  'sensei_relay',
  'sensei_consumer',
  'sensei_chainer',
  'sensei_upkeep',
  'sensei_keeper',
  'sensei_search',
] as const

/** The role of the application: row-level security binds it. */
export const APPLICATION = 'sensei_app'

/** What an administrator runs so that `role` can set up a control plane in the database that it is connected to. */
export interface MissingGrants {
  readonly role: string
  readonly grants: readonly string[]
}

interface Standing {
  readonly role: string
  readonly superuser: boolean
  readonly creates: boolean
  readonly schema: boolean
  readonly roles: readonly {
    readonly name: string
    readonly exists: boolean
    readonly member: boolean
    readonly grantable: boolean
  }[]
}

/**
 * Since 16 membership has parts: SET to become the role, USAGE to own what it owns. Since then, too, CREATEROLE reaches
 * only roles of one's own making, which is what the admin option says.
 */
const STANDING = `
select current_user as role, me.rolsuper as superuser, me.rolcreaterole as creates,
  has_schema_privilege('public', 'usage with grant option')
    and has_schema_privilege('public', 'create with grant option') as schema,
  (select json_agg(json_build_object(
      'name', wanted, 'exists', r.oid is not null,
      'member', r.oid is not null and pg_has_role(r.oid, 'usage')
        and pg_has_role(r.oid, case when $2 then 'set' else 'member' end),
      'grantable', r.oid is not null and case when $2
        then pg_has_role(r.oid, 'member with admin option') else me.rolcreaterole end) order by at)
    from unnest($1::text[]) with ordinality as w (wanted, at)
    left join pg_roles r on r.rolname = wanted) as roles
from pg_roles me where me.rolname = current_user`

async function standing(client: Client): Promise<Standing> {
  const { rows } = await client.query<{ number: number }>(
    "select current_setting('server_version_num')::int as number",
  )
  const values = [[...ROLES], (rows[0]?.number ?? 0) >= 160_000]
  return (await client.query<Standing>(STANDING, values)).rows[0] as Standing
}

/** What is missing and cannot be had by oneself. */
export async function missingGrants(client: Client): Promise<MissingGrants> {
  return grantsFor(await standing(client))
}

function grantsFor({ role, superuser, creates, schema, roles }: Standing): MissingGrants {
  if (superuser) return { role, grants: [] }
  const me = quoteIdent(role)
  const grants = roles.flatMap(({ name, exists, member, grantable }) => {
    if (member || (exists ? grantable : creates)) return []
    return [...(exists ? [] : [`CREATE ROLE ${name} NOLOGIN`]), `GRANT ${name} TO ${me}`]
  })
  if (!schema) grants.push(`GRANT USAGE, CREATE ON SCHEMA public TO ${me} WITH GRANT OPTION`)
  return { role, grants }
}

/** Afterwards every role exists and whoever is connected may take each on; or an error that names what is missing. */
export async function ensureRoles(client: Client): Promise<void> {
  const before = await standing(client)
  refuseWithout(grantsFor(before))
  for (const { name, exists } of before.roles) if (!exists) await createRole(client, name)
  if (before.superuser) return
  for (const { name, member } of (await standing(client)).roles) {
    if (!member) await client.query(`grant ${quoteIdent(name)} to current_user`)
  }
  refuseWithout(await missingGrants(client))
}

/** Whoever loses the race for a name has what it wanted. */
async function createRole(client: Client, name: string): Promise<void> {
  try {
    await client.query(`create role ${quoteIdent(name)} nologin nosuperuser nobypassrls`)
  } catch (error) {
    const { code } = error as { code?: unknown }
    if (code !== '42710' && code !== '23505') throw error
  }
}

function refuseWithout({ role, grants }: MissingGrants): void {
  if (grants.length === 0) return
  throw new SenseiError(
    'CONTROL_PRIVILEGE_MISSING',
    `the role ${role} cannot set up the control database; an administrator has to run: ${grants.join('; ')}` +
      (grants.some((grant) => grant.startsWith('CREATE ROLE'))
        ? ` (or, for the roles, ALTER ROLE ${quoteIdent(role)} CREATEROLE)`
        : ''),
    { details: { role, grants } },
  )
}
