/** The processes that worked on a migration, and what each of them knew of its work. */
import { z } from 'zod'
import { principalOf } from '../auth.ts'
import type { ServerParts } from '../parts.ts'
import { pageOf } from './pages.ts'
import { type App, idParams, instant, page, pageQuery, problems } from './resource.ts'

const agent = z
  .object({
    id: z.uuid(),
    role: z.string(),
    owner: z.string().describe('host and process'),
    outcome: z.enum(['working', 'done', 'failed', 'killed']),
    state: z.unknown().describe('what it wrote down of its work'),
    started_at: instant,
    updated_at: instant,
  })
  .meta({ id: 'Agent' })

export function addAgents(app: App, { platform, cursorKey }: ServerParts): void {
  app.get(
    '/migrations/:id/agents',
    {
      config: { access: 'migrations:read' },
      schema: {
        operationId: 'listAgents',
        summary: 'who worked on a migration, in the order in which they started',
        tags: ['migrations'],
        params: idParams,
        querystring: z.strictObject(pageQuery),
        response: { 200: page(agent), ...problems(404) },
      },
    },
    async (request) => {
      const { orgId } = principalOf(request)
      const { id } = request.params
      const found = await pageOf({
        key: cursorKey,
        scope: ['agents', orgId, id],
        query: request.query,
        position: z.tuple([z.string(), z.uuid()]),
        rows: (after, limit) => platform.agents(orgId).list(id, { limit, ...(after && { after }) }),
        positionOf: ({ place }) => place,
      })
      // None at all: there is no such migration, and the journal says so.
      if (found.data.length === 0) await platform.journal(orgId).get(id)
      const data = found.data.map(({ startedAt, updatedAt, place: _, ...rest }) => ({
        ...rest,
        started_at: startedAt,
        updated_at: updatedAt,
      }))
      return { ...found, data }
    },
  )
}
