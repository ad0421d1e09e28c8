/**
 * `--include` and `--exclude`: `*` for any characters, `?` for one, everything else itself; names are compared as
 * SQLite compares them, without case.
 */
import { matchesGlob } from '@sensei/core/glob'

export interface NameFilter {
  readonly include: readonly string[]
  readonly exclude: readonly string[]
}

/** Throws PATTERN_TOO_COSTLY at once, also where there is no name to be matched. */
export function nameFilter(filter: NameFilter): (name: string) => boolean {
  const include = filter.include.map(folded)
  const exclude = filter.exclude.map(folded)
  for (const pattern of [...include, ...exclude]) matchesGlob('', pattern)
  const matchesAny = (name: string, patterns: readonly string[]): boolean =>
    patterns.some((pattern) => matchesGlob(name, pattern))
  return (name) => {
    const given = folded(name)
    return (include.length === 0 || matchesAny(given, include)) && !matchesAny(given, exclude)
  }
}

function folded(text: string): string {
  return text.toLowerCase()
}
