/** What is known of a run at this moment, built from ticks; the faces only draw it. */
import type { ProgressTick } from '@sensei/core/ports/progress'

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
  unit: ProgressTick['unit']
}

export class Board {
  phase: ProgressTick['phase'] = 'snapshot'
  message: string | null = null
  readonly #now: () => number
  #tracks = new Map<string, Track>()

  /** `now` counts milliseconds and never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Takes a tick in; true when it began a new phase. */
  take(tick: ProgressTick): boolean {
    const turned = tick.phase !== this.phase
    if (turned) this.#tracks = new Map()
    this.phase = tick.phase
    this.message = tick.message
    const name = tick.table ?? ''
    const track = this.#tracks.get(name)
    if (track === undefined) {
      const { done, total, unit } = tick
      this.#tracks.set(name, { begunAt: this.#now(), doneAtBegin: done, done, total, unit })
    } else {
      track.done = Math.max(track.done, tick.done)
      track.total = tick.total ?? track.total
    }
    return turned
  }

  /** Tables in flight, the largest remainder first. */
  inFlight(): Row[] {
    return [...this.#tracks]
      .filter(([, track]) => track.total === null || track.done < track.total)
      .map(([table, track]) => this.#row(table, track))
      .toSorted((a, b) => remainder(b) - remainder(a))
  }

  /** Everything that was begun in this phase, in one row; `expected` is the total of what was not begun yet too. */
  whole(expected: number | null): Row {
    const tracks = [...this.#tracks.values()]
    const sum = (pick: (track: Track) => number): number =>
      tracks.reduce((total, track) => total + pick(track), 0)
    const begunAt = Math.min(this.#now(), ...tracks.map((track) => track.begunAt))
    const track: Track = {
      begunAt,
      doneAtBegin: sum((one) => one.doneAtBegin),
      done: sum((one) => one.done),
      total: expected,
      unit: 'rows',
    }
    return this.#row('total', track)
  }

  #row(table: string, track: Track): Row {
    const seconds = (this.#now() - track.begunAt) / 1_000
    const rate = seconds > 0 ? (track.done - track.doneAtBegin) / seconds : 0
    const left = track.total === null ? null : Math.max(0, track.total - track.done)
    const etaSeconds = left === null || rate <= 0 ? null : left / rate
    return { table, done: track.done, total: track.total, rate, etaSeconds }
  }
}

function remainder(row: Row): number {
  return row.total === null ? 0 : row.total - row.done
}
