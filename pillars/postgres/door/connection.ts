/** How the control plane's PostgreSQL is reached. Discrete fields, so that no text of a user is parsed as a URL. */
import pg from 'pg'

export interface ConnectionSettings {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
  /** Absent: none, for the embedded server on loopback. */
  readonly tls?: Tls
  /** What a transaction of the door runs as, where the login itself may be more (ADR 0014). */
  readonly role?: string
  readonly connectTimeoutMs?: number
}

/** Plain data, because settings travel between processes. */
export interface Tls {
  readonly verify: 'nothing' | 'authority' | 'authority and name'
  /** PEM; null for the authorities that Node trusts. */
  readonly authority: string | null
}

export type Client = pg.Client

/** Shut down, crashed, still starting, or gone: the server's ways to say that this connection is over. */
const LOSS_STATES = new Set([
  '57P01',
  '57P02',
  '57P03',
  '57P05',
  '08000',
  '08001',
  '08003',
  '08004',
  '08006',
])
/** Names that do not resolve are among them: they do not while a failover moves them. */
const LOSS_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
])

/** A word for the error that a client without a code gives when its socket closes in mid-query. */
const LOSS_MESSAGE =
  /connection terminated|connection error|not queryable|client was closed|timeout expired/i

export function isConnectionLoss(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code } = error as { code?: unknown }
  if (typeof code === 'string') return LOSS_STATES.has(code) || LOSS_CODES.has(code)
  return LOSS_MESSAGE.test(error.message)
}

/** Opens one connection; the caller ends it. An error between queries is told by the next query. */
export async function connect(
  settings: ConnectionSettings,
  applicationName = 'sensei',
): Promise<pg.Client> {
  const client = new pg.Client(clientConfig(settings, applicationName))
  client.on('error', () => undefined)
  try {
    await client.connect()
  } catch (error) {
    await client.end().catch(() => undefined)
    throw error
  }
  return client
}

export function clientConfig(settings: ConnectionSettings, applicationName: string) {
  const { host, port, user, password, database, tls, connectTimeoutMs } = settings
  return {
    host,
    port,
    user,
    // As a function: otherwise the client looks for a password file by itself.
    password: () => password,
    database,
    ssl: tls === undefined ? false : tlsOptions(tls),
    application_name: applicationName,
    keepAlive: true,
    ...(connectTimeoutMs === undefined ? {} : { connectionTimeoutMillis: connectTimeoutMs }),
  } satisfies pg.ClientConfig
}

function tlsOptions({ verify, authority }: Tls): pg.ClientConfig['ssl'] {
  const ca = authority === null ? {} : { ca: authority }
  if (verify === 'nothing') return { rejectUnauthorized: false }
  if (verify === 'authority') return { ...ca, checkServerIdentity: () => undefined }
  return ca
}
