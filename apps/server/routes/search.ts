/** What was logged and what was done, in full text: the words of a web search, never a query language of the database. */
import type { SearchHit } from '@sensei/apps/pillars'
import { LOG_LEVELS, type LogLevel } from '@sensei/core/log'
import { z } from 'zod'
import { principalOf } from '../auth.ts'
import type { ServerParts } from '../parts.ts'
import { type App, instant, page, pageQuery, problems } from './resource.ts'

const levels = z.enum(Object.keys(LOG_LEVELS) as [LogLevel, ...LogLevel[]])

const hit = {
  id: z.uuid(),
  at: instant,
  migration_id: z.uuid().nullable(),
  rank: z.number(),
  highlight: z
    .array(z.object({ text: z.string(), match: z.boolean() }))
    .describe('the entry as a line of text, cut where its words match'),
}

const logHit = z
  .object({
    ...hit,
    level: levels,
    component: z.string(),
    message: z.string(),
    fields: z.unknown(),
  })
  .meta({ id: 'LogEntry' })

const auditHit = z
  .object({ ...hit, actor: z.string(), action: z.string(), detail: z.unknown() })
  .meta({ id: 'AuditEntry' })

const shared = {
  ...pageQuery,
  q: z.string().max(1_000).optional().describe('words, "a phrase", or, -without'),
  since: z.string().max(40).optional().describe('ISO 8601, inclusive'),
  until: z.string().max(40).optional().describe('ISO 8601, exclusive'),
  migration_id: z.uuid().optional(),
  sort: z.enum(['newest', 'rank']).default('newest').describe('rank: of the newest 1,000 matches'),
}

const exact = z.string().min(1).max(200).optional()

export function addSearch(app: App, { platform, cursorKey }: ServerParts): void {
  app.get(
    '/logs',
    {
      config: { access: 'logs:read' },
      schema: {
        operationId: 'searchLogs',
        summary: 'log entries',
        tags: ['logs'],
        querystring: z.strictObject({
          ...shared,
          level: levels.optional().describe('this one or a graver one'),
          component: exact,
        }),
        response: { 200: page(logHit), ...problems() },
      },
    },
    async (request) => {
      const { level, component, ...rest } = request.query
      const asked = { kind: 'log', ...asSearch(rest), ...given({ level, component }) } as const
      const { orgId } = principalOf(request)
      const { hits, next } = await platform.search(orgId, cursorKey).page(asked)
      const data = hits.flatMap((one) => (one.kind === 'log' ? [shownLog(one)] : []))
      return { data, next_cursor: next }
    },
  )

  app.get(
    '/audit-log',
    {
      config: { access: 'audit:read' },
      schema: {
        operationId: 'searchAuditLog',
        summary: 'who did what',
        tags: ['audit'],
        querystring: z.strictObject({ ...shared, actor: exact, action: exact }),
        response: { 200: page(auditHit), ...problems() },
      },
    },
    async (request) => {
      const { actor, action, ...rest } = request.query
      const asked = { kind: 'audit', ...asSearch(rest), ...given({ actor, action }) } as const
      const { orgId } = principalOf(request)
      const { hits, next } = await platform.search(orgId, cursorKey).page(asked)
      const data = hits.flatMap((one) => (one.kind === 'audit' ? [shownAudit(one)] : []))
      return { data, next_cursor: next }
    },
  )
}

interface Asked {
  readonly q?: string | undefined
  readonly since?: string | undefined
  readonly until?: string | undefined
  readonly migration_id?: string | undefined
  readonly sort: 'newest' | 'rank'
  readonly limit: number
  readonly cursor?: string | undefined
}

function asSearch({ q: text, migration_id: migrationId, ...rest }: Asked) {
  return { ...given({ text, migrationId }), ...given(rest) }
}

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

function given<T extends object>(fields: T): Given<T> {
  const known = Object.entries(fields).filter(([, value]) => value !== undefined)
  return Object.fromEntries(known) as Given<T>
}

function shownLog(one: Extract<SearchHit, { kind: 'log' }>): z.infer<typeof logHit> {
  const { level, component, message, fields } = one
  return { ...shown(one), level: level as LogLevel, component, message, fields }
}

function shownAudit(one: Extract<SearchHit, { kind: 'audit' }>): z.infer<typeof auditHit> {
  const { actor, action, detail } = one
  return { ...shown(one), actor, action, detail }
}

function shown({ id, at, migrationId, rank, highlight }: SearchHit) {
  return { id, at, migration_id: migrationId, rank, highlight: [...highlight] }
}
