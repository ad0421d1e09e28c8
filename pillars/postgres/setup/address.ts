/**
 * A control plane's URL as discrete fields. It says where, who and which TLS, and nothing else: `options` and the like
 * could smuggle settings into every session.
 */
import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { SenseiError } from '@sensei/core/errors'
import type { ConnectionSettings, Tls } from '../door/connection.ts'

export interface ControlUrl {
  readonly settings: ConnectionSettings
  /** Encrypted where the server can, in clear where it cannot. */
  readonly prefersTls: boolean
}

const MODES: Readonly<Record<string, Tls['verify'] | null>> = {
  disable: null,
  prefer: 'nothing',
  require: 'nothing',
  'verify-ca': 'authority',
  'verify-full': 'authority and name',
}
const PARAMETERS = ['sslmode', 'sslrootcert', 'connect_timeout']
const PORT_DEFAULT = 5432
const CONNECT_SECONDS_DEFAULT = 15

/** `name` is the variable that the URL came from; no message repeats the URL. */
export function parseControlUrl(text: string, name: string): ControlUrl {
  const url = URL.parse(text)
  if (url === null || !/^postgres(ql)?:$/.test(url.protocol)) {
    throw invalid(`${name} is not a URL like postgres://user:password@host:5432/database`)
  }
  for (const key of url.searchParams.keys()) {
    if (!PARAMETERS.includes(key))
      throw invalid(`${name} has ?${key}=…; only ${PARAMETERS.join(', ')} may stand there`)
  }
  const decode = (part: string): string => decoded(part, name)
  const user = decode(url.username) || userInfo().username
  const tls = tlsOf(url, name)
  const settings = {
    host: decode(url.hostname).replace(/^\[(.*)\]$/, '$1') || 'localhost',
    port: url.port === '' ? PORT_DEFAULT : Number(url.port),
    user,
    password: decode(url.password),
    database: decode(url.pathname.slice(1)) || user,
    connectTimeoutMs: connectTimeoutMs(url, name),
    ...(tls === null ? {} : { tls }),
  }
  return { settings, prefersTls: (url.searchParams.get('sslmode') ?? 'prefer') === 'prefer' }
}

/** As libpq: `require` checks the authority when one is named; only `verify-full` checks the name. */
function tlsOf(url: URL, name: string): Tls | null {
  const mode = url.searchParams.get('sslmode') ?? 'prefer'
  const verify = MODES[mode]
  if (verify === undefined)
    throw invalid(`${name}: sslmode=${mode} is not one of ${Object.keys(MODES).join(', ')}`)
  if (verify === null) return null
  const file = url.searchParams.get('sslrootcert')
  if (file === null) return { verify, authority: null }
  return {
    verify: mode === 'require' ? 'authority' : verify,
    authority: readGiven(file, `the sslrootcert of ${name}`),
  }
}

function connectTimeoutMs(url: URL, name: string): number {
  const text = url.searchParams.get('connect_timeout')
  const seconds = text === null ? CONNECT_SECONDS_DEFAULT : Number(text)
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= 600) return seconds * 1_000
  throw invalid(`${name}: connect_timeout=${text} is not a number of seconds from 1 to 600`)
}

export function readGiven(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new SenseiError('FILE_NOT_FOUND', `${what}: ${file} cannot be read`, { cause })
  }
}

function decoded(part: string, name: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw invalid(`${name} holds a % that is not part of an escape; write it as %25`)
  }
}

function invalid(message: string): SenseiError {
  return new SenseiError('URL_INVALID', message)
}
