/** Reads the audit history as the chain sees it: row and link at each position, in order, in pages. */
import type { AuditRow, ChainEntry } from '@sensei/core/audit-chain'

/** One statement on some connection: the door's, or a service's own. */
export type Query = <R extends object>(text: string, values: readonly unknown[]) => Promise<R[]>

const PAGE_ROWS = 2_000

/**
 * Positions come from both tables, so that nothing is missed which only one of them still has. Each branch is limited
 * by itself: the smallest of both are among the smallest of each.
 */
const PAGE = `
with place as (
  (select position from audit_position where org_id = $1 and position > $2 order by position limit $3)
  union
  (select position from audit_chain where org_id = $1 and position > $2 order by position limit $3)
  order by position limit $3
)
select place.position, a.id, a.migration_id, a.version::text, a.actor, a.action, a.detail::text,
  extract(epoch from a.recorded_at)::text as recorded_at, c.hash
from place
left join audit_position p on p.org_id = $1 and p.position = place.position
left join audit_log a on a.org_id = $1 and a.id = p.audit_id
left join audit_chain c on c.org_id = $1 and c.position = place.position
order by place.position`

interface EntryRow {
  readonly position: string
  readonly id: string | null
  readonly migration_id: string | null
  readonly version: string | null
  readonly actor: string
  readonly action: string
  readonly detail: string
  readonly recorded_at: string
  readonly hash: Buffer | null
}

/** One page behind `after`; empty at the end. */
export async function readPage(
  query: Query,
  orgId: string,
  after: bigint,
  rowsMax = PAGE_ROWS,
): Promise<ChainEntry[]> {
  const rows = await query<EntryRow>(PAGE, [orgId, String(after), rowsMax])
  return rows.map((row) => ({
    position: BigInt(row.position),
    row: row.id === null ? null : auditRow(row, row.id),
    link: row.hash,
  }))
}

/** Every entry up to `last`, in order. */
export async function* eachEntry(
  query: Query,
  orgId: string,
  last: bigint,
): AsyncGenerator<ChainEntry> {
  for (let after = 0n; after < last; ) {
    const page = await readPage(query, orgId, after)
    for (const entry of page) if (entry.position <= last) yield entry
    after = page.at(-1)?.position ?? last
  }
}

function auditRow(row: EntryRow, id: string): AuditRow {
  const { actor, action, detail, version } = row
  return {
    id,
    migrationId: row.migration_id,
    version,
    actor,
    action,
    detail,
    recordedAt: row.recorded_at,
  }
}
