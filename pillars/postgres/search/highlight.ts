/**
 * Where the words of a search stand in a text. PostgreSQL marks them in a copy whose punctuation became spaces
 * (search_text in 0012), one character for one, so the marks are carried over to the original by counting. They are
 * control characters that the copy cannot hold, hence nobody forges one.
 */
import { displayName } from '@sensei/core/display'

/** A run of a text, safe to show on a terminal: control characters stand in it as escapes. */
export interface Segment {
  readonly text: string
  readonly match: boolean
}

const START = '\u0002'
const STOP = '\u0003'

/** ts_headline's options that leave the text whole. */
export const HEADLINE_OPTIONS = `HighlightAll=true,StartSel="${START}",StopSel="${STOP}"`

const SHOWN_CHARS_MAX = 400
const LEAD_CHARS = 60

export function highlight(original: string, marked: string | null): readonly Segment[] {
  const characters = [...original]
  const runs = marked === null ? null : runsOf(marked, characters)
  return shown(runs ?? [{ start: 0, end: characters.length, match: false }], characters)
}

interface Run {
  readonly start: number
  readonly end: number
  readonly match: boolean
}

/** Null where the copy does not line up with the original: then nothing is marked rather than the wrong words. */
function runsOf(marked: string, characters: readonly string[]): readonly Run[] | null {
  const runs: Run[] = []
  let start = 0
  let at = 0
  let match = false
  for (const character of marked) {
    if (character !== START && character !== STOP) {
      at += 1
      continue
    }
    if (at > start) runs.push({ start, end: at, match })
    start = at
    match = character === START
  }
  if (at > start) runs.push({ start, end: at, match })
  return at === characters.length ? runs : null
}

/** Beginning a little before the first match, and only so long. */
function shown(runs: readonly Run[], characters: readonly string[]): readonly Segment[] {
  const first = runs.find((run) => run.match)?.start ?? 0
  const from = characters.length <= SHOWN_CHARS_MAX ? 0 : Math.max(0, first - LEAD_CHARS)
  const to = Math.min(characters.length, from + SHOWN_CHARS_MAX)
  const segments = runs.flatMap(({ start, end, match }) => {
    const text = characters.slice(Math.max(start, from), Math.min(end, to)).join('')
    return text === '' ? [] : [{ text: displayName(text), match }]
  })
  const ellipsis = { text: '…', match: false }
  return [
    ...(from > 0 ? [ellipsis] : []),
    ...segments,
    ...(to < characters.length ? [ellipsis] : []),
  ]
}
