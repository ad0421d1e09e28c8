/** Verifies the audit history of one organization: rows against links, links against checkpoints from outside. */
import {
  BreakSearch,
  type BreakKind,
  type ChainBreak,
  type ChainEntry,
  ChainWalk,
  type Seal,
} from '@sensei/core/audit-chain'
import { eachEntry, type Query } from './entries.ts'

/** A row that waits longer than this for its link shows that nobody chains. */
const UNCHAINED_SECONDS_MAX = 60

export interface AuditBreak {
  /** Null for a row that was put in beside the numbered ones. */
  readonly position: bigint | null
  /** Where it shows: the same position, or that of the first checkpoint which disagrees. */
  readonly shownAt: bigint | null
  readonly kind: BreakKind
}

export interface AuditReport {
  readonly orgId: string
  /** `incomplete`: nothing is wrong with what could be compared, and not everything could. */
  readonly status: 'intact' | 'broken' | 'incomplete'
  readonly rows: bigint
  readonly chained: bigint
  /** Up to here a checkpoint agrees. */
  readonly sealed: bigint
  readonly broken: AuditBreak | null
  readonly reasons: readonly string[]
}

interface Bounds {
  readonly rows: string
  readonly last: string
  readonly now: string
  readonly stray: string | null
}

/**
 * The seals have to be read before this is called: a checkpoint that is made meanwhile may be ahead of what is read
 * here. Memory is that of one page, however long the history is.
 */
export async function verifyAudit(
  query: Query,
  orgId: string,
  seals: readonly Seal[],
): Promise<AuditReport> {
  const [bounds] = await query<Bounds>(BOUNDS, [orgId])
  const rows = BigInt(bounds?.rows ?? 0)
  const last = BigInt(bounds?.last ?? 0)
  const walk = new ChainWalk(orgId, seals)
  let firstUnchained: string | null = null
  for await (const entry of eachEntry(query, orgId, last)) {
    if (entry.link === null) firstUnchained ??= entry.row?.recordedAt ?? null
    if (!walk.take(entry)) break
  }
  const found = walk.end(rows)
  const broken =
    found === null
      ? strayRow(bounds?.stray ?? null)
      : await describe(query, { orgId, broken: found, last })
  const waitedSeconds =
    firstUnchained === null ? 0 : Number(bounds?.now ?? 0) - Number(firstUnchained)
  const reasons = [
    ...(waitedSeconds > UNCHAINED_SECONDS_MAX
      ? [
          `${walk.unchained} rows behind position ${walk.chained} have waited ${Math.round(waitedSeconds)} s for their link: no chainer runs`,
        ]
      : []),
    ...(walk.chained > 0n && walk.sealed === 0n
      ? [
          'there is no checkpoint, so a chain that was computed anew could not be told from this one',
        ]
      : []),
  ]
  return {
    orgId,
    status: broken !== null ? 'broken' : reasons.length > 0 ? 'incomplete' : 'intact',
    rows,
    chained: walk.chained,
    sealed: walk.sealed,
    broken,
    reasons,
  }
}

interface Found {
  readonly orgId: string
  readonly broken: ChainBreak
  readonly last: bigint
}

/** Reads the history once more: what was done to a row shows only in the light of all others. */
async function describe(query: Query, { orgId, broken, last }: Found): Promise<AuditBreak> {
  const { position, shownAt } = broken
  if (broken.what === 'checkpoint') return { position, shownAt, kind: 'recomputed' }
  let there: ChainEntry | null = null
  for await (const entry of eachEntry(query, orgId, last)) {
    if (entry.position === position) there = entry
    if (entry.position >= position) break
  }
  const search = new BreakSearch(orgId, broken, there)
  for await (const entry of eachEntry(query, orgId, last)) search.take(entry)
  return { position, shownAt, kind: search.kind() }
}

function strayRow(id: string | null): AuditBreak | null {
  return id === null ? null : { position: null, shownAt: null, kind: 'inserted' }
}

/** Every row is numbered when it commits; one without a number came past that. */
const BOUNDS = `
select
  coalesce((select last_position from audit_head where org_id = $1), 0) as rows,
  greatest(
    (select max(position) from audit_position where org_id = $1),
    (select max(position) from audit_chain where org_id = $1), 0) as last,
  extract(epoch from clock_timestamp())::text as now,
  (select a.id from audit_log a where a.org_id = $1 and not exists (
    select from audit_position p where p.org_id = $1 and p.audit_id = a.id) limit 1) as stray`
