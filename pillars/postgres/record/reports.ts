/**
 * The reports of the platform: one statement each, joins and sums over what migrations left behind, in the tenant's own
 * transaction. Rows are counted from receipts, which stand for committed chunks; days are days in UTC.
 */
import { SenseiError } from '@sensei/core/errors'
import type { Door } from '../door/door.ts'

export const REPORTS = ['throughput', 'failures', 'phases', 'rows'] as const
export type ReportName = (typeof REPORTS)[number]

/** ISO dates or moments; the last 30 days where they are left out. */
export interface ReportRange {
  readonly since?: string
  readonly until?: string
}

export interface DayThroughput {
  readonly day: string
  readonly source: string
  readonly migrations: number
  readonly chunks: number
  readonly rowsWritten: number
  readonly rowsRejected: number
}

export interface FailureCause {
  readonly code: string
  readonly phase: string | null
  readonly failures: number
  readonly migrations: number
  /** Of those migrations, how many are failed now. */
  readonly unresolved: number
  readonly latestAt: string
  readonly latestMessage: string | null
}

export interface PhaseTime {
  readonly state: string
  readonly source: string
  readonly stays: number
  readonly seconds: number
  readonly secondsMedian: number
  readonly secondsMax: number
}

export interface OrganizationRows {
  readonly organization: string
  readonly migrations: number
  readonly tables: number
  readonly rowsRead: number
  readonly rowsWritten: number
  readonly rowsRejected: number
  readonly certificates: number
}

export interface ReportRows {
  readonly throughput: DayThroughput
  readonly failures: FailureCause
  readonly phases: PhaseTime
  readonly rows: OrganizationRows
}

/** $1 since, $2 until. 64-bit sums come as float8: a person reads them. */
export const REPORT_STATEMENTS: Readonly<Record<ReportName, string>> = {
  throughput: `
select to_char(r.recorded_at at time zone 'UTC', 'YYYY-MM-DD') as day, s.engine as source,
  count(distinct r.migration_id)::int as migrations, count(*)::int as chunks,
  sum(r.rows_written)::float8 as "rowsWritten", sum(r.rows_rejected)::float8 as "rowsRejected"
from receipt r
  join migration m on m.org_id = r.org_id and m.id = r.migration_id
  join connection s on s.org_id = m.org_id and s.id = m.source_id
where r.recorded_at >= $1 and r.recorded_at < $2 and r.kind = 'chunk'
group by 1, 2 order by 1 desc, 2`,
  failures: `
select coalesce(e.payload ->> 'code', 'UNKNOWN') as code, e.failed_in as phase, count(*)::int as failures,
  count(distinct e.migration_id)::int as migrations,
  count(distinct e.migration_id) filter (where m.status = 'failed')::int as unresolved,
  to_char(max(e.occurred_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "latestAt",
  (array_agg(e.payload ->> 'message' order by e.occurred_at desc))[1] as "latestMessage"
from migration_event e join migration m on m.org_id = e.org_id and m.id = e.migration_id
where e.type = 'migration.failed' and e.occurred_at >= $1 and e.occurred_at < $2
group by 1, 2 order by failures desc, code, phase`,
  phases: `
select w.status as state, s.engine as source, count(*)::int as stays,
  extract(epoch from sum(w.left_at - w.occurred_at))::float8 as seconds,
  extract(epoch from percentile_cont(0.5) within group (order by w.left_at - w.occurred_at))::float8
    as "secondsMedian",
  extract(epoch from max(w.left_at - w.occurred_at))::float8 as "secondsMax"
from (
  select e.org_id, e.migration_id, e.status, e.occurred_at,
    lead(e.occurred_at) over (partition by e.org_id, e.migration_id order by e.version) as left_at
  from migration_event e where e.occurred_at >= $1
) w
  join migration m on m.org_id = w.org_id and m.id = w.migration_id
  join connection s on s.org_id = m.org_id and s.id = m.source_id
where w.left_at is not null and w.occurred_at < $2
group by 1, 2 order by seconds desc, state, source`,
  rows: `
select o.slug as organization, count(distinct r.migration_id)::int as migrations,
  count(distinct (r.migration_id, r.table_name))::int as tables,
  coalesce(sum(r.rows_read), 0)::float8 as "rowsRead", coalesce(sum(r.rows_written), 0)::float8 as "rowsWritten",
  coalesce(sum(r.rows_rejected), 0)::float8 as "rowsRejected",
  (select count(*)::int from certificate c where c.org_id = o.id and c.created_at >= $1 and c.created_at < $2)
    as certificates
from organization o
  left join receipt r on r.org_id = o.id and r.kind = 'chunk' and r.recorded_at >= $1 and r.recorded_at < $2
group by o.id, o.slug order by o.slug`,
}

const DAY_MS = 86_400_000
const DAYS_MAX = 366
const DAYS_DEFAULT = 30

export class Reports {
  readonly #door: Door
  readonly #orgId: string

  constructor(door: Door, orgId: string) {
    this.#door = door
    this.#orgId = orgId
  }

  async run<N extends ReportName>(
    name: N,
    range: ReportRange = {},
  ): Promise<readonly ReportRows[N][]> {
    if (!REPORTS.includes(name)) throw invalid(`a report is one of ${REPORTS.join(', ')}`)
    const { since, until } = rangeOf(range, new Date())
    return this.#door.read(this.#orgId, (tx) =>
      tx.query<ReportRows[N] & object>(REPORT_STATEMENTS[name], [since, until]),
    )
  }
}

function rangeOf(
  range: ReportRange,
  now: Date,
): { readonly since: string; readonly until: string } {
  const until = range.until === undefined ? now.getTime() + DAY_MS : moment('until', range.until)
  const since =
    range.since === undefined ? until - DAYS_DEFAULT * DAY_MS : moment('since', range.since)
  if (until <= since) throw invalid('until lies after since')
  if (until - since > DAYS_MAX * DAY_MS) throw invalid(`a report spans at most ${DAYS_MAX} days`)
  return { since: new Date(since).toISOString(), until: new Date(until).toISOString() }
}

const MOMENT = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d))?$/

function moment(name: string, text: string): number {
  const time = MOMENT.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(time)) return time
  throw invalid(`${name} is a moment such as 2026-11-23 or 2026-11-23T06:00:00Z`)
}

function invalid(message: string): SenseiError {
  return new SenseiError('REQUEST_INVALID', message)
}
