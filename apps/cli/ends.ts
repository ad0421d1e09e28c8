/** Source and target of a migration that ran before: what is kept of them, and what may be said again. */
import { SenseiError } from '@sensei/core/errors'
import type { MigrationRecord } from '@sensei/core/ports/journal'
import type { MigrationOptions } from '@sensei/engine/request'
import type { Io } from './io.ts'
import { required, urlOf } from './urls.ts'

type End = 'source' | 'target'

/** From the flag; else from the variable that the first run took it from; else as it is kept, without its secret. */
export function endOf(
  io: Io,
  end: End,
  given: string | undefined,
  kept: MigrationRecord | null,
): string {
  if (kept === null || given !== undefined)
    return urlOf(io, `--${end}`, required(`--${end}`, given))
  const variable = keptOptions(kept).urlsFrom[end]
  const url = variable === null ? undefined : io.env[variable]
  return url === undefined || url === '' ? kept[end].url : url
}

export function keptOptions(kept: MigrationRecord): MigrationOptions {
  return kept.options as unknown as MigrationOptions
}

/** The NAME of `env:NAME`. */
export function variableOf(given: string | undefined): string | null {
  return given?.startsWith('env:') === true ? given.slice('env:'.length) : null
}

interface Ends {
  readonly source: { readonly url: string }
  readonly target: { readonly url: string }
}

/** Compared as the adapters write them: a relative path and an absolute one name the same file. */
export function checkEnds(kept: MigrationRecord, found: Partial<Ends>): void {
  for (const end of ['source', 'target'] as const) {
    const url = found[end]?.url
    if (url === undefined || url === kept[end].url) continue
    throw new SenseiError(
      'USAGE',
      `The ${end} of migration ${kept.id} is ${kept[end].url}, not ${url}. Leave --${end} out, or start a new migration.`,
    )
  }
}
