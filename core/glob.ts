/** Patterns of names with `*` (any text) and `?` (any one character), matched in time that no pattern can blow up. */
import { SenseiError } from './errors.ts'

const PATTERN_LENGTH_MAX = 1_000

/**
 * At most one step back per character: of all stars only the last one is ever tried again, which is enough, since an
 * earlier star that took more could only leave less for it.
 */
export function matchesGlob(name: string, pattern: string): boolean {
  if (pattern.length > PATTERN_LENGTH_MAX) {
    throw new SenseiError(
      'PATTERN_TOO_COSTLY',
      `a pattern has at most ${PATTERN_LENGTH_MAX} characters`,
    )
  }
  // Whole characters: a ? never takes half of one.
  const given = [...name]
  const wanted = [...pattern]
  let at = 0
  let place = 0
  let star = -1
  let resume = 0
  while (at < given.length) {
    if (wanted[place] === '*') {
      star = place
      resume = at
      place += 1
    } else if (wanted[place] === '?' || wanted[place] === given[at]) {
      at += 1
      place += 1
    } else if (star >= 0) {
      resume += 1
      at = resume
      place = star + 1
    } else {
      return false
    }
  }
  while (wanted[place] === '*') place += 1
  return place === wanted.length
}
