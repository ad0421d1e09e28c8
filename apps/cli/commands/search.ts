/** `sensei logs search` and `sensei audit search`: a page of entries in full text, newest first or best first. */
import { cursorSecret } from '@sensei/apps/cursor-secret'
import type { Platform } from '@sensei/apps/pillars'
import { cursorKey } from '@sensei/core/cursor'
import { displayName } from '@sensei/core/display'
import { EXIT, type ExitCode } from '@sensei/core/errors'
import type { Io } from '../io.ts'
import { OUTPUT_VERSION } from '../output-json.ts'
import { withPlatform } from '../platform.ts'

type Search = ReturnType<Platform['search']>
type SearchQuery = Parameters<Search['page']>[0]
type SearchHit = Awaited<ReturnType<Search['page']>>['hits'][number]

export interface SearchFlags {
  readonly since?: string
  readonly until?: string
  readonly migration?: string
  readonly level?: string
  readonly component?: string
  readonly actor?: string
  readonly action?: string
  readonly sort: string
  readonly limit: number
  readonly cursor?: string
  readonly output: 'text' | 'json'
}

export function searchLogs(words: string, flags: SearchFlags, io: Io): Promise<ExitCode> {
  return search('log', words, flags, io)
}

export function searchAudit(words: string, flags: SearchFlags, io: Io): Promise<ExitCode> {
  return search('audit', words, flags, io)
}

async function search(
  kind: 'log' | 'audit',
  words: string,
  flags: SearchFlags,
  io: Io,
): Promise<ExitCode> {
  const { since, until, migration, level, component, actor, action, sort, limit, cursor } = flags
  const given = { since, until, migrationId: migration, level, component, actor, action, cursor }
  const known = Object.entries(given).filter(([, value]) => value !== undefined)
  const text = words === '' ? {} : { text: words }
  // Checked by the store, as all that comes from outside is.
  const query = { kind, sort, limit, ...text, ...Object.fromEntries(known) } as SearchQuery
  const key = cursorKey(await cursorSecret(io.env))
  const { hits, next } = await withPlatform(io, ({ plane, platform }) =>
    platform.search(plane.orgId, key).page(query),
  )
  if (flags.output === 'json') {
    const entries = hits.map(hitJson)
    io.out(JSON.stringify({ schema_version: OUTPUT_VERSION, entries, next_cursor: next }))
    return EXIT.done
  }
  for (const hit of hits) io.out(hitLine(hit, io.color))
  if (hits.length === 0) io.say('Nothing was found.')
  if (next !== null) io.say(`There is more. The next page: the same command with --cursor ${next}`)
  return EXIT.done
}

function hitJson({ migrationId, ...hit }: SearchHit): object {
  return { ...hit, migration_id: migrationId }
}

/** The highlighted text comes with its control characters as escapes; names of components are shown likewise. */
function hitLine(hit: SearchHit, color: boolean): string {
  const text = hit.highlight
    .map(({ text: part, match }) => (match && color ? `\u001b[1;33m${part}\u001b[0m` : part))
    .join('')
  const at = `${hit.at.slice(0, 19)}Z`
  if (hit.kind === 'audit') return `${at}  ${text}`
  return `${at}  ${hit.level.padEnd(5)}  ${displayName(hit.component)}: ${text}`
}
