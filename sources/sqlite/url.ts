/**
 * `sqlite:PATH` names a file and nothing else. SQLite's own URI syntax (`file:…?mode=rwc`, `vfs=…`) can create,
 * attach and reinterpret; none of it is reachable from here, because the path is always handed over as a path.
 */
import { resolve } from 'node:path'
import { SenseiError } from '@sensei/core/errors'

const SCHEME = 'sqlite:'

export interface SqliteAddress {
  /** The URL as it may be shown and stored: SQLite URLs hold no secret. */
  readonly url: string
  /** Absolute. */
  readonly path: string
}

export function parseSqliteUrl(url: string): SqliteAddress {
  if (!url.startsWith(SCHEME)) {
    throw invalid(url, `a SQLite URL starts with ${SCHEME}`)
  }
  const rest = url.slice(SCHEME.length)
  const path = withoutAuthority(url, rest)
  if (path === '') throw invalid(url, 'the path is missing')
  if (path.includes('\0')) throw invalid(url, 'the path holds a NUL character')
  if (/^file:/i.test(path)) throw invalid(url, 'SQLite URIs (file:…) are not accepted, only paths')
  if (path === ':memory:')
    throw invalid(url, 'a database in memory cannot be read by another process')
  return { url: `${SCHEME}${path}`, path: resolve(path) }
}

/** `sqlite:///abs` and `sqlite:/abs` are the same file; `sqlite://host/path` names a host that SQLite does not have. */
function withoutAuthority(url: string, rest: string): string {
  if (!rest.startsWith('//')) return rest
  const path = rest.slice(2)
  if (!path.startsWith('/')) {
    throw invalid(url, 'write sqlite:PATH or sqlite:///absolute/path; SQLite has no host')
  }
  return path
}

function invalid(url: string, why: string): SenseiError {
  return new SenseiError('URL_INVALID', `"${url}" is not a SQLite URL: ${why}`)
}
