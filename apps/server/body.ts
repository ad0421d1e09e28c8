/** Bodies are strict JSON of at most 1 MB: no key twice, no deep nesting, nothing but UTF-8. */
import { parseStrictJson } from '@sensei/core/strict-json'
import type { FastifyInstance } from 'fastify'

export const BODY_BYTES_MAX = 1024 * 1024

export function readStrictJson(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    const bytes = body as Buffer
    // A client that always names the type, and has nothing to say.
    if (bytes.length === 0) return done(null, undefined)
    try {
      done(null, parseStrictJson(bytes))
    } catch (error) {
      done(error as Error)
    }
  })
}
