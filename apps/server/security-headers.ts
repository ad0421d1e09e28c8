/** Answers are data for programs: nothing of them may be run, framed, sniffed or kept by anybody on the way. */
import type { FastifyInstance } from 'fastify'

const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

export function addSecurityHeaders(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(headersOf(request))
  })
}

export function headersOf({ id }: { readonly id: string }): Record<string, string> {
  return { ...HEADERS, 'x-request-id': id }
}
