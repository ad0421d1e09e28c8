/** Migrations, to be read. */
import type { MigrationSummary } from '@sensei/apps/pillars'
import { openCursor, sealCursor } from '@sensei/core/cursor'
import { STATES } from '@sensei/core/lifecycle'
import { z } from 'zod'
import { principalOf } from '../auth.ts'
import type { ServerParts } from '../parts.ts'
import { sendVersioned } from '../preconditions.ts'
import { type App, idParams, instant, page, pageQuery, problems } from './resource.ts'

const endpoint = z.object({ engine: z.string(), url: z.string().describe('without its secrets') })

const migration = z
  .object({
    id: z.uuid(),
    status: z.enum(STATES),
    failed_in: z.string().nullable().describe('the phase in which it failed'),
    source: endpoint,
    target: endpoint,
    version: z.int(),
    created_at: instant,
    updated_at: instant,
  })
  .meta({ id: 'Migration' })

const lifecycleEvent = z
  .object({
    id: z.uuid(),
    version: z.int(),
    type: z.string(),
    status: z.string(),
    actor: z.string(),
    occurred_at: instant,
    payload: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'MigrationEvent' })

const position = z.tuple([z.string(), z.uuid()])

export function addMigrations(app: App, { platform, cursorKey }: ServerParts): void {
  const config = { access: 'migrations:read' } as const
  const tags = ['migrations']

  app.get(
    '/migrations',
    {
      config,
      schema: {
        operationId: 'listMigrations',
        summary: 'migrations, newest first',
        tags,
        querystring: z.strictObject({ ...pageQuery, status: z.enum(STATES).optional() }),
        response: { 200: page(migration), ...problems() },
      },
    },
    async (request) => {
      const { orgId } = principalOf(request)
      const { limit, cursor, status = null } = request.query
      const list = ['migrations', orgId, status]
      const after =
        cursor === undefined ? null : position.parse(openCursor(cursorKey, list, cursor))
      const { migrations, next } = await platform.migrations(orgId, { limit, after, state: status })
      return {
        data: migrations.map(shown),
        next_cursor: next === null ? null : sealCursor(cursorKey, list, [...next]),
      }
    },
  )

  app.get(
    '/migrations/:id',
    {
      config,
      schema: {
        operationId: 'getMigration',
        summary: 'one migration',
        tags,
        params: idParams,
        response: { 200: migration, ...problems(404) },
      },
    },
    async (request, reply) => {
      const found = await platform.journal(principalOf(request).orgId).get(request.params.id)
      return sendVersioned(request, reply, found.version, shown(found))
    },
  )

  app.get(
    '/migrations/:id/events',
    {
      config,
      schema: {
        operationId: 'listMigrationEvents',
        summary: 'what happened to a migration, in order',
        tags,
        params: idParams,
        response: { 200: z.object({ data: z.array(lifecycleEvent) }), ...problems(404) },
      },
    },
    async (request) => {
      const journal = platform.journal(principalOf(request).orgId)
      const events = await journal.events(request.params.id)
      // None at all: there is no such migration, and the journal says so.
      if (events.length === 0) await journal.get(request.params.id)
      return {
        data: events.map(({ id, version, type, state, actor, occurredAt, payload }) => ({
          id,
          version,
          type,
          status: state,
          actor,
          occurred_at: occurredAt,
          payload: { ...payload },
        })),
      }
    },
  )
}

function shown(one: MigrationSummary): z.infer<typeof migration> {
  const { id, state, failedIn, source, target, version, createdAt, updatedAt } = one
  return {
    id,
    status: state,
    failed_in: failedIn,
    source,
    target,
    version,
    created_at: createdAt,
    updated_at: updatedAt,
  }
}
