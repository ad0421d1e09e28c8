/** The progress that a person sees: bars that are drawn over themselves on a terminal, one line per step without one. */
import type { Io } from '../io.ts'
import { LiveFace } from './live-face.ts'
import { PlainFace } from './plain-face.ts'
import type { ProgressFace } from './titles.ts'

export type { ProgressFace } from './titles.ts'

export function progressFace(io: Io, kind: 'auto' | 'plain' | 'none'): ProgressFace {
  if (kind === 'none') return silent(io)
  return io.live ? new LiveFace(io) : new PlainFace(io)
}

function silent(io: Io): ProgressFace {
  const nothing = (): void => undefined
  return {
    report: nothing,
    expect: nothing,
    say: (text) => io.say(text),
    close: nothing,
  }
}
