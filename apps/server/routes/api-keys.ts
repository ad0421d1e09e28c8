/** API keys. The text of one is in the answer to its creation and nowhere else. */
import { randomUUIDv7 } from 'node:crypto'
import type { ApiKey } from '@sensei/apps/pillars'
import { KEY_MODES } from '@sensei/core/api-key'
import { SCOPES } from '@sensei/core/scopes'
import { z } from 'zod'
import { principalOf } from '../auth.ts'
import type { ServerParts } from '../parts.ts'
import { once } from './once.ts'
import { pageOf } from './pages.ts'
import { type App, idParams, instant, page, pageQuery, problems, repeatable } from './resource.ts'

const apiKey = z
  .object({
    id: z.uuid(),
    parent_id: z.uuid().nullable().describe('the key that made it, with which it ends'),
    name: z.string(),
    mode: z.enum(KEY_MODES),
    hint: z.string().describe('the last four digits of its random part'),
    scopes: z.array(z.enum(SCOPES)),
    allowed_ips: z.array(z.string()).describe('none: from anywhere'),
    created_by: z.string(),
    created_at: instant,
    expires_at: instant.nullable(),
    last_used_at: instant.nullable().describe('to the minute'),
    revoked_at: instant.nullable(),
  })
  .meta({ id: 'ApiKey' })

const madeKey = apiKey
  .extend({
    key: z
      .string()
      .nullable()
      .describe('its text, shown this once; null where the request was answered before'),
  })
  .meta({ id: 'MadeApiKey' })

const newKey = z.strictObject({
  name: z.string().min(1).max(200),
  scopes: z.array(z.enum(SCOPES)).min(1).max(SCOPES.length),
  allowed_ips: z.array(z.string().max(100)).max(100).default([]).describe('addresses and networks'),
  expires_at: z.iso.datetime({ offset: true }).nullable().default(null),
})

export function addApiKeys(app: App, parts: ServerParts): void {
  const { platform, cursorKey } = parts
  const tags = ['api-keys']
  const reads = { access: 'keys:read' } as const
  const writes = { access: 'keys:write' } as const

  app.get(
    '/api-keys',
    {
      config: reads,
      schema: {
        operationId: 'listApiKeys',
        summary: 'keys, by their ids; those that ended too',
        tags,
        querystring: z.strictObject(pageQuery),
        response: { 200: page(apiKey), ...problems() },
      },
    },
    async (request) => {
      const { orgId } = principalOf(request)
      const found = await pageOf({
        key: cursorKey,
        scope: ['api-keys', orgId],
        query: request.query,
        position: z.uuid(),
        rows: (after, limit) =>
          platform.acting.apiKeys.list(orgId, { limit, ...(after && { after }) }),
        positionOf: (row) => row.id,
      })
      return { ...found, data: found.data.map(shown) }
    },
  )

  app.post(
    '/api-keys',
    {
      config: writes,
      schema: {
        operationId: 'createApiKey',
        summary: 'make a key with no scope, address or day more than its maker has',
        tags,
        headers: repeatable,
        body: newKey,
        response: { 201: madeKey, ...problems(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const { name, scopes, allowed_ips: allowedIps, expires_at: end } = request.body
      const by = principalOf(request)
      const expiresAt = end === null ? null : new Date(end)
      const wanted = { name, scopes, allowedIps, expiresAt }
      // What is kept for a request that is sent again holds no secret: only who made the key here has its text.
      const texts = new Map<string, string>()
      const made = await once(parts, request, reply, async ({ apiKeys }) => {
        const { key, text } = await apiKeys.create(by, { ...wanted, id: randomUUIDv7() })
        texts.set(key.id, text)
        return shown(key)
      })
      return reply.code(201).send({ ...made, key: texts.get(made.id) ?? null })
    },
  )

  app.get(
    '/api-keys/:id',
    {
      config: reads,
      schema: {
        operationId: 'getApiKey',
        summary: 'one key',
        tags,
        params: idParams,
        response: { 200: apiKey, ...problems(404) },
      },
    },
    async (request) =>
      shown(await platform.acting.apiKeys.get(principalOf(request).orgId, request.params.id)),
  )

  app.delete(
    '/api-keys/:id',
    {
      config: writes,
      schema: {
        operationId: 'revokeApiKey',
        summary: 'end a key and all that were made by it, at once',
        tags,
        params: idParams,
        response: { 200: apiKey, ...problems(404) },
      },
    },
    async (request) =>
      shown(await platform.acting.apiKeys.revoke(principalOf(request), request.params.id)),
  )
}

function shown(key: ApiKey): z.infer<typeof apiKey> {
  return {
    id: key.id,
    parent_id: key.parentId,
    name: key.name,
    mode: key.mode,
    hint: key.hint,
    scopes: [...key.scopes],
    allowed_ips: [...key.allowedIps],
    created_by: key.createdBy,
    created_at: key.createdAt,
    expires_at: key.expiresAt,
    last_used_at: key.lastUsedAt,
    revoked_at: key.revokedAt,
  }
}
