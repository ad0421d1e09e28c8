/** `X-Request-Id` of the client where it is one, a new one otherwise; it is in the answer, the log and every problem. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

const SHAPE = /^[A-Za-z0-9._-]{1,128}$/

export function requestId(message: Pick<IncomingMessage, 'headers'>): string {
  const given = message.headers['x-request-id']
  return typeof given === 'string' && SHAPE.test(given) ? given : randomUUID()
}
