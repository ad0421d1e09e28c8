/** Sums over what migrations left behind, in the transaction of the organization. */
import type { ReportName, ReportRows } from '@sensei/apps/pillars'
import { z } from 'zod'
import { principalOf } from '../auth.ts'
import type { ServerParts } from '../parts.ts'
import { type App, instant, problems } from './resource.ts'

const rows = {
  throughput: z.object({
    day: z.string(),
    source: z.string(),
    migrations: z.int(),
    chunks: z.int(),
    rows_written: z.number(),
    rows_rejected: z.number(),
  }),
  failures: z.object({
    code: z.string(),
    phase: z.string().nullable(),
    failures: z.int(),
    migrations: z.int(),
    unresolved: z.int().describe('of those migrations, how many are failed now'),
    latest_at: instant,
    latest_message: z.string().nullable(),
  }),
  phases: z.object({
    state: z.string(),
    source: z.string(),
    stays: z.int(),
    seconds: z.number(),
    seconds_median: z.number(),
    seconds_max: z.number(),
  }),
  rows: z.object({
    organization: z.string(),
    migrations: z.int(),
    tables: z.int(),
    rows_read: z.number(),
    rows_written: z.number(),
    rows_rejected: z.number(),
    certificates: z.int(),
  }),
} as const satisfies Record<ReportName, z.ZodType>

const SUMMARIES: Readonly<Record<ReportName, string>> = {
  throughput: 'rows by day and kind of source',
  failures: 'why migrations failed, the most frequent cause first',
  phases: 'how long migrations stayed in each state',
  rows: 'what the organization moved',
}

const OPERATIONS: Readonly<Record<ReportName, string>> = {
  throughput: 'reportThroughput',
  failures: 'reportFailures',
  phases: 'reportPhases',
  rows: 'reportRows',
}

const range = z.strictObject({
  since: z.string().max(40).optional().describe('ISO 8601; 30 days before `until` by default'),
  until: z.string().max(40).optional().describe('ISO 8601; now by default. A year at most'),
})

export function addReports(app: App, { platform }: ServerParts): void {
  for (const name of Object.keys(rows) as ReportName[]) {
    app.get(
      `/reports/${name}`,
      {
        config: { access: 'reports:read' },
        schema: {
          operationId: OPERATIONS[name],
          summary: SUMMARIES[name],
          tags: ['reports'],
          querystring: range,
          response: { 200: z.object({ data: z.array(rows[name]) }), ...problems() },
        },
      },
      async (request) => {
        const { since, until } = request.query
        const asked = { ...(since && { since }), ...(until && { until }) }
        const found = await platform.reports(principalOf(request).orgId).run(name, asked)
        return { data: found.map(shown) as never }
      },
    )
  }
}

/** The names of a report's columns, as the API writes names. */
function shown(row: ReportRows[ReportName]): object {
  const named = Object.entries(row).map(([name, value]) => [
    name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    value,
  ])
  return Object.fromEntries(named)
}
