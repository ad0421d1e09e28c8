/**
 * What an error of PostgreSQL means to a migration. The question that matters most is whether a row is to blame:
 * only then is a chunk bisected. Everything else either passes with time or needs a person.
 */
import { SenseiError } from '@sensei/core/errors'
import { DatabaseError } from 'pg'

/** SQLSTATE of an error of the server; null for one of the network or of our own. */
export function sqlstate(error: unknown): string | null {
  return error instanceof DatabaseError ? (error.code ?? null) : null
}

/** A file format error means that the reader and the plan disagree: no single row is to blame for it. */
const NOT_A_ROW = new Set(['22P04', '54001', '54023'])

/** True when the server refuses the data: a value, a constraint, a row too large, a trigger that raised. */
export function blamesRow(error: unknown): boolean {
  const code = sqlstate(error)
  if (code === null || NOT_A_ROW.has(code)) return false
  return /^(22|23|44|54)/.test(code) || code === 'P0001'
}

/** True when nothing can be said about what the server did: the connection is gone, or about to go. */
export function losesConnection(error: unknown): boolean {
  if (!(error instanceof DatabaseError)) return !(error instanceof SenseiError)
  return (
    error.severity === 'FATAL' || error.severity === 'PANIC' || /^(08|57P0)/.test(error.code ?? '')
  )
}

const PASSES = /^(08|40|53|55P03|55006|57|58)/

/** The typed error for one of PostgreSQL's or of the network; `doing` completes "while …". */
export function targetError(error: unknown, doing: string): SenseiError {
  if (error instanceof SenseiError) return error
  const code = sqlstate(error)
  const text = error instanceof Error ? error.message : String(error)
  const options = { cause: error, details: { sqlstate: code } }
  if (code === null) {
    const message = `The connection to the target was lost while ${doing} (${text}); try again`
    return new SenseiError('TARGET_UNREACHABLE', message, options)
  }
  if (code === '53100') {
    const message = `The target has no disk space left (while ${doing}): free some, then resume`
    return new SenseiError('DISK_SPACE', message, options)
  }
  if (code === '42501') {
    const message = `The target's role lacks a privilege (while ${doing}): ${text}`
    return new SenseiError('TARGET_PRIVILEGE_MISSING', message, options)
  }
  if (PASSES.test(code)) {
    const message = `The target could not go on while ${doing} (${code}: ${text}); try again`
    return new SenseiError('TARGET_UNREACHABLE', message, options)
  }
  return new SenseiError(
    'TARGET_REFUSED',
    `The target refused ${doing} (${code}: ${text})`,
    options,
  )
}

/** The typed error of a connect that failed; never with a secret in it. */
export function connectError(
  error: unknown,
  where: { host: string; port: number; user: string; database: string },
): SenseiError {
  if (error instanceof SenseiError) return error
  const place = `${where.host}:${where.port}`
  const code = sqlstate(error) ?? (error as NodeJS.ErrnoException).code ?? null
  const text = error instanceof Error ? error.message : String(error)
  return new SenseiError('TARGET_UNREACHABLE', explain(code, text, place, where), {
    details: { host: where.host, port: where.port, code },
  })
}

function explain(
  code: string | null,
  text: string,
  place: string,
  where: { user: string; database: string },
): string {
  if (code === '28P01' || code === '28000' || /password must be a string/i.test(text)) {
    return (
      `PostgreSQL at ${place} refused the login of "${where.user}": set SENSEI_TARGET_PASSWORD, ` +
      'or write the password into ~/.pgpass (mode 0600)'
    )
  }
  if (code === '3D000') {
    return `PostgreSQL at ${place} has no database "${where.database}": create it with CREATE DATABASE`
  }
  if (code === '53300') {
    return `PostgreSQL at ${place} has no connection left: raise max_connections or use fewer --workers`
  }
  if (code === '57P03') return `PostgreSQL at ${place} is starting or stopping; try again`
  if (/SSL|certificate|self.signed|unable to verify/i.test(text)) {
    return `No TLS connection with PostgreSQL at ${place}: ${text}. Check sslmode and sslrootcert`
  }
  return `Cannot reach PostgreSQL at ${place} (${text || code}): check host, port and that it runs`
}
