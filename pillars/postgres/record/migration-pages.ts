/** Migrations of one organization, newest first, page by page along the index `migration_newest`. */
import type { State } from '@sensei/core/lifecycle'
import type { Tx } from '../door/door.ts'

/** To the microsecond, which a Date would drop: two migrations of one millisecond keep their order. */
export type MigrationPosition = readonly [createdAt: string, id: string]

export interface MigrationSummary {
  readonly id: string
  readonly source: { readonly engine: string; readonly url: string }
  readonly target: { readonly engine: string; readonly url: string }
  readonly state: State
  readonly failedIn: string | null
  readonly version: number
  readonly createdAt: string
  readonly updatedAt: string
}

export interface MigrationPage {
  readonly migrations: readonly MigrationSummary[]
  /** Null on the last page. */
  readonly next: MigrationPosition | null
}

export interface MigrationQuery {
  readonly limit: number
  readonly after: MigrationPosition | null
  readonly state: State | null
}

const PAGE = `
select m.id, m.status, m.failed_in, m.version, m.created_at, m.updated_at,
  to_char(m.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as position,
  s.engine as source_engine, s.url as source_url, t.engine as target_engine, t.url as target_url
from migration m
join connection s on s.org_id = m.org_id and s.id = m.source_id
join connection t on t.org_id = m.org_id and t.id = m.target_id
where m.org_id = $1 and ($2::text is null or m.status = $2)
  and ($3::timestamptz is null or m.created_at < $3 or m.created_at = $3 and m.id > $4::uuid)
order by m.created_at desc, m.id
limit $5`

interface Row {
  id: string
  status: State
  failed_in: string | null
  version: number
  created_at: Date
  updated_at: Date
  position: string
  source_engine: string
  source_url: string
  target_engine: string
  target_url: string
}

export async function migrationPage(
  tx: Tx,
  orgId: string,
  { limit, after, state }: MigrationQuery,
): Promise<MigrationPage> {
  const [createdAt, id] = after ?? [null, null]
  // One more than asked for tells whether there is a next page.
  const rows = await tx.query<Row>(PAGE, [orgId, state, createdAt, id, limit + 1])
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  const more = rows.length > limit && last !== undefined
  return { migrations: shown.map(toSummary), next: more ? [last.position, last.id] : null }
}

function toSummary(row: Row): MigrationSummary {
  return {
    id: row.id,
    source: { engine: row.source_engine, url: row.source_url },
    target: { engine: row.target_engine, url: row.target_url },
    state: row.status,
    failedIn: row.failed_in,
    version: row.version,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  }
}
