/** Who belongs to the organization, and as what. */
import { randomUUIDv7 } from 'node:crypto'
import type { Member } from '@sensei/apps/pillars'
import { ROLES } from '@sensei/core/scopes'
import { z } from 'zod'
import { principalOf } from '../auth.ts'
import type { ServerParts } from '../parts.ts'
import { once } from './once.ts'
import { pageOf } from './pages.ts'
import { type App, idParams, instant, page, pageQuery, problems, repeatable } from './resource.ts'

const member = z
  .object({
    id: z.uuid(),
    email: z.string(),
    name: z.string(),
    role: z.enum(ROLES),
    created_at: instant,
  })
  .meta({ id: 'Member' })

const newMember = z.strictObject({
  email: z.string().min(3).max(254),
  name: z.string().min(1).max(200),
  role: z.enum(ROLES),
  password: z
    .string()
    .max(1_024)
    .optional()
    .describe('of a person who is new here; who has one already keeps it'),
})

export function addMembers(app: App, parts: ServerParts): void {
  const { platform, cursorKey } = parts
  const tags = ['members']
  const reads = { access: 'members:read' } as const
  const writes = { access: 'members:write' } as const

  app.get(
    '/members',
    {
      config: reads,
      schema: {
        operationId: 'listMembers',
        summary: 'members, by their ids',
        tags,
        querystring: z.strictObject(pageQuery),
        response: { 200: page(member), ...problems() },
      },
    },
    async (request) => {
      const { orgId } = principalOf(request)
      const found = await pageOf({
        key: cursorKey,
        scope: ['members', orgId],
        query: request.query,
        position: z.uuid(),
        rows: (after, limit) =>
          platform.acting.users.list(orgId, { limit, ...(after && { after }) }),
        positionOf: (row) => row.userId,
      })
      return { ...found, data: found.data.map(shown) }
    },
  )

  app.post(
    '/members',
    {
      config: writes,
      schema: {
        operationId: 'addMember',
        summary: 'make somebody a member',
        tags,
        headers: repeatable,
        body: newMember,
        response: { 201: member, ...problems(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const { password = null, ...wanted } = request.body
      const by = principalOf(request)
      const added = await once(parts, request, reply, async ({ users }) =>
        shown(await users.add(by, { ...wanted, password, userId: randomUUIDv7() })),
      )
      return reply.code(201).send(added)
    },
  )

  app.get(
    '/members/:id',
    {
      config: reads,
      schema: {
        operationId: 'getMember',
        summary: 'one member',
        tags,
        params: idParams,
        response: { 200: member, ...problems(404) },
      },
    },
    async (request) =>
      shown(await platform.acting.users.get(principalOf(request).orgId, request.params.id)),
  )

  app.patch(
    '/members/:id',
    {
      config: writes,
      schema: {
        operationId: 'changeMemberRole',
        summary: 'give a member another role',
        tags,
        params: idParams,
        body: z.strictObject({ role: z.enum(ROLES) }),
        response: { 200: member, ...problems(404, 409, 413, 415) },
      },
    },
    async (request) => {
      const { params, body } = request
      return shown(
        await platform.acting.users.changeRole(principalOf(request), params.id, body.role),
      )
    },
  )

  app.delete(
    '/members/:id',
    {
      config: writes,
      schema: {
        operationId: 'removeMember',
        summary: 'end a membership, and the sessions under it',
        tags,
        params: idParams,
        response: { 204: z.null().describe('It is over.'), ...problems(404, 409) },
      },
    },
    async (request, reply) => {
      await platform.acting.users.remove(principalOf(request), request.params.id)
      return reply.code(204).send(null)
    },
  )
}

function shown({ userId, email, name, role, createdAt }: Member): z.infer<typeof member> {
  return { id: userId, email, name, role, created_at: createdAt }
}
