/**
 * How to reach a target, as structured fields. A URL may say where, who and which TLS mode, and nothing else:
 * `options`, `service`, `passfile` and the like could smuggle settings into a session.
 */
import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { SenseiError } from '@sensei/core/errors'
import { passwordFromFile } from './pgpass.ts'

export const TLS_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'] as const

export type TlsMode = (typeof TLS_MODES)[number]

export interface ConnectionSettings {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly database: string
  readonly tls: TlsMode
  /** PEM of the authority that signed the server's certificate; null for those that Node trusts. */
  readonly authority: string | null
  readonly connectTimeoutMs: number
  /** Asked for at each connect; not enumerable, so that no log and no error holds it. */
  password(): string | null
}

const PARAMETERS = ['sslmode', 'sslrootcert', 'connect_timeout'] as const
const portDefault = 5432
const connectTimeoutSecondsDefault = 15

export function parseTargetUrl(url: string): ConnectionSettings {
  const parsed = parse(url)
  const parameter = readParameters(parsed)
  const user = decode(parsed.username) || userInfo().username
  const where = {
    host: decode(parsed.hostname).replace(/^\[(.*)\]$/, '$1') || 'localhost',
    port: parsed.port === '' ? portDefault : Number(parsed.port),
    user,
    database: decode(parsed.pathname.slice(1)) || user,
  }
  const settings = {
    ...where,
    tls: tlsMode(parameter.sslmode),
    authority: parameter.sslrootcert === undefined ? null : readFile(parameter.sslrootcert),
    connectTimeoutMs: timeoutMs(parameter.connect_timeout),
  }
  const password = parsed.password === '' ? null : decode(parsed.password)
  return Object.defineProperty(settings, 'password', {
    value: () => password ?? passwordFromEnvironment() ?? passwordFromFile(where),
    enumerable: false,
  }) as ConnectionSettings
}

/** The URL as it may be stored and shown. */
export function urlWithoutSecrets(settings: ConnectionSettings): string {
  const host = settings.host.includes(':') ? `[${settings.host}]` : settings.host
  const user = encodeURIComponent(settings.user)
  const database = encodeURIComponent(settings.database)
  const tls = settings.tls === 'prefer' ? '' : `?sslmode=${settings.tls}`
  return `postgres://${user}@${host}:${settings.port}/${database}${tls}`
}

function parse(url: string): URL {
  const parsed = URL.parse(url)
  if (parsed === null || !/^postgres(ql)?:$/.test(parsed.protocol)) {
    throw invalid('The target is not a URL like postgres://user@host:5432/database')
  }
  return parsed
}

type Parameters = Partial<Record<(typeof PARAMETERS)[number], string>>

function readParameters(url: URL): Parameters {
  for (const name of url.searchParams.keys()) {
    if (!PARAMETERS.some((known) => known === name)) {
      throw invalid(`The target URL has ?${name}=…; only ${PARAMETERS.join(', ')} may stand there`)
    }
  }
  return Object.fromEntries(url.searchParams) as Parameters
}

function tlsMode(text: string | undefined): TlsMode {
  if (text === undefined) return 'prefer'
  const mode = TLS_MODES.find((known) => known === text)
  if (mode === undefined) {
    throw invalid(`sslmode=${text} is not one of ${TLS_MODES.join(', ')}`)
  }
  return mode
}

function timeoutMs(text: string | undefined): number {
  const seconds = text === undefined ? connectTimeoutSecondsDefault : Number(text)
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > 600) {
    throw invalid(`connect_timeout=${text} is not a number of seconds from 1 to 600`)
  }
  return seconds * 1000
}

function passwordFromEnvironment(): string | null {
  const direct = process.env['SENSEI_TARGET_PASSWORD']
  if (direct !== undefined && direct !== '') return direct
  const file = process.env['SENSEI_TARGET_PASSWORD_FILE']
  return file === undefined || file === '' ? null : readFile(file).replace(/\r?\n$/, '')
}

function readFile(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new SenseiError('FILE_NOT_FOUND', `Cannot read ${file}; check that it exists`, { cause })
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid('The target URL holds a % that is not part of an escape; write it as %25')
  }
}

function invalid(message: string): SenseiError {
  return new SenseiError('URL_INVALID', message)
}
