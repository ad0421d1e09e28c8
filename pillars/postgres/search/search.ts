/**
 * Full-text search over a tenant's log and audit entries, page by page. Where matches stand is found in walk.ts;
 * what they say is read here by their keys, through the tenant's policy.
 *
 * `newest` is complete, however many matches there are. `rank` orders the newest thousand matches below the newest one
 * that the first page saw, so that pages fit together while entries are added.
 */
import { openCursor, sealCursor } from '@sensei/core/cursor'
import { SenseiError } from '@sensei/core/errors'
import type { Json } from '@sensei/core/json'
import type { Door, Tx } from '../door/door.ts'
import type { Segment } from './highlight.ts'
import { inOurWords } from '../door/errors.ts'
import { readHits } from './hits.ts'
import { type CheckedQuery, checkQuery, type SearchQuery } from './query.ts'
import { type Ceiling, FIRST_ID, type Match, newestMatches } from './walk.ts'

export type { Segment } from './highlight.ts'
export type { SearchQuery } from './query.ts'

interface HitBase {
  readonly id: string
  /** ISO 8601 in UTC, with microseconds. */
  readonly at: string
  readonly migrationId: string | null
  readonly rank: number
  /** The entry as a line of text with the words that were asked for, safe to show. */
  readonly highlight: readonly Segment[]
}

export interface LogHit extends HitBase {
  readonly kind: 'log'
  readonly level: string
  readonly component: string
  readonly message: string
  readonly fields: Json
}

export interface AuditHit extends HitBase {
  readonly kind: 'audit'
  readonly actor: string
  readonly action: string
  readonly detail: Json
}

export type SearchHit = LogHit | AuditHit

export interface SearchPage {
  readonly hits: readonly SearchHit[]
  /** Pass it as `cursor` with the same query; null on the last page. */
  readonly next: string | null
}

/** Of so many, the newest, are the ranks compared. */
export const RANKED_MAX = 1_000
const STATEMENT_MS_MAX = 10_000

/** Where a page ended; with ranks, also where the first page began. */
interface Position {
  readonly at: string
  readonly id: string
  readonly rank: number
  readonly top: Ceiling | null
}

export class Search {
  readonly #door: Door
  readonly #orgId: string
  readonly #key: Buffer

  /** `key` signs the cursors (core/cursor). */
  constructor(door: Door, orgId: string, key: Buffer) {
    this.#door = door
    this.#orgId = orgId
    this.#key = key
  }

  async page(asked: SearchQuery): Promise<SearchPage> {
    const query = checkQuery(asked)
    const { limit: _, ...scope } = query
    const bound: Json = ['search', this.#orgId, { ...scope }]
    const after =
      asked.cursor === undefined
        ? null
        : (openCursor(this.#key, bound, asked.cursor) as unknown as Position)
    return this.#read(async (tx) => {
      const { matches, top } = await candidates(tx, query, after)
      const page = matches.slice(0, query.limit)
      const hits = await readHits(tx, page, query.words)
      const last = page.at(-1)
      if (last === undefined || matches.length <= query.limit) return { hits, next: null }
      const { at, id, rank } = last
      return { hits, next: sealCursor(this.#key, bound, { at, id, rank, top: top && { ...top } }) }
    })
  }

  async #read<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    try {
      return await inOurWords(() =>
        this.#door.read(this.#orgId, async (tx) => {
          await tx.query("select set_config('statement_timeout', $1, true)", [
            String(STATEMENT_MS_MAX),
          ])
          return work(tx)
        }),
      )
    } catch (error) {
      if ((error as { code?: unknown }).code !== QUERY_CANCELED) throw error
      throw new SenseiError(
        'OVERLOADED',
        `the search took longer than ${STATEMENT_MS_MAX / 1_000} s: name a shorter time, or more words`,
        { cause: error },
      )
    }
  }
}

const QUERY_CANCELED = '57014'

/** In the order of the page, and one more than it holds where there is one more. */
async function candidates(
  tx: Tx,
  query: CheckedQuery,
  after: Position | null,
): Promise<{ readonly matches: readonly Match[]; readonly top: Ceiling | null }> {
  const ranked = query.sort === 'rank'
  const end: Ceiling = { at: query.until, id: FIRST_ID }
  const ceiling = (ranked ? after?.top : after) ?? end
  const wanted = ranked ? RANKED_MAX : query.limit + 1
  const found: Match[] = []
  for (const kind of query.kinds) {
    found.push(...(await newestMatches(tx, kind, query, { ceiling, wanted })))
  }
  found.sort(newestFirst)
  if (!ranked) return { matches: found.slice(0, wanted), top: null }
  const best = found.slice(0, RANKED_MAX)
  const top = after?.top ?? justAbove(best[0])
  best.sort(bestFirst)
  return { matches: after === null ? best : best.filter((one) => bestFirst(after, one) < 0), top }
}

/** The ceiling below which this match is the newest: a later entry of the same moment has another id. */
function justAbove(newest: Match | undefined): Ceiling | null {
  if (newest === undefined) return null
  return { at: newest.at, id: nextId(newest.id) }
}

function nextId(id: string): string {
  const digits = (BigInt(`0x${id.replaceAll('-', '')}`) + 1n).toString(16).padStart(32, '0')
  return digits.length > 32
    ? id
    : digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

type Placed = Pick<Match, 'at' | 'id' | 'rank'>

function newestFirst(a: Placed, b: Placed): number {
  if (a.at !== b.at) return a.at < b.at ? 1 : -1
  if (a.id !== b.id) return a.id < b.id ? 1 : -1
  return 0
}

function bestFirst(a: Placed, b: Placed): number {
  return a.rank === b.rank ? newestFirst(a, b) : b.rank - a.rank
}
