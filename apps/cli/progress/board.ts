/** What is known of a run at this moment, built from ticks; the faces only draw it. Phases overlap, so each is kept apart. */
import type { ProgressTick } from '@sensei/core/ports/progress'

export type Phase = ProgressTick['phase']

export interface Row {
  readonly table: string
  readonly done: number
  readonly total: number | null
  /** Done per second since the row began to move. */
  readonly rate: number
  /** Seconds to the end at that rate; null when unknown. */
  readonly etaSeconds: number | null
}

/** One after the other, each done when the next begins; they move through the tables with one count for all of them. */
const SEQUENTIAL: readonly Phase[] = ['snapshot', 'survey', 'design']

interface Track {
  label: string
  readonly begunAt: number
  readonly doneAtBegin: number
  done: number
  total: number | null
}

export class Board {
  readonly #now: () => number
  readonly #phases = new Map<Phase, Map<string, Track>>()

  /** `now` counts milliseconds and never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  take(tick: ProgressTick): void {
    for (const phase of SEQUENTIAL) if (phase !== tick.phase) this.#phases.delete(phase)
    const tracks = this.#phases.get(tick.phase) ?? new Map<string, Track>()
    this.#phases.set(tick.phase, tracks)
    const label = tick.table ?? 'all'
    const done = doneOf(tick)
    const name = SEQUENTIAL.includes(tick.phase) ? '' : label
    const track = tracks.get(name)
    if (track === undefined) {
      const { total } = tick
      tracks.set(name, { label, begunAt: this.#now(), doneAtBegin: done, done, total })
    } else {
      track.label = label
      track.done = Math.max(track.done, done)
      track.total = tick.total ?? track.total
    }
  }

  /** What of a phase is under way, the largest remainder first. */
  inFlight(phase: Phase): Row[] {
    return [...this.#tracks(phase).values()]
      .filter((track) => track.total === null || track.done < track.total)
      .map((track) => this.#row(track))
      .toSorted((a, b) => remainder(b) - remainder(a))
  }

  /** All of a phase in one row; `expected` counts what has not begun yet too. Null before anything began. */
  whole(phase: Phase, expected: number | null): Row | null {
    const tracks = [...this.#tracks(phase).values()]
    if (tracks.length === 0) return null
    const sum = (pick: (track: Track) => number): number =>
      tracks.reduce((total, track) => total + pick(track), 0)
    const totals = tracks.every((track) => track.total !== null)
    return this.#row({
      label: 'total',
      begunAt: Math.min(...tracks.map((track) => track.begunAt)),
      doneAtBegin: 0,
      done: sum((one) => one.done),
      total: expected ?? (totals ? sum((one) => one.total ?? 0) : null),
    })
  }

  #tracks(phase: Phase): ReadonlyMap<string, Track> {
    return this.#phases.get(phase) ?? new Map<string, Track>()
  }

  #row(track: Track): Row {
    const seconds = (this.#now() - track.begunAt) / 1_000
    const rate = seconds > 0.05 ? (track.done - track.doneAtBegin) / seconds : 0
    const left = track.total === null ? null : Math.max(0, track.total - track.done)
    const etaSeconds = left === null || left === 0 || rate <= 0 ? null : left / rate
    return { table: track.label, done: track.done, total: track.total, rate, etaSeconds }
  }
}

/** A chunk that was in before its process was killed may be counted twice: nobody is told of more than there is. */
export function doneOf({ done, total }: Pick<ProgressTick, 'done' | 'total'>): number {
  return total === null ? done : Math.min(done, total)
}

function remainder(row: Row): number {
  return row.total === null ? 0 : row.total - row.done
}
