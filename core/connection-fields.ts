/**
 * A stored connection as discrete fields, each checked for what it is. No URL, no connection string, no file name and no
 * free parameter comes in, so that nothing a tenant writes can point a server at its own files, at a socket of its
 * machine, or at settings of somebody's session.
 */
import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { z } from 'zod'
import { displayName } from './display.ts'
import { SenseiError } from './errors.ts'

/** What may silently fall back to clear text is not offered. */
export const TLS_MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const

const NAME_BYTES_MAX = 63
const HOST_CHARS_MAX = 253
const CA_CHARS_MAX = 64 * 1024
const PASSWORD_BYTES_MAX = 1_000
const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i
const CONTROLS = /[\p{Cc}\p{Cs}\u2028\u2029]/u

const host = z
  .string()
  .max(HOST_CHARS_MAX)
  .refine(isHost, 'is no host name and no IP address; sockets, lists and paths are refused')

/** libpq and what is made of it read a database name with `=` or `://` as a whole connection string. */
const identifier = z
  .string()
  .min(1)
  .refine(
    (text) => Buffer.byteLength(text) <= NAME_BYTES_MAX,
    `is longer than ${NAME_BYTES_MAX} bytes`,
  )
  .refine((text) => !CONTROLS.test(text), 'holds a control character')
  .refine(
    (text) => !text.includes('=') && !text.includes('://'),
    'is no name but a connection string',
  )

const tls = z
  .strictObject({
    mode: z.enum(TLS_MODES),
    ca: z
      .string()
      .max(CA_CHARS_MAX)
      .refine(areCertificates, 'is not certificates in PEM; a file name is refused')
      .nullable()
      .default(null),
  })
  .refine(({ mode, ca }) => ca === null || mode.startsWith('verify-'), {
    path: ['ca'],
    message: 'is given, and the mode verifies nothing: choose verify-ca or verify-full',
  })

export const connectionFieldsSchema = z.strictObject({
  engine: z.literal('postgres'),
  host,
  port: z.int().min(1).max(65_535).default(5432),
  database: identifier,
  user: identifier,
  tls: tls.default({ mode: 'verify-full', ca: null }),
})

export type ConnectionFields = z.infer<typeof connectionFieldsSchema>

export const connectionNameSchema = z
  .string()
  .min(1)
  .max(200)
  .refine((text) => !CONTROLS.test(text), 'holds a control character')

/** Throws CONNECTION_INVALID, which names the field and never repeats its value. */
export function readConnectionFields(value: unknown): ConnectionFields {
  return read(connectionFieldsSchema, value)
}

export function readConnectionName(value: unknown): string {
  return read(connectionNameSchema, value, 'name')
}

/** Bytes, because they can be wiped and a text cannot. */
export function checkPassword(password: Uint8Array): void {
  const fits =
    password.length >= 1 && password.length <= PASSWORD_BYTES_MAX && !password.includes(0)
  if (fits) return
  throw invalid('password', `has 1 to ${PASSWORD_BYTES_MAX} bytes, none of them zero`)
}

/** How a connection is shown, everywhere: it has no place for a secret. */
export function redactedUrl({
  engine,
  host: name,
  port,
  database,
  user,
}: ConnectionFields): string {
  const shown = isIP(name) === 6 ? `[${name}]` : name
  return `${engine}://${encodeURIComponent(user)}@${shown}:${port}/${encodeURIComponent(database)}`
}

function read<T>(schema: z.ZodType<T>, value: unknown, whole = 'connection'): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const field = issue?.path.join('.') || whole
  if (issue?.code === 'unrecognized_keys') {
    const keys = issue.keys.map((key) => displayName(key.slice(0, 100)))
    throw invalid(field, `may not have ${keys.join(', ')}`)
  }
  throw invalid(field, issue?.message ?? 'cannot be used')
}

function invalid(field: string, problem: string): SenseiError {
  return new SenseiError('CONNECTION_INVALID', `${field}: ${problem}`, { details: { field } })
}

/** A name whose last label is a number is an address in disguise (2130706433, 0x7f.1): only the plain spelling passes. */
function isHost(text: string): boolean {
  if (isIP(text) !== 0) return !text.includes('%')
  const labels = text.replace(/\.$/, '').split('.')
  const last = labels.at(-1) ?? ''
  return labels.every((label) => LABEL.test(label)) && !/^(\d+|0x[0-9a-f]*)$/i.test(last)
}

function areCertificates(pem: string): boolean {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g)
  if (blocks === null) return false
  const rest = blocks.reduce((text, block) => text.replace(block, ''), pem)
  try {
    for (const block of blocks) void new X509Certificate(block)
    return rest.trim() === ''
  } catch {
    return false
  }
}
