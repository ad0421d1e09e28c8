/**
 * /healthz: this process answers. /readyz: it can serve, which is a matter of PostgreSQL alone, and of not being about to
 * stop. What a load balancer asks every second must not be queued behind what clients ask: an answer counts as missing
 * after a second.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'

const ANSWER_MS_MAX = 1_000

export interface Readiness {
  readonly draining: () => boolean
  /** Asks PostgreSQL something. */
  readonly ping: () => Promise<void>
}

const checks = z.object({
  status: z.enum(['ready', 'draining', 'unavailable']),
  checks: z.object({ postgresql: z.enum(['ok', 'unavailable']) }),
})

export function addHealthRoutes(app: FastifyInstance, { draining, ping }: Readiness): void {
  const config = { access: 'anyone' } as const
  app.get(
    '/healthz',
    {
      config,
      schema: {
        operationId: 'getHealth',
        summary: 'whether the process answers',
        tags: ['health'],
        security: [],
        response: { 200: z.object({ status: z.literal('ok') }) },
      },
    },
    () => ({ status: 'ok' }),
  )
  app.get(
    '/readyz',
    {
      config,
      schema: {
        operationId: 'getReadiness',
        summary: 'whether requests can be served',
        tags: ['health'],
        security: [],
        response: { 200: checks, 503: checks },
      },
    },
    async (_request, reply) => {
      const answers = await answersInTime(ping)
      const status = draining() ? 'draining' : answers ? 'ready' : 'unavailable'
      if (status !== 'ready') reply.code(503)
      return { status, checks: { postgresql: answers ? 'ok' : 'unavailable' } }
    },
  )
}

async function answersInTime(ping: () => Promise<void>): Promise<boolean> {
  const asked = ping().then(
    () => true,
    () => false,
  )
  const late = new AbortController()
  const waited = sleep(ANSWER_MS_MAX, false, { signal: late.signal, ref: false }).catch(() => false)
  const answer = await Promise.race([asked, waited])
  late.abort()
  return answer
}
