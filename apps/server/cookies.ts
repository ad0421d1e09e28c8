/**
 * The session's cookie. Its name's prefix makes browsers refuse it without `Secure`, with a domain, or from another path;
 * no script reads it, and no other site's page makes a browser send it.
 */
export const SESSION_COOKIE = '__Host-sensei_session'

const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict'

export function sessionCookie(token: string, maxAgeSeconds: number): string {
  return `${SESSION_COOKIE}=${token}; ${ATTRIBUTES}; Max-Age=${maxAgeSeconds}`
}

export function endedCookie(): string {
  return `${SESSION_COOKIE}=; ${ATTRIBUTES}; Max-Age=0`
}

/** Null where there is none; where there are two of the name, somebody planted one, and neither counts. */
export function sessionTokenIn(header: string | undefined): string | null {
  const found = (header ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${SESSION_COOKIE}=`))
  const [only] = found
  return found.length === 1 && only !== undefined ? only.slice(SESSION_COOKIE.length + 1) : null
}
