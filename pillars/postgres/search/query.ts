/** What may be searched for, checked: everything that a person or a program passes in comes through here. */
import { SenseiError } from '@sensei/core/errors'
import { isLogLevel, LOG_LEVELS, type LogLevel } from '@sensei/core/log'

export const SEARCH_KINDS = ['log', 'audit'] as const
export type SearchKind = (typeof SEARCH_KINDS)[number]

export const SEARCH_SORTS = ['newest', 'rank'] as const
export type SearchSort = (typeof SEARCH_SORTS)[number]

export interface SearchQuery {
  /** Both kinds where it is left out, as far as the filters are theirs. */
  readonly kind?: SearchKind
  /** As in a web search: all words, `"a phrase"`, `or`, `-without`. */
  readonly text?: string
  /** ISO 8601; `since` belongs to the range, `until` does not. */
  readonly since?: string
  readonly until?: string
  readonly migrationId?: string
  /** Log entries of this level or a graver one. */
  readonly level?: LogLevel
  readonly component?: string
  /** Audit entries of one actor, or of one action. */
  readonly actor?: string
  readonly action?: string
  readonly sort?: SearchSort
  readonly limit?: number
  readonly cursor?: string
}

/** The same with nothing left out, in the form that the statements take. */
export interface CheckedQuery {
  readonly kinds: readonly SearchKind[]
  /** Null: no words, every entry that the filters leave. */
  readonly words: string | null
  readonly since: string
  readonly until: string
  readonly migrationId: string | null
  readonly levelMin: number | null
  readonly component: string | null
  readonly actor: string | null
  readonly action: string | null
  readonly sort: SearchSort
  readonly limit: number
}

export const SEARCH_LIMIT_MAX = 200
const LIMIT_DEFAULT = 50
const TEXT_CHARS_MAX = 1_000
const FILTER_CHARS_MAX = 200
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const MOMENT = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d))?$/

/** The bounds of log_entry.at. */
const FIRST = '2000-01-01T00:00:00Z'
const LAST = '2200-01-01T00:00:00Z'

export function checkQuery(query: SearchQuery): CheckedQuery {
  const { kind, level, sort = 'newest', limit = LIMIT_DEFAULT } = query
  oneOf('sort', sort, SEARCH_SORTS)
  if (kind !== undefined) oneOf('kind', kind, SEARCH_KINDS)
  if (level !== undefined && !isLogLevel(level)) throw invalid('level', 'is not a level')
  if (!Number.isInteger(limit) || limit < 1 || limit > SEARCH_LIMIT_MAX) {
    throw invalid('limit', `is a whole number from 1 to ${SEARCH_LIMIT_MAX}`)
  }
  return {
    kinds: kindsOf(query),
    words: query.text === undefined ? null : searchWords(query.text),
    since: moment('since', query.since, FIRST),
    until: moment('until', query.until, LAST),
    migrationId: uuid('migrationId', query.migrationId),
    levelMin: level === undefined ? null : LOG_LEVELS[level],
    component: exact('component', query.component),
    actor: exact('actor', query.actor),
    action: exact('action', query.action),
    sort,
    limit,
  }
}

function kindsOf({ kind, level, component, actor, action }: SearchQuery): readonly SearchKind[] {
  const ofLogs = level !== undefined || component !== undefined
  const ofAudit = actor !== undefined || action !== undefined
  const kinds = SEARCH_KINDS.filter(
    (one) => (kind ?? one) === one && (one === 'log' ? !ofAudit : !ofLogs),
  )
  if (kinds.length > 0) return kinds
  throw invalid(
    'kind',
    'has no such filter: level and component are of log entries, actor and action of audit entries',
  )
}

/** Everything but words, quotes and the minus of a word to be left out becomes a space, as it did in what is searched. */
const PUNCTUATION = /[\p{Cc}._/\\:;,=+*|&!?@#$%^~`'()[\]{}<>]/gu
const INNER_MINUS = /(?<=[^\s"])-|-(?=[\s"-]|$)/g

export function searchWords(text: string): string {
  if (text.length > TEXT_CHARS_MAX) {
    throw invalid('text', `is longer than ${TEXT_CHARS_MAX} characters`)
  }
  const words = text.toWellFormed().replace(PUNCTUATION, ' ')
  return words.replace(INNER_MINUS, ' ').trim()
}

function oneOf(name: string, value: string, allowed: readonly string[]): void {
  if (!allowed.includes(value)) throw invalid(name, `is one of ${allowed.join(', ')}`)
}

function moment(name: string, text: string | undefined, otherwise: string): string {
  if (text === undefined) return otherwise
  const time = MOMENT.test(text) ? Date.parse(text) : Number.NaN
  // The text goes on, because a Date would lose its microseconds.
  if (time >= Date.parse(FIRST) && time <= Date.parse(LAST)) {
    return text.includes('T') ? text : `${text}T00:00:00Z`
  }
  throw invalid(name, 'is a moment from 2000 on, such as 2026-11-23T06:00:00Z or 2026-11-23')
}

function uuid(name: string, text: string | undefined): string | null {
  if (text === undefined) return null
  if (UUID.test(text)) return text.toLowerCase()
  throw invalid(name, 'is not a UUID')
}

function exact(name: string, text: string | undefined): string | null {
  if (text === undefined) return null
  if (text.length >= 1 && text.length <= FILTER_CHARS_MAX && !text.includes('\0')) {
    return text.toWellFormed()
  }
  throw invalid(name, `has 1 to ${FILTER_CHARS_MAX} characters`)
}

function invalid(name: string, message: string): SenseiError {
  return new SenseiError('REQUEST_INVALID', `${name} ${message}`, { details: { field: name } })
}
