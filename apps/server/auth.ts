/**
 * Who asks. An API key in `Authorization: Bearer`, or the cookie of a session, and for whatever changes something by a
 * session its CSRF token in a header: a page of another site can make a browser send the cookie and cannot read the token.
 *
 * Every route says what it needs (`config.access`), and one that does not say so is not served. What is needed is asked
 * before the body is read.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import { readApiKey } from '@sensei/core/api-key'
import { SenseiError } from '@sensei/core/errors'
import type { Principal } from '@sensei/core/principal'
import { requireScope, type Scope } from '@sensei/core/scopes'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { sessionTokenIn } from './cookies.ts'
import { holdsKey } from './log.ts'
import type { ServerParts } from './parts.ts'

/** A scope; any valid credential, whatever its scopes; or none at all. */
export type Access = Scope | 'anyone known' | 'anyone'

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access
  }
  interface FastifyRequest {
    principal: Principal | null
  }
}

const CSRF_HEADER = 'x-csrf-token'
const READS = new Set(['GET', 'HEAD', 'OPTIONS'])

export function authenticateRequests(
  app: FastifyInstance,
  { platform }: Pick<ServerParts, 'platform'>,
): void {
  app.decorateRequest('principal', null)
  app.addHook('onRoute', ({ url, config, method }) => {
    if (config?.access !== undefined) return
    throw new SenseiError('INTERNAL', `${String(method)} ${url} does not say who may ask`)
  })
  app.addHook('onRequest', async (request) => {
    const { access } = request.routeOptions.config
    // What no route serves is told to anyone.
    if (access === undefined || access === 'anyone') return
    request.principal = await whoAsks(request, platform)
    if (access !== 'anyone known') requireScope(request.principal.scopes, access)
  })
}

export function principalOf({ principal }: FastifyRequest): Principal {
  if (principal !== null) return principal
  throw new SenseiError('INTERNAL', 'a route for anyone asked who it is')
}

async function whoAsks(
  request: FastifyRequest,
  platform: ServerParts['platform'],
): Promise<Principal> {
  const { authorization, cookie } = request.headers
  if (authorization !== undefined) {
    const text = /^Bearer ([!-~]{1,200})$/i.exec(authorization)?.[1] ?? ''
    // Judged without a database: a flood of made-up keys costs it nothing.
    const key = readApiKey(text)
    if (key === null) throw unauthenticated()
    return platform.acting.apiKeys.authenticate(text, addressOf(request))
  }
  const token = sessionTokenIn(cookie)
  if (token === null) throw unauthenticated()
  const principal = await platform.acting.sessions.authenticate(token)
  if (!READS.has(request.method)) requireCsrfToken(request, token)
  return principal
}

function unauthenticated(): SenseiError {
  return new SenseiError('UNAUTHENTICATED', 'send a valid API key as "Authorization: Bearer …"')
}

/** The peer's, or through trusted proxies only what they say. What is no address is in no list of allowed ones. */
export function addressOf({ ip }: FastifyRequest): string {
  return isIP(ip) > 0 ? ip : 'unknown'
}

/** A function of the session's own secret, so that nothing has to be kept for it. */
export function csrfTokenOf(sessionToken: string): string {
  return createHash('sha256').update(`csrf:${sessionToken}`).digest('base64url')
}

function requireCsrfToken({ headers }: FastifyRequest, sessionToken: string): void {
  const given = headers[CSRF_HEADER]
  const wanted = Buffer.from(csrfTokenOf(sessionToken))
  const offered = Buffer.from(typeof given === 'string' ? given : '')
  if (offered.length === wanted.length && timingSafeEqual(offered, wanted)) return
  throw new SenseiError(
    'FORBIDDEN',
    `a session changes things only with its token in ${CSRF_HEADER}, as the answer to the login gave it`,
  )
}

/** An address stands in histories, referrers and the logs of every proxy: a key in one is no secret any more. */
export function refuseKeysInAddresses(app: FastifyInstance): void {
  app.addHook('onRequest', async ({ url }) => {
    if (!holdsKey(url)) return
    throw new SenseiError(
      'REQUEST_INVALID',
      'an API key does not belong into an address: send it as "Authorization: Bearer …", and revoke this one',
    )
  })
}
