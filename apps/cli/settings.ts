/** Flags as numbers and lists, with bounds: a bad one is a usage error that names what would be right. */
import { SenseiError } from '@sensei/core/errors'
import type { MigrationOptions } from '@sensei/engine/request'

export const BOUNDS = {
  workers: { min: 1, max: 64 },
  'chunk-rows': { min: 1, max: 65_536 },
  'max-rejects': { min: 0, max: 1_000_000 },
  limit: { min: 1, max: 200 },
  port: { min: 0, max: 65_535 },
  'metrics-port': { min: 0, max: 65_535 },
} as const

export const DEFAULTS = {
  chunkRows: 65_536,
  chunkBytes: 64 * 1024 * 1024,
  differencesMax: 20,
} as const

/** commander hands over text; only plain decimal digits are a count. */
export function boundedCount(flag: keyof typeof BOUNDS): (text: string) => number {
  const { min, max } = BOUNDS[flag]
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
    if (value >= min && value <= max) return value
    throw new SenseiError(
      'USAGE',
      `--${flag} takes a whole number from ${min} to ${max}, not ${JSON.stringify(text)}.`,
    )
  }
}

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const NO_ID = '00000000-0000-0000-0000-000000000000'
/** As many characters as the names of files have. */
const ID_PREFIX_MIN = 8

/** An id that no migration can have is not asked for. */
export function migrationId(text: string): string {
  const id = text.toLowerCase()
  if (ID.test(id)) return id
  throw new SenseiError(
    'MIGRATION_NOT_FOUND',
    `${JSON.stringify(text)} is no id of a migration. They are listed by: sensei migrations list`,
  )
}

/** An id, or the beginning of one. */
export function migrationName(text: string): string {
  const name = text.toLowerCase()
  const begins = name.length >= ID_PREFIX_MIN && ID.test(name + NO_ID.slice(name.length))
  return begins ? name : migrationId(text)
}

export const collect = (value: string, previous: readonly string[] = []): string[] => [
  ...previous,
  value,
]

/** What the first run said and what was accepted since, overridden by what a resumed one repeats or raises. */
export function mergeOptions(
  kept: MigrationOptions,
  accepted: readonly string[],
  given: Partial<MigrationOptions>,
): MigrationOptions {
  const fixed = ['schema', 'include', 'exclude', 'append'] as const
  for (const name of fixed) {
    const value = given[name]
    if (value === undefined || JSON.stringify(value) === JSON.stringify(kept[name])) continue
    throw new SenseiError(
      'USAGE',
      `--${name} was ${JSON.stringify(kept[name])} when this migration began and cannot change. Leave it out.`,
    )
  }
  const acceptLosses = [
    ...new Set([...kept.acceptLosses, ...accepted, ...(given.acceptLosses ?? [])]),
  ]
  // Whoever accepts more agrees to another plan than the first run did.
  const consent = given.consent ?? (kept.consent === true && given.acceptLosses === undefined)
  return { ...kept, ...given, acceptLosses, consent }
}

export function defaultOptions(): MigrationOptions {
  return {
    schema: 'public',
    include: [],
    exclude: [],
    workers: 2,
    chunkRows: DEFAULTS.chunkRows,
    chunkBytes: DEFAULTS.chunkBytes,
    acceptLosses: [],
    maxRejects: 0,
    append: false,
    validate: true,
    differencesMax: DEFAULTS.differencesMax,
    queries: [],
    urlsFrom: { source: null, target: null },
  }
}
