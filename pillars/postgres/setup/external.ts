/**
 * A control plane on a PostgreSQL that somebody else runs: a server of one's own, or a managed one. Its login may own
 * the tables and may be more; every transaction of the door therefore runs as sensei_app (ADR 0014).
 */
import { SenseiError } from '@sensei/core/errors'
import { quoteIdent } from '@sensei/core/sql'
import { parseControlUrl, readGiven } from './address.ts'
import {
  type Client,
  type ConnectionSettings,
  connect,
  isConnectionLoss,
} from '../door/connection.ts'
import { prepare } from './provision.ts'
import { APPLICATION } from './roles.ts'
import { patiently, troubleOf } from '../door/trouble.ts'

type Environment = Readonly<Record<string, string | undefined>>

export interface ExternalUrls {
  /** For the transactions of the door; may lead through PgBouncer. */
  readonly pooled: GivenUrl
  /** For LISTEN, locks of a session and migrations; the same one unless DATABASE_DIRECT_URL is set. */
  readonly direct: GivenUrl
}

export interface GivenUrl {
  /** The variable that it came from. */
  readonly name: string
  /** A secret. */
  readonly url: string
}

export interface ExternalControl {
  readonly control: ConnectionSettings
  readonly direct: ConnectionSettings
  readonly orgId: string
}

/** A server that still starts is waited for; one that does not answer at all is an error at once. */
const STARTING_MS_MAX = 10_000
const OLDEST = 150_000

/** Undefined where no external control plane is configured. */
export function externalUrls(env: Environment): ExternalUrls | undefined {
  const pooled = given(env, 'DATABASE_URL')
  const direct = given(env, 'DATABASE_DIRECT_URL')
  if (pooled !== undefined) return { pooled, direct: direct ?? pooled }
  if (direct === undefined) return undefined
  throw new SenseiError('CONFIG_INVALID', 'DATABASE_DIRECT_URL is set and DATABASE_URL is not')
}

export async function openExternal(urls: ExternalUrls): Promise<ExternalControl> {
  const direct = await reachable(urls.direct)
  const control = urls.pooled === urls.direct ? direct : await reachable(urls.pooled)
  const client = await patiently(STARTING_MS_MAX, () => connect(direct, 'sensei-provision'))
  try {
    await refuseUnfit(client, urls)
    const orgId = await prepare(client, direct)
    await ensureMember(client, control.user)
    if (control !== direct) await refuseStrangers(client, control)
    return { control: { ...control, role: APPLICATION }, direct, orgId }
  } catch (error) {
    const trouble = troubleOf(error)
    if (trouble === null) throw error
    throw new SenseiError(trouble.code, trouble.message, { cause: error })
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** How to show an address: never with its secret. */
export function shownAddress({ host, port, user, database }: ConnectionSettings): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}/${database} as ${user}`
}

/** The settings with which the server answers: `prefer` is decided here, once. */
export async function reachable({ name, url }: GivenUrl): Promise<ConnectionSettings> {
  const { settings, prefersTls } = parseControlUrl(url, name)
  try {
    await probe(settings)
    return settings
  } catch (error) {
    if (!prefersTls || !/does not support SSL/.test((error as Error).message))
      throw unreachable(error, settings, name)
  }
  const { tls: _, ...plain } = settings
  try {
    await probe(plain)
    return plain
  } catch (error) {
    throw unreachable(error, settings, name)
  }
}

async function probe(settings: ConnectionSettings): Promise<void> {
  const deadline = performance.now() + STARTING_MS_MAX
  for (;;) {
    try {
      return await (await connect(settings, 'sensei-probe')).end()
    } catch (error) {
      // Starting, stopping or out of connections: it is there, and this passes.
      const { code } = error as { code?: unknown }
      if ((code !== '57P03' && code !== '53300') || performance.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
}

/** A session of a pooler is not one of the server's: LISTEN and locks would go to whoever gets it next. */
async function refuseUnfit(client: Client, urls: ExternalUrls): Promise<void> {
  const { rows } = await client.query<{ pid: number; number: number; version: string }>(
    `select pg_backend_pid() as pid, current_setting('server_version_num')::int as number,
       current_setting('server_version') as version`,
  )
  const { pid, number, version } = rows[0] as { pid: number; number: number; version: string }
  if (number < OLDEST) {
    throw new SenseiError(
      'CONTROL_VERSION',
      `the control database is PostgreSQL ${version}; Sensei needs 15 or later there`,
    )
  }
  const { processID } = client as unknown as { processID: number | null }
  if (processID === pid) return
  throw new SenseiError(
    'CONFIG_INVALID',
    urls.direct === urls.pooled
      ? `${urls.direct.name} leads through a connection pooler: set DATABASE_DIRECT_URL to the server itself, for LISTEN, locks and migrations`
      : 'DATABASE_DIRECT_URL leads through a connection pooler: it must lead to the server itself',
  )
}

/** Two URLs of two databases would keep a truth each. */
async function refuseStrangers(client: Client, control: ConnectionSettings): Promise<void> {
  const other = await connect(control, 'sensei-probe')
  try {
    const [one, two] = await Promise.all([identity(client), identity(other)])
    if (one === two) return
  } finally {
    await other.end()
  }
  throw new SenseiError(
    'CONFIG_INVALID',
    'DATABASE_URL and DATABASE_DIRECT_URL lead to different databases; both must lead to the same one',
  )
}

async function identity(client: Client): Promise<string | undefined> {
  const { rows } = await client.query<{ identity: string }>(
    "select system_identifier || '/' || current_database() as identity from pg_control_system()",
  )
  return rows[0]?.identity
}

/** Transactions of the door become sensei_app, so their login has to be a member of it. */
async function ensureMember(client: Client, user: string): Promise<void> {
  const { rows } = await client.query<{ member: boolean }>(
    `select r.rolsuper or pg_has_role(r.oid, $2, case when current_setting('server_version_num')::int >= 160000
       then 'set' else 'member' end) as member from pg_roles r where r.rolname = $1`,
    [user, APPLICATION],
  )
  if (rows[0]?.member === true) return
  const grant = `GRANT ${APPLICATION} TO ${quoteIdent(user)}`
  try {
    await client.query(grant)
  } catch (cause) {
    throw new SenseiError(
      'CONTROL_PRIVILEGE_MISSING',
      `the role ${user} of DATABASE_URL cannot work on the control database; an administrator has to run: ${grant}`,
      { cause, details: { role: user, grants: [grant] } },
    )
  }
}

function unreachable(error: unknown, settings: ConnectionSettings, name: string): unknown {
  if (error instanceof SenseiError) return error
  const place = `PostgreSQL at ${settings.host}:${settings.port}`
  const { code } = error as { code?: unknown }
  const text = error instanceof Error ? error.message : String(error)
  return new SenseiError(
    code === '53300' ? 'CONTROL_BUSY' : 'CONTROL_UNREACHABLE',
    `${name}: ${reason(error, text || String(code), settings, place)}`,
    { details: { host: settings.host, port: settings.port, code: code ?? null } },
  )
}

function reason(error: unknown, text: string, settings: ConnectionSettings, place: string): string {
  const { code } = error as { code?: unknown }
  if (code === '28P01' || code === '28000' || /password must be a string/i.test(text))
    return `${place} refused the login of ${settings.user}: check the user and the password in the URL`
  if (code === '3D000')
    return `${place} has no database ${settings.database}: create it with CREATE DATABASE ${quoteIdent(settings.database)}`
  if (code === '53300') return `${place} has no connection left: raise max_connections`
  if (/SSL|certificate|self.signed|unable to verify|altname/i.test(text))
    return `no TLS connection with ${place}: ${text}. Check sslmode and sslrootcert`
  if (isConnectionLoss(error)) {
    return (
      `cannot reach ${place} (${text}): check host, port and that it runs. ` +
      'Sensei does not fall back to the embedded PostgreSQL; unset the variable to use that'
    )
  }
  return `${place} says: ${text}`
}

function given(env: Environment, name: string): GivenUrl | undefined {
  const { [name]: url, [`${name}_FILE`]: file } = env
  if (url && file) {
    throw new SenseiError('CONFIG_INVALID', `${name} and ${name}_FILE are both set; unset one`)
  }
  if (url) return { name, url }
  if (!file) return undefined
  return { name: `${name}_FILE`, url: readGiven(file, `${name}_FILE`).trim() }
}
