/** What the organization approved before says of the columns of a planned table. */
import type { PlannedColumn } from '@sensei/apps/pillars'
import { z } from 'zod'
import { principalOf } from '../auth.ts'
import type { ServerParts } from '../parts.ts'
import { pageOf } from './pages.ts'
import { type App, idParams, page, pageQuery, problems } from './resource.ts'

const mapping = { column: z.string(), type: z.string(), conversion: z.string() }

const suggestions = z
  .object({
    column: z.string().describe('in the source'),
    planned: z.object(mapping),
    suggestions: z
      .array(
        z.object({
          ...mapping,
          score: z.number().describe('from 0 to 1'),
          migrations: z.int().describe('in how many it was approved'),
        }),
      )
      .describe('the best one first, at most five'),
  })
  .meta({ id: 'Suggestions' })

export function addSuggestions(app: App, { platform, cursorKey }: ServerParts): void {
  app.get(
    '/migrations/:id/suggestions',
    {
      config: { access: 'migrations:read' },
      schema: {
        operationId: 'suggestMappings',
        summary:
          'mappings of the organization’s other migrations, for each column of a planned table',
        tags: ['plans'],
        params: idParams,
        querystring: z.strictObject({
          ...pageQuery,
          table: z.string().min(1).max(1_000).describe('by its name in the source'),
        }),
        response: { 200: page(suggestions), ...problems(404) },
      },
    },
    async (request) => {
      const { orgId } = principalOf(request)
      const { id } = request.params
      const { table, ...query } = request.query
      const found = await pageOf({
        key: cursorKey,
        scope: ['suggestions', orgId, id, table],
        query,
        position: z.int(),
        rows: (after, limit) =>
          platform.plans(orgId).columns(id, table, { limit, ...(after && { after }) }),
        positionOf: ({ number }) => number,
      })
      const columns = found.data.map(({ source: column, type }) => ({ column, type }))
      const answers = await platform.suggestions(orgId, { table, columns, exceptMigration: id })
      return { ...found, data: found.data.map((one, at) => shown(one, answers[at] ?? [])) }
    },
  )
}

type Suggested = z.infer<typeof suggestions>

function shown(
  { source, target, type, conversion }: PlannedColumn,
  answers: Readonly<Suggested['suggestions']>,
): Suggested {
  const planned = { column: target, type, conversion }
  return { column: source, planned, suggestions: [...answers] }
}
