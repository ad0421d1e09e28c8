/** The versions of a migration's plan, and what changed between two. A version never changes, so its hash is its ETag. */
import type { PlanVersion } from '@sensei/apps/pillars'
import { z } from 'zod'
import { principalOf } from '../auth.ts'
import type { ServerParts } from '../parts.ts'
import { sendVersioned } from '../preconditions.ts'
import { pageOf } from './pages.ts'
import { type App, idParams, instant, page, pageQuery, problems } from './resource.ts'

const config = { access: 'migrations:read' } as const
const tags = ['plans']

const planVersion = z
  .object({ version: z.int(), hash: z.string().describe('of its content'), created_at: instant })
  .meta({ id: 'PlanVersion' })

const plan = planVersion
  .extend({ plan: z.record(z.string(), z.unknown()).describe('docs/schemas/plan.schema.json') })
  .meta({ id: 'Plan' })

const names = z.array(z.string())
const changes = z.array(
  z.object({ field: z.string(), before: z.string(), after: z.string() }).describe('both as JSON'),
)

const planDiff = z
  .object({
    from: z.int(),
    to: z.int(),
    tables: z.object({
      added: names,
      removed: names,
      changed: z.array(
        z.object({
          source: z.string(),
          changes,
          columns: z.object({
            added: names,
            removed: names,
            changed: z.array(z.object({ column: z.string(), changes })),
          }),
        }),
      ),
    }),
    losses: z.object({
      added: names,
      removed: names,
      resized: z
        .array(z.object({ loss: z.string(), before: z.number(), after: z.number() }))
        .describe('the same loss of another number of rows'),
    }),
    skipped: z.object({ added: names, removed: names }),
    settings: changes,
  })
  .meta({ id: 'PlanDiff' })

const versionNumber = z
  .string()
  .regex(/^[1-9]\d{0,8}$/, 'a whole number from 1')
  .transform(Number)

const versionParams = idParams.extend({ version: versionNumber.meta({ type: 'integer' }) })

export function addPlans(app: App, { platform, cursorKey }: ServerParts): void {
  app.get(
    '/migrations/:id/plans',
    {
      config,
      schema: {
        operationId: 'listPlans',
        summary: 'the versions of a migration’s plan, the oldest first',
        tags,
        params: idParams,
        querystring: z.strictObject(pageQuery),
        response: { 200: page(planVersion), ...problems(404) },
      },
    },
    async (request) => {
      const { orgId } = principalOf(request)
      const { id } = request.params
      const found = await pageOf({
        key: cursorKey,
        scope: ['plans', orgId, id],
        query: request.query,
        position: z.int(),
        rows: (after, limit) =>
          platform.plans(orgId).versions(id, { limit, ...(after && { after }) }),
        positionOf: ({ version }) => version,
      })
      // None at all: there is no such migration, and the journal says so; or it has no plan yet.
      if (found.data.length === 0) await platform.journal(orgId).get(id)
      return { ...found, data: found.data.map(shownVersion) }
    },
  )

  app.get(
    '/migrations/:id/plans/:version',
    {
      config,
      schema: {
        operationId: 'getPlan',
        summary: 'one version, which never changes',
        tags,
        params: versionParams,
        response: { 200: plan, ...problems(404) },
      },
    },
    async (request, reply) => {
      const { id, version } = request.params
      const found = await platform.plans(principalOf(request).orgId).get(id, version)
      const body = { ...shownVersion(found), plan: { ...found.plan } }
      return sendVersioned(request, reply, found.hash, body)
    },
  )

  app.get(
    '/migrations/:id/plans/:version/diff',
    {
      config,
      schema: {
        operationId: 'diffPlans',
        summary: 'what changed from another version to this one',
        tags,
        params: versionParams,
        querystring: z.strictObject({ from: versionNumber.meta({ type: 'integer' }) }),
        response: { 200: planDiff, ...problems(404) },
      },
    },
    async (request, reply) => {
      const { id, version: to } = request.params
      const { from } = request.query
      const plans = platform.plans(principalOf(request).orgId)
      const { hashes, diff } = await plans.diff(id, from, to)
      const body = { from, to, ...diff } as z.infer<typeof planDiff>
      return sendVersioned(request, reply, hashes.join('..'), body)
    },
  )
}

function shownVersion(one: PlanVersion): z.infer<typeof planVersion> {
  const { version, hash, createdAt } = one
  return { version, hash, created_at: createdAt }
}
