/** ETag and If-Match, for what has a version: who changes something says which version the decision was made on. */
import { SenseiError } from '@sensei/core/errors'
import type { FastifyReply, FastifyRequest } from 'fastify'

export function etagOf(version: number | string): string {
  return `"${version}"`
}

/** The body with its ETag, or 304 for who has it already. */
export function sendVersioned<T>(
  { headers }: FastifyRequest,
  reply: FastifyReply,
  version: number | string,
  body: T,
): T | FastifyReply {
  reply.header('etag', etagOf(version))
  return headers['if-none-match'] === etagOf(version) ? reply.code(304).send() : body
}

/** The version that `If-Match` names. */
export function wantedVersion({ headers }: Pick<FastifyRequest, 'headers'>): number {
  const version = /^"(\d{1,9})"$/.exec(headers['if-match'] ?? '')?.[1]
  if (version !== undefined) return Number(version)
  throw new SenseiError('PRECONDITION_FAILED', 'If-Match takes the ETag of a former answer')
}
