/** What the newest plans of an organization's migrations say together: what is not exact, and where it comes from. */
import { ENGINES } from '@sensei/core/survey'
import { z } from 'zod'
import { principalOf } from '../auth.ts'
import type { ServerParts } from '../parts.ts'
import { pageOf } from './pages.ts'
import { type App, page, pageQuery, problems } from './resource.ts'

const config = { access: 'migrations:read' } as const
const tags = ['plans']

const lossyMapping = z
  .object({
    migration_id: z.uuid(),
    plan_version: z.int(),
    table: z.string(),
    column: z.string().nullable(),
    type: z.string(),
    conversion: z.string(),
  })
  .meta({ id: 'LossyMapping' })

const tableLosses = z
  .object({
    migration_id: z.uuid(),
    plan_version: z.int(),
    table: z.string(),
    losses: z.array(z.string()).describe('as one accepts them'),
    rows: z.number().describe('touched, the sum over the losses'),
  })
  .meta({ id: 'TableLosses' })

const sourceMigrations = z
  .object({
    engine: z.string(),
    migrations: z.int(),
    completed: z.int(),
    failed: z.int(),
  })
  .meta({ id: 'SourceMigrations' })

export function addPlanQuestions(app: App, { platform, cursorKey }: ServerParts): void {
  app.get(
    '/plans/lossy-mappings',
    {
      config,
      schema: {
        operationId: 'listLossyMappings',
        summary: 'columns that are not carried exactly, of the newest plan of every migration',
        tags,
        querystring: z.strictObject(pageQuery),
        response: { 200: page(lossyMapping), ...problems() },
      },
    },
    async (request) => {
      const { orgId } = principalOf(request)
      const found = await pageOf({
        key: cursorKey,
        scope: ['lossy-mappings', orgId],
        query: request.query,
        position: z.tuple([z.uuid(), z.int(), z.int(), z.int()]),
        rows: (after, limit) =>
          platform.plans(orgId).lossyMappings({ limit, ...(after && { after }) }),
        positionOf: ({ place }) => place,
      })
      const data = found.data.map(({ migrationId, version, place: _, ...rest }) => ({
        migration_id: migrationId,
        plan_version: version,
        ...rest,
      }))
      return { ...found, data }
    },
  )

  app.get(
    '/plans/declared-losses',
    {
      config,
      schema: {
        operationId: 'listDeclaredLosses',
        summary: 'tables with declared losses, of the newest plan of every migration',
        tags,
        querystring: z.strictObject(pageQuery),
        response: { 200: page(tableLosses), ...problems() },
      },
    },
    async (request) => {
      const { orgId } = principalOf(request)
      const found = await pageOf({
        key: cursorKey,
        scope: ['declared-losses', orgId],
        query: request.query,
        position: z.tuple([z.uuid(), z.int(), z.int()]),
        rows: (after, limit) =>
          platform.plans(orgId).tablesWithLosses({ limit, ...(after && { after }) }),
        positionOf: ({ place }) => place,
      })
      const data = found.data.map(({ migrationId, version, losses, place: _, ...rest }) => ({
        migration_id: migrationId,
        plan_version: version,
        losses: [...losses],
        ...rest,
      }))
      return { ...found, data }
    },
  )

  app.get(
    '/plans/sources',
    {
      config,
      schema: {
        operationId: 'countMigrationsBySource',
        summary: 'migrations with a plan, by the kind of their source',
        tags,
        querystring: z.strictObject({ ...pageQuery, engine: z.enum(ENGINES).optional() }),
        response: { 200: page(sourceMigrations), ...problems() },
      },
    },
    async (request) => {
      const { orgId } = principalOf(request)
      const { engine, ...query } = request.query
      return pageOf({
        key: cursorKey,
        scope: ['plan-sources', orgId, engine ?? null],
        query,
        position: z.string(),
        rows: (after, limit) =>
          platform
            .plans(orgId)
            .migrationsBySource({ limit, ...(after !== undefined && { after }) }, engine),
        positionOf: (row) => row.engine,
      })
    },
  )
}
