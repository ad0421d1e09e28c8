/**
 * Finds the newest matches of a search without ever looking at all of them: of five million rows a common word is in
 * half, and ranking or sorting those would take seconds.
 *
 * First the newest few thousand rows are looked at one by one; a common word is found often enough there. A word that
 * is not is rare enough for the GIN index, which is asked for windows of time that begin where that ended and grow by a
 * factor, until there are enough matches or no time is left. What that costs depends on the matches within a window, and
 * a window is at most so much larger than all those before it in which there were not enough.
 */
import type { Tx } from '../door/door.ts'
import type { CheckedQuery, SearchKind } from './query.ts'

export interface Match {
  readonly kind: SearchKind
  /** In UTC with microseconds, so that texts sort as the moments do. */
  readonly at: string
  readonly id: string
  readonly rank: number
}

/** The first position that is too new. */
export interface Ceiling {
  readonly at: string
  readonly id: string
}

export const FIRST_ID = '00000000-0000-0000-0000-000000000000'

const PROBED_ROWS = 5_000
const WINDOW_FACTOR = 4
const WINDOWS_MAX = 8

interface Statements {
  readonly probe: string
  readonly find: string
}

/** $1 words, $2 migration, $3 and $4 the filters of the kind, $5 since, $6 and $7 ceiling, $8 how many. */
function statements(table: string, at: string, find: string, filters: string): Statements {
  const asked = `case when $1::text is null then ''::tsquery else search_words($1) end`
  const narrowed = `search_tag('migration', $2::uuid::text) && ${filters}`
  const utc = (column: string): string =>
    `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`
  return {
    probe: `
      with asked as materialized (select ${asked} as words, ${asked} && ${narrowed} as wanted),
      newest as materialized (
        select e.${at} as at, e.id, e.search from ${table} e
        where e.${at} >= $5::timestamptz and e.${at} <= $6::timestamptz
          and (e.${at}, e.id) < ($6::timestamptz, $7::uuid)
        order by e.${at} desc, e.id desc limit ${PROBED_ROWS}),
      matches as (
        select n.at, n.id, ts_rank(n.search, a.words) as rank from newest n, asked a
        where (numnode(a.wanted) = 0 or n.search @@ a.wanted) and ($1::text is null or numnode(a.words) > 0)
        order by n.at desc, n.id desc limit $8),
      seen as (
        select count(*)::int as walked, max(n.at) as newest, min(n.at) as oldest,
          ($1::text is null or (select numnode(words) > 0 from asked)) as askable from newest n)
      select s.walked, s.askable, ${utc('s.newest')} as newest, ${utc('s.oldest')} as oldest,
        (select n.id from newest n order by n.at, n.id limit 1) as oldest_id,
        ${utc('m.at')} as at, m.id, m.rank
      from seen s left join matches m on true order by m.at desc, m.id desc`,
    find: `
      select ${utc('f.at')} as at, f.id, f.rank
      from ${find}(${asked}, ${narrowed}, $5, $6, $7, $8) f order by f.at desc, f.id desc`,
  }
}

const STATEMENTS: Readonly<Record<SearchKind, Statements>> = {
  log: statements(
    'log_entry',
    'at',
    'find_log_entries',
    "search_levels($3::smallint) && search_tag('component', $4)",
  ),
  audit: statements(
    'audit_log',
    'recorded_at',
    'find_audit_entries',
    "search_tag('actor', $3) && search_tag('action', $4)",
  ),
}

interface MatchRow {
  readonly at: string
  readonly id: string
  readonly rank: number
}

interface ProbeRow extends MatchRow {
  readonly walked: number
  readonly askable: boolean
  readonly newest: string
  readonly oldest: string
  readonly oldest_id: string
}

/** Newest first, at most `wanted`: all of them, or the newest that there are below the ceiling. */
export async function newestMatches(
  tx: Tx,
  kind: SearchKind,
  query: CheckedQuery,
  bounds: { readonly ceiling: Ceiling; readonly wanted: number },
): Promise<readonly Match[]> {
  const { probe, find } = STATEMENTS[kind]
  const { ceiling, wanted } = bounds
  const values = (since: string, upper: Ceiling, rowsMax: number): readonly unknown[] => [
    query.words,
    query.migrationId,
    ...(kind === 'log' ? [query.levelMin, query.component] : [query.actor, query.action]),
    since,
    upper.at,
    upper.id,
    rowsMax,
  ]
  const probed = await tx.query<ProbeRow>(probe, values(query.since, ceiling, wanted))
  const matches = probed.filter((row) => row.id !== null).map((row) => matchOf(kind, row))
  const seen = probed[0]
  if (seen === undefined || !seen.askable || seen.walked < PROBED_ROWS) return matches
  let upper: Ceiling = { at: seen.oldest, id: seen.oldest_id }
  let spanMs = Math.max(Date.parse(seen.newest) - Date.parse(seen.oldest), 1)
  for (let window = 1; matches.length < wanted; window++) {
    spanMs *= WINDOW_FACTOR
    const start = Date.parse(upper.at) - spanMs
    const last = window === WINDOWS_MAX || start <= Date.parse(query.since)
    const since = last ? query.since : new Date(start).toISOString()
    const rows = await tx.query<MatchRow>(find, values(since, upper, wanted - matches.length))
    matches.push(...rows.map((row) => matchOf(kind, row)))
    if (last) break
    upper = { at: since, id: FIRST_ID }
  }
  return matches
}

function matchOf(kind: SearchKind, { at, id, rank }: MatchRow): Match {
  return { kind, at, id, rank: Number(rank) }
}
