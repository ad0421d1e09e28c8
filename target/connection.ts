/** Opens `pg` clients for everybody who talks to a target, the validator's reader included. */
import { Client, type ClientConfig } from 'pg'
import { connectError } from './refusal.ts'
import type { ConnectionSettings } from './settings.ts'

/**
 * What every session relies on: one way to write values as text, no time limit that could strike in the middle of
 * a load, and no schema on the search path, so that an unqualified name never means what somebody else put there.
 * synchronous_commit stays as the server's owner wants it.
 */
const SESSION = `
  set standard_conforming_strings = on; set client_encoding = 'UTF8'; set timezone = 'UTC';
  set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set bytea_output = 'hex';
  set extra_float_digits = 1; set search_path = ''; set default_transaction_read_only = off;
  set default_transaction_isolation = 'read committed'; set default_transaction_deferrable = off;
  select pg_catalog.set_config(name, '0', false) from pg_catalog.pg_settings where name in
    ('statement_timeout', 'lock_timeout', 'transaction_timeout',
     'idle_in_transaction_session_timeout', 'idle_session_timeout')`

/** A connected client; `role` names the process in the target's pg_stat_activity. */
export async function openClient(settings: ConnectionSettings, role: string): Promise<Client> {
  const client = await connect(settings, role)
  try {
    await client.query(SESSION)
    return client
  } catch (error) {
    await client.end().catch(() => undefined)
    throw connectError(error, settings)
  }
}

/** Whose server has no TLS: to ask again costs a connection each time. Only `prefer` goes on without. */
const withoutTls = new WeakSet<ConnectionSettings>()

async function connect(settings: ConnectionSettings, role: string): Promise<Client> {
  const attempt = async (ssl: ClientConfig['ssl']): Promise<Client> => {
    const client = new Client(configuration(settings, role, ssl))
    // A connection that breaks between two queries reports it here; the next query fails by itself.
    client.on('error', () => undefined)
    try {
      await client.connect()
      return client
    } catch (error) {
      cutConnection(client)
      throw error
    }
  }
  if (!withoutTls.has(settings)) {
    try {
      return await attempt(tlsOptions(settings))
    } catch (error) {
      const refused = error instanceof Error && /does not support SSL/.test(error.message)
      if (settings.tls !== 'prefer' || !refused) throw connectError(error, settings)
      withoutTls.add(settings)
    }
  }
  try {
    return await attempt(false)
  } catch (error) {
    withoutTls.delete(settings)
    throw connectError(error, settings)
  }
}

/**
 * Ends a connection without a word to the server. One that waits for a password would otherwise stay open until the
 * server's own time limit, and block CREATE DATABASE for everybody meanwhile.
 */
export function cutConnection(client: Client): void {
  const { connection } = client as unknown as { connection: { stream: { destroy(): void } } }
  connection.stream.destroy()
  void client.end().catch(() => undefined)
}

function configuration(
  settings: ConnectionSettings,
  role: string,
  ssl: ClientConfig['ssl'],
): ClientConfig {
  return {
    host: settings.host,
    port: settings.port,
    user: settings.user,
    database: settings.database,
    // As a function: otherwise the client looks for a password file by itself, and warns that it did.
    password: () => settings.password() as string,
    application_name: `sensei/${role}`.slice(0, 63),
    connectionTimeoutMillis: settings.connectTimeoutMs,
    keepAlive: true,
    ssl,
  }
}

/** As libpq: `require` encrypts, and checks the authority when one is named; only `verify-full` checks the name. */
function tlsOptions(settings: ConnectionSettings): ClientConfig['ssl'] {
  const authority = settings.authority === null ? {} : { ca: settings.authority }
  switch (settings.tls) {
    case 'disable':
      return false
    case 'prefer':
      return { rejectUnauthorized: false }
    case 'require':
      return settings.authority === null
        ? { rejectUnauthorized: false }
        : { ...authority, rejectUnauthorized: true, checkServerIdentity: () => undefined }
    case 'verify-ca':
      return { ...authority, rejectUnauthorized: true, checkServerIdentity: () => undefined }
    case 'verify-full':
      return { ...authority, rejectUnauthorized: true }
  }
}
