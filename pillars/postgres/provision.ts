/**
 * Makes a database a control plane: migrations, the login that the application uses, the organization of a single
 * user. Safe to run again and beside others; runs as the cluster's administrator and is the only code that does.
 */
import { quoteIdent, quoteLiteral } from '@sensei/core/sql'
import { type Client, type ConnectionSettings, connect } from './connection.ts'
import { migrate } from './migrate.ts'

export interface Login {
  readonly user: string
  readonly password: string
}

export interface ControlDatabase {
  readonly control: ConnectionSettings
  /** The organization `default`. */
  readonly orgId: string
}

export async function provision(admin: ConnectionSettings, login: Login): Promise<ControlDatabase> {
  const client = await connect(admin, 'sensei-provision')
  try {
    await migrate(client)
    await ensureLogin(client, login, 'sensei_app')
    return { control: { ...admin, ...login }, orgId: await ensureOrganization(client) }
  } finally {
    await client.end()
  }
}

/** A login is a member of its one role and nothing else: no owner, no BYPASSRLS. */
export async function ensureLogin(client: Client, login: Login, role: string): Promise<void> {
  const name = quoteIdent(login.user)
  // Two processes that open one control plane at the same moment would race for the role.
  await client.query("select pg_advisory_lock(hashtext('sensei login'))")
  try {
    const { rowCount } = await client.query('select from pg_roles where rolname = $1', [login.user])
    if (rowCount === 0) {
      await client.query(
        `create role ${name} login nosuperuser nobypassrls in role ${quoteIdent(role)}`,
      )
    }
    await client.query(`alter role ${name} password ${quoteLiteral(login.password)}`)
  } finally {
    await client.query("select pg_advisory_unlock(hashtext('sensei login'))")
  }
}

async function ensureOrganization(client: Client): Promise<string> {
  await client.query(
    "insert into organization (slug, name) values ('default', 'Default') on conflict (slug) do nothing",
  )
  const { rows } = await client.query<{ id: string }>(
    "select id from organization where slug = 'default'",
  )
  return rows[0]?.id ?? ''
}
