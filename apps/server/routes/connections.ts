/** Where databases are, in fields, never as a text that something else would read. A password comes in and never goes out. */
import { randomUUIDv7 } from 'node:crypto'
import type { StoredConnection } from '@sensei/apps/pillars'
import { connectionFieldsSchema, connectionNameSchema } from '@sensei/core/connection-fields'
import { isSenseiError, SenseiError } from '@sensei/core/errors'
import { z } from 'zod'
import { principalOf } from '../auth.ts'
import type { ServerParts } from '../parts.ts'
import { etagOf, sendVersioned, wantedVersion } from '../preconditions.ts'
import { once } from './once.ts'
import { pageOf } from './pages.ts'
import { type App, idParams, instant, page, pageQuery, problems, repeatable } from './resource.ts'

const connection = z
  .object({
    id: z.uuid(),
    name: z.string(),
    fields: connectionFieldsSchema,
    url: z.string().describe('the same for eyes, without any secret'),
    has_password: z.boolean(),
    version: z.int(),
    created_at: instant,
    updated_at: instant,
  })
  .meta({ id: 'Connection' })

const password = z.string().min(1).max(1_000)

const newConnection = z.strictObject({
  name: connectionNameSchema,
  fields: connectionFieldsSchema,
  password: password.nullable().default(null),
})

const change = z.strictObject({
  name: connectionNameSchema.optional(),
  fields: connectionFieldsSchema.optional(),
  password: password.nullable().optional().describe('null takes it away'),
})

const conditional = z.object({
  'if-match': z.string().describe('the ETag of the version that is to be changed'),
})

export function addConnections(app: App, parts: ServerParts): void {
  const { platform, cursorKey } = parts
  const tags = ['connections']
  const reads = { access: 'connections:read' } as const
  const writes = { access: 'connections:write' } as const

  app.get(
    '/connections',
    {
      config: reads,
      schema: {
        operationId: 'listConnections',
        summary: 'connections, the oldest first',
        tags,
        querystring: z.strictObject(pageQuery),
        response: { 200: page(connection), ...problems() },
      },
    },
    async (request) => {
      const by = principalOf(request)
      const found = await pageOf({
        key: cursorKey,
        scope: ['connections', by.orgId],
        query: request.query,
        position: z.uuid(),
        rows: (after, limit) =>
          platform.acting.connections.list(by, { limit, ...(after && { after }) }),
        positionOf: (row) => row.id,
      })
      return { ...found, data: found.data.map(shown) }
    },
  )

  app.post(
    '/connections',
    {
      config: writes,
      schema: {
        operationId: 'createConnection',
        summary: 'keep where a database is',
        tags,
        headers: repeatable,
        body: newConnection,
        response: { 201: connection, ...problems(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const by = principalOf(request)
      const { password: secret, ...wanted } = request.body
      const made = await once(parts, request, reply, async ({ connections }) =>
        shown(
          await connections.create(by, {
            ...wanted,
            id: randomUUIDv7(),
            password: secret === null ? null : Buffer.from(secret),
          }),
        ),
      )
      return reply.code(201).header('etag', etagOf(made.version)).send(made)
    },
  )

  app.get(
    '/connections/:id',
    {
      config: reads,
      schema: {
        operationId: 'getConnection',
        summary: 'one connection',
        tags,
        params: idParams,
        response: { 200: connection, ...problems(404) },
      },
    },
    async (request, reply) => {
      const found = await platform.acting.connections.get(principalOf(request), request.params.id)
      return sendVersioned(request, reply, found.version, shown(found))
    },
  )

  app.patch(
    '/connections/:id',
    {
      config: writes,
      schema: {
        operationId: 'changeConnection',
        summary: 'change it; another server or user needs the password again',
        tags,
        params: idParams,
        headers: conditional,
        body: change,
        response: { 200: connection, ...problems(404, 409, 412, 413, 415) },
      },
    },
    async (request, reply) => {
      const { name, fields, password: secret } = request.body
      const wanted = {
        ...(name === undefined ? {} : { name }),
        ...(fields === undefined ? {} : { fields }),
        ...(secret === undefined ? {} : { password: secret === null ? null : Buffer.from(secret) }),
      }
      const version = wantedVersion(request)
      const changed = await unlessChanged(() =>
        platform.acting.connections.update(principalOf(request), request.params.id, {
          version,
          change: wanted,
        }),
      )
      return reply.header('etag', etagOf(changed.version)).send(shown(changed))
    },
  )

  app.delete(
    '/connections/:id',
    {
      config: writes,
      schema: {
        operationId: 'removeConnection',
        summary: 'forget it and its password',
        tags,
        params: idParams,
        response: { 204: z.null().describe('It is gone.'), ...problems(404) },
      },
    },
    async (request, reply) => {
      await platform.acting.connections.remove(principalOf(request), request.params.id)
      return reply.code(204).send(null)
    },
  )
}

/** Who said on which version he decided is told that this was the condition. */
async function unlessChanged<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isSenseiError(error, 'VERSION_CONFLICT')) throw error
    throw new SenseiError('PRECONDITION_FAILED', error.message, { cause: error })
  }
}

function shown(one: StoredConnection): z.infer<typeof connection> {
  const { id, name, fields, url, hasPassword, version, createdAt, updatedAt } = one
  return {
    id,
    name,
    fields,
    url,
    has_password: hasPassword,
    version,
    created_at: createdAt,
    updated_at: updatedAt,
  }
}
