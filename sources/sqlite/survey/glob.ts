/**
 * `--include` and `--exclude`: `*` for any characters, `?` for one, everything else itself; names are compared as
 * SQLite compares them, without case. Never slower than pattern x name, whatever the pattern looks like.
 */
import { SenseiError } from '@sensei/core/errors'

const PATTERN_MAX = 1_000

export interface NameFilter {
  readonly include: readonly string[]
  readonly exclude: readonly string[]
}

export function nameFilter({ include, exclude }: NameFilter): (name: string) => boolean {
  for (const pattern of [...include, ...exclude]) {
    if (pattern.length <= PATTERN_MAX) continue
    throw new SenseiError(
      'PATTERN_TOO_COSTLY',
      `a pattern is longer than ${PATTERN_MAX} characters`,
    )
  }
  return (name) =>
    (include.length === 0 || include.some((pattern) => matchesGlob(pattern, name))) &&
    !exclude.some((pattern) => matchesGlob(pattern, name))
}

export function matchesGlob(pattern: string, name: string): boolean {
  const wanted = [...pattern.toLowerCase()]
  const given = [...name.toLowerCase()]
  let at = 0
  /** Where the last star stands, and how much of the name it covers: only that star ever takes more. */
  let star = -1
  let covered = 0
  let next = 0
  while (next < given.length) {
    if (wanted[at] === '*') {
      star = at
      covered = next
      at += 1
    } else if (at < wanted.length && (wanted[at] === '?' || wanted[at] === given[next])) {
      at += 1
      next += 1
    } else if (star !== -1) {
      covered += 1
      next = covered
      at = star + 1
    } else return false
  }
  while (wanted[at] === '*') at += 1
  return at === wanted.length
}
