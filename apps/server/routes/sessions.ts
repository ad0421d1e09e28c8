/** Sessions of people. The token goes into a cookie that no script reads; what a script gets is the CSRF token. */
import type { LoginSession } from '@sensei/apps/pillars'
import { SenseiError } from '@sensei/core/errors'
import type { BySession } from '@sensei/core/principal'
import { ROLES } from '@sensei/core/scopes'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { addressOf, csrfTokenOf, principalOf } from '../auth.ts'
import { endedCookie, sessionCookie } from '../cookies.ts'
import type { ServerParts } from '../parts.ts'
import { type App, idParams, instant, problems } from './resource.ts'

const session = z
  .object({
    id: z.uuid(),
    user_id: z.uuid(),
    created_at: instant,
    last_used_at: instant.describe('to the minute'),
    expires_at: instant,
    current: z.boolean(),
  })
  .meta({ id: 'Session' })

const login = z.strictObject({
  email: z.string().min(1).max(254),
  password: z.string().min(1).max(1_024),
  organization_id: z.uuid().optional().describe('the oldest membership where it is left out'),
})

const loggedIn = z
  .object({
    session,
    csrf_token: z.string().describe('goes into X-CSRF-Token of whatever changes something'),
    organization_id: z.uuid(),
    organizations: z.array(z.object({ id: z.uuid(), role: z.enum(ROLES) })),
  })
  .meta({ id: 'LoggedIn' })

export function addSessions(app: App, { platform, attempts }: ServerParts): void {
  const tags = ['sessions']
  const config = { access: 'anyone known' } as const

  app.post(
    '/sessions',
    {
      config: { access: 'anyone' },
      schema: {
        operationId: 'logIn',
        summary: 'begin a session',
        tags,
        security: [],
        body: login,
        response: { 201: loggedIn, ...problems(413, 415, 429) },
      },
    },
    async (request, reply) => {
      const { email, password, organization_id: wanted } = request.body
      const { userId, memberships } = await attempts.count(email, addressOf(request), () =>
        platform.acting.users.logIn(email, password),
      )
      const orgId = wanted ?? memberships[0]?.orgId
      // What somebody presents as his session is not looked at: a planted one stays worthless.
      if (orgId === undefined || !memberships.some((one) => one.orgId === orgId)) {
        throw new SenseiError('FORBIDDEN', 'this person is no member of that organization')
      }
      const { token, session: begun } = await platform.acting.sessions.start(orgId, userId)
      const seconds = Math.floor((Date.parse(begun.expiresAt) - Date.now()) / 1_000)
      return reply
        .code(201)
        .header('set-cookie', sessionCookie(token, seconds))
        .send({
          session: shown(begun, begun.id),
          csrf_token: csrfTokenOf(token),
          organization_id: orgId,
          organizations: memberships.map(({ orgId: id, role }) => ({ id, role })),
        })
    },
  )

  app.get(
    '/sessions',
    {
      config,
      schema: {
        operationId: 'listSessions',
        summary: "one's own sessions that are not over",
        tags,
        response: { 200: z.object({ data: z.array(session) }), ...problems() },
      },
    },
    async (request) => {
      const { id, userId } = personOf(request)
      const found = await platform.acting.sessions.list(principalOf(request), userId)
      return { data: found.map((one) => shown(one, id)) }
    },
  )

  app.delete(
    '/sessions/current',
    {
      config,
      schema: {
        operationId: 'logOut',
        summary: 'end this session',
        tags,
        response: { 204: z.null().describe('It is over.'), ...problems() },
      },
    },
    async (request, reply) => {
      await platform.acting.sessions.revoke(principalOf(request), personOf(request).id)
      return reply.code(204).header('set-cookie', endedCookie()).send(null)
    },
  )

  app.delete(
    '/sessions/:id',
    {
      config,
      schema: {
        operationId: 'revokeSession',
        summary: "end a session of one's own, or of anybody with members:write",
        tags,
        params: idParams,
        response: { 204: z.null().describe('It is over.'), ...problems(404) },
      },
    },
    async (request, reply) => {
      await platform.acting.sessions.revoke(principalOf(request), request.params.id)
      return reply.code(204).send(null)
    },
  )
}

function personOf(request: FastifyRequest): BySession {
  const { by } = principalOf(request)
  if (by.kind === 'session') return by
  throw new SenseiError('FORBIDDEN', 'a key has no sessions: this is for people')
}

function shown(one: LoginSession, current: string): z.infer<typeof session> {
  const { id, userId, createdAt, lastUsedAt, expiresAt } = one
  return {
    id,
    user_id: userId,
    created_at: createdAt,
    last_used_at: lastUsedAt,
    expires_at: expiresAt,
    current: id === current,
  }
}
