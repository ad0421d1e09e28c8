/**
 * Makes a database a control plane: roles, migrations, the organization of a single user, and for a server of our own
 * the login that the application uses. Safe to run again and beside others; the only code that runs as more than the
 * application.
 */
import { quoteIdent, quoteLiteral } from '@sensei/core/sql'
import { keepCatalogue } from './catalogue.ts'
import { type Client, type ConnectionSettings, connect } from '../door/connection.ts'
import { ensureExtensions } from './extensions.ts'
import { migrate } from './migrate.ts'
import { ensureRoles } from './roles.ts'
import { scheduleUpkeep } from '../upkeep.ts'

export interface Login {
  readonly user: string
  readonly password: string
}

export interface ControlDatabase {
  readonly control: ConnectionSettings
  /** The organization `default`. */
  readonly orgId: string
}

/** With a login for the application, made here. */
export async function provision(admin: ConnectionSettings, login: Login): Promise<ControlDatabase> {
  const client = await connect(admin, 'sensei-provision')
  try {
    const orgId = await prepare(client, admin)
    await ensureLogin(client, login, 'sensei_app')
    return { control: { ...admin, ...login }, orgId }
  } finally {
    await client.end()
  }
}

/** Everything but the login. Returns the id of the organization `default`. */
export async function prepare(client: Client, settings: ConnectionSettings): Promise<string> {
  await ensureRoles(client)
  const applied = await migrate(client, { settings })
  if (applied.length > 0) await ensureExtensions(client)
  await keepCatalogue(client, applied.length > 0)
  await scheduleUpkeep(client)
  return ensureOrganization(client)
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

/** As the owner of the tables, whom a policy shows this one organization and no other. */
async function ensureOrganization(client: Client): Promise<string> {
  await client.query('begin')
  try {
    await client.query('set local role sensei_owner')
    await client.query(
      "insert into organization (slug, name) values ('default', 'Default') on conflict (slug) do nothing",
    )
    const { rows } = await client.query<{ id: string }>(
      "select id from organization where slug = 'default'",
    )
    await client.query('commit')
    return rows[0]?.id ?? ''
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  }
}
