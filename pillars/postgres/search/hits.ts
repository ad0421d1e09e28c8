/** Reads what the matches of one page say, through the tenant's policy, and marks the words in it. */
import type { Json } from '@sensei/core/json'
import { logLevelOf } from '@sensei/core/log'
import type { Tx } from '../door/door.ts'
import { HEADLINE_OPTIONS, highlight } from './highlight.ts'
import type { SearchHit } from './search.ts'
import type { Match } from './walk.ts'

const LINE_CHARS_MAX = 4_096

interface LineRow {
  readonly id: string
  readonly migration_id: string | null
  readonly line: string
  readonly marked: string | null
}

interface LogRow extends LineRow {
  readonly level: number
  readonly component: string
  readonly message: string
  readonly fields: Json
}

interface AuditRow extends LineRow {
  readonly actor: string
  readonly action: string
  readonly detail: Json
}

/**
 * $1 and $2 the keys, $3 the words or null. By the times as an array, so that only the partitions that hold them are
 * planned and read; the ids as text, because an index on both would be asked for every pair. Only the page's rows are
 * marked: that parses each text anew.
 */
const entriesOf = (table: string, at: string, line: string, columns: string): string => `
select e.id, e.migration_id, ${columns}, e.line, case when $3::text is not null
    then ts_headline('english', search_text(e.line), search_words($3), $4) end as marked
from (
  select t.*, left(${line}, ${LINE_CHARS_MAX}) as line from ${table} t
  where t.${at} = any ($1::timestamptz[]) and t.id::text = any ($2::text[])
) e`

const LOGS = entriesOf('log_entry', 'at', 't.message', 'e.level, e.component, e.message, e.fields')
const AUDIT = entriesOf(
  'audit_log',
  'recorded_at',
  `t.action || ' by ' || t.actor || ' ' || t.detail::text`,
  'e.actor, e.action, e.detail',
)

/** In the order of `matches`. One that was deleted meanwhile is left out. */
export async function readHits(
  tx: Tx,
  matches: readonly Match[],
  words: string | null,
): Promise<readonly SearchHit[]> {
  const hits = new Map<string, SearchHit>()
  const byKey = new Map(matches.map((match) => [`${match.kind} ${match.id}`, match]))
  const keysOf = (kind: Match['kind']): readonly unknown[] => {
    const keys = matches.filter((match) => match.kind === kind)
    return [keys.map(({ at }) => at), keys.map(({ id }) => id), words, HEADLINE_OPTIONS]
  }
  const hold = (kind: Match['kind'], row: LineRow, rest: object): void => {
    const { at, rank } = byKey.get(`${kind} ${row.id}`) as Match
    const { id, migration_id: migrationId } = row
    const shown = highlight(row.line, row.marked)
    hits.set(`${kind} ${id}`, {
      kind,
      id,
      at,
      migrationId,
      rank,
      highlight: shown,
      ...rest,
    } as SearchHit)
  }
  if (matches.some(({ kind }) => kind === 'log')) {
    for (const row of await tx.query<LogRow & object>(LOGS, keysOf('log'))) {
      const { level, component, message, fields } = row
      hold('log', row, { level: logLevelOf(level), component, message, fields })
    }
  }
  if (matches.some(({ kind }) => kind === 'audit')) {
    for (const row of await tx.query<AuditRow & object>(AUDIT, keysOf('audit'))) {
      const { actor, action, detail } = row
      hold('audit', row, { actor, action, detail })
    }
  }
  return matches.flatMap(({ kind, id }) => hits.get(`${kind} ${id}`) ?? [])
}
