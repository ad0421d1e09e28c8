/** The scout: one point in time of the source, and what is there. */
import { rm } from 'node:fs/promises'
import { SenseiError } from '@sensei/core/errors'
import type { Json } from '@sensei/core/json'
import type { Journal } from '@sensei/core/ports/journal'
import type { Snapshot } from '@sensei/core/snapshot'
import type { Survey, SurveyObject } from '@sensei/core/survey'
import type { Cast } from '../cast.ts'
import type { MigrationOptions } from '../request.ts'

/** The folder of one migration's private copies. */
export function copiesOf(cast: Pick<Cast, 'copies'>, migrationId: string): string {
  return `${cast.copies}/${migrationId}`
}

interface Taking {
  readonly signal: AbortSignal
  /** Told how large the whole is, while it is taken. */
  readonly onBytes: (total: number) => void
}

/**
 * Takes a snapshot and writes down where it is, so that a later process finds it. Copies of before, also one whose
 * taker was killed before it wrote it down, are removed first.
 */
export async function takeSnapshot(
  cast: Cast,
  migrationId: string,
  owner: string,
  { signal, onBytes }: Taking,
): Promise<Snapshot> {
  const directory = copiesOf(cast, migrationId)
  await rm(directory, { recursive: true, force: true })
  const snapshot = await cast.source.takeSnapshot(directory, {
    signal,
    onProgress: (done, total) => {
      onBytes(total)
      cast.progress.report({
        phase: 'snapshot',
        table: null,
        unit: 'bytes',
        done,
        total,
        message: null,
      })
    },
  })
  // Asked now: when the certificate is written the source may be gone.
  const source = { identity: await cast.source.identity(), version: await cast.source.version() }
  await recordScouted(cast.journal, migrationId, owner, { snapshot, source })
  return snapshot
}

/** The last one written down is in force. */
export async function recordScouted(
  journal: Journal,
  migrationId: string,
  owner: string,
  state: Scouted,
): Promise<void> {
  await journal.record(migrationId, [
    {
      kind: 'agent',
      id: crypto.randomUUID(),
      role: 'scout',
      owner,
      state: state as unknown as Json,
      outcome: 'done',
    },
  ])
}

/** What the scout wrote down about the point in time that it took. */
export interface Scouted {
  readonly snapshot: Snapshot
  readonly source: { readonly identity: string; readonly version: string }
}

export async function scouted(journal: Journal, migrationId: string): Promise<Scouted | null> {
  const agents = await journal.entries(migrationId, 'agent')
  const last = agents.findLast((entry) => entry.role === 'scout')
  return last === undefined ? null : (last.state as unknown as Scouted)
}

/** The last snapshot written down, whether it still lives or not. */
export async function knownSnapshot(
  journal: Journal,
  migrationId: string,
): Promise<Snapshot | null> {
  return (await scouted(journal, migrationId))?.snapshot ?? null
}

export async function survey(
  cast: Pick<Cast, 'source' | 'progress'>,
  snapshot: Snapshot,
  options: MigrationOptions,
  signal: AbortSignal,
): Promise<Survey> {
  const surveyor = await cast.source.openSurveyor(snapshot)
  try {
    const found = await surveyor.survey({
      include: options.include,
      exclude: options.exclude,
      signal,
      onProgress: (table, done, total) =>
        cast.progress.report({ phase: 'survey', table, unit: 'steps', done, total, message: null }),
    })
    if (found.tables.length === 0) throw nothingToDo(cast.source.url, options, found)
    return found
  } finally {
    await surveyor.close()
  }
}

function nothingToDo(url: string, options: MigrationOptions, { objects }: Survey): SenseiError {
  const filtered = options.include.length + options.exclude.length > 0
  return new SenseiError(
    'USAGE',
    filtered
      ? `No table of ${url} is left by --include and --exclude. Loosen the patterns; table names are matched whole.`
      : `${url} has no tables${besideTables(objects)}. Check that the path names the database you mean.`,
  )
}

function besideTables(objects: Survey['objects']): string {
  const kinds = [...Map.groupBy(objects, ({ kind }) => kind)]
  if (kinds.length === 0) return ''
  const counts = kinds.map(([kind, { length }]) => `${length} ${kind}${length === 1 ? '' : 's'}`)
  return `, only ${counts.join(' and ')}, ${fateOf(kinds.map(([kind]) => kind))}`
}

function fateOf(kinds: readonly SurveyObject['kind'][]): string {
  if (!kinds.includes('view')) return 'which are not carried'
  return kinds.length === 1
    ? 'which are carried only with the tables that they read'
    : 'of which only views are carried, and those with the tables that they read'
}
