/**
 * `Idempotency-Key` on whatever makes something: the effect and its answer are one transaction, and the same request with
 * the same key gets that answer again, with a header that says so.
 */
import { createHmac } from 'node:crypto'
import type { Acting } from '@sensei/apps/pillars'
import { SenseiError } from '@sensei/core/errors'
import type { Json } from '@sensei/core/json'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { principalOf } from '../auth.ts'
import type { ServerParts } from '../parts.ts'

const HEADER = 'idempotency-key'

export async function once<T extends Json>(
  { platform, cursorKey }: Pick<ServerParts, 'platform' | 'cursorKey'>,
  request: FastifyRequest,
  reply: FastifyReply,
  effect: (acting: Acting) => Promise<T>,
): Promise<T> {
  const key = request.headers[HEADER]
  if (key === undefined) return effect(platform.acting)
  if (typeof key !== 'string')
    throw new SenseiError('REQUEST_INVALID', 'one Idempotency-Key, please')
  const { orgId, actor } = principalOf(request)
  const route = `${request.method} ${request.url.split('?', 1)[0]}`
  // Whoever asks is part of the request: an answer is not for somebody else who found the key.
  const content = { actor, body: withoutPassword((request.body ?? null) as Json, cursorKey) }
  const { response, replayed } = await platform.once({ orgId, route, key, content }, effect)
  if (replayed) reply.header('idempotent-replayed', 'true')
  return response
}

/** Of what is hashed, everything but a password can be known: its part takes a secret, so that none is found by trying. */
function withoutPassword(body: Json, secret: Buffer): Json {
  if (typeof body !== 'object' || body === null || !('password' in body)) return body
  const { password, ...rest } = body
  const mac = createHmac('sha256', secret).update(JSON.stringify(password)).digest('base64url')
  return { ...rest, password: password === null ? null : mac }
}
