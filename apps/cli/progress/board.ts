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

interface Track {
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
    const tracks = this.#phases.get(tick.phase) ?? new Map<string, Track>()
    this.#phases.set(tick.phase, tracks)
    const name = tick.table ?? 'all'
    const track = tracks.get(name)
    if (track === undefined) {
      const { done, total } = tick
      tracks.set(name, { begunAt: this.#now(), doneAtBegin: done, done, total })
    } else {
      track.done = Math.max(track.done, tick.done)
      track.total = tick.total ?? track.total
    }
  }

  /** What of a phase is under way, the largest remainder first. */
  inFlight(phase: Phase): Row[] {
    return [...this.#tracks(phase)]
      .filter(([, track]) => track.total === null || track.done < track.total)
      .map(([table, track]) => this.#row(table, track))
      .toSorted((a, b) => remainder(b) - remainder(a))
  }

  /** All of a phase in one row; `expected` counts what has not begun yet too. Null before anything began. */
  whole(phase: Phase, expected: number | null): Row | null {
    const tracks = [...this.#tracks(phase).values()]
    if (tracks.length === 0) return null
    const sum = (pick: (track: Track) => number): number =>
      tracks.reduce((total, track) => total + pick(track), 0)
    const totals = tracks.every((track) => track.total !== null)
    return this.#row('total', {
      begunAt: Math.min(...tracks.map((track) => track.begunAt)),
      doneAtBegin: 0,
      done: sum((one) => one.done),
      total: expected ?? (totals ? sum((one) => one.total ?? 0) : null),
    })
  }

  #tracks(phase: Phase): ReadonlyMap<string, Track> {
    return this.#phases.get(phase) ?? new Map<string, Track>()
  }

  #row(table: string, track: Track): Row {
    const seconds = (this.#now() - track.begunAt) / 1_000
    const rate = seconds > 0.05 ? (track.done - track.doneAtBegin) / seconds : 0
    const left = track.total === null ? null : Math.max(0, track.total - track.done)
    const etaSeconds = left === null || left === 0 || rate <= 0 ? null : left / rate
    return { table, done: track.done, total: track.total, rate, etaSeconds }
  }
}

function remainder(row: Row): number {
  return row.total === null ? 0 : row.total - row.done
}
