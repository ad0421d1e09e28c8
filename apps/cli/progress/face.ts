/**
 * The progress that a person sees: bars that are drawn over themselves on a terminal, one line per step without one.
 * Drawing is paced, so that a fast load costs nothing.
 */
import type { Progress, ProgressTick } from '@sensei/core/ports/progress'
import type { Io } from '../io.ts'
import { barLine, grouped } from './bars.ts'
import { Board } from './board.ts'

const REDRAW_MS = 100
const ROWS_MAX = 8
const STEADY_LINE_MS = 5_000

const TITLES: Record<ProgressTick['phase'], string> = {
  snapshot: 'Taking a private copy of the source',
  survey: 'Surveying every object and value',
  design: 'Designing the target',
  carry: 'Carrying rows',
  finish: 'Building keys, indexes and foreign keys',
  certify: 'Comparing both sides',
}

export interface ProgressFace extends Progress {
  /** The rows that the whole load will carry, once the plan is known. */
  expect(rows: number): void
  /** Leaves the screen clean for what follows. */
  close(): void
}

export function progressFace(io: Io, kind: 'auto' | 'plain' | 'none'): ProgressFace {
  if (kind === 'none') return silent()
  return io.live ? new LiveFace(io) : new PlainFace(io)
}

function silent(): ProgressFace {
  return { report: () => undefined, follow: () => () => undefined, expect: () => undefined, close: () => undefined }
}

abstract class BoardFace implements ProgressFace {
  protected readonly io: Io
  protected readonly board = new Board()
  protected expected: number | null = null
  readonly #listeners = new Set<(tick: ProgressTick) => void>()
  #begun = false

  constructor(io: Io) {
    this.io = io
  }

  report(tick: ProgressTick): void {
    const turned = this.board.take(tick) || !this.#begun
    this.#begun = true
    this.onTick(tick, turned)
    for (const listener of this.#listeners) listener(tick)
  }

  follow(listener: (tick: ProgressTick) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  expect(rows: number): void {
    this.expected = rows
  }

  protected abstract onTick(tick: ProgressTick, turned: boolean): void
  abstract close(): void
}

class LiveFace extends BoardFace {
  #drawn = 0
  #lastDraw = 0

  protected onTick(_tick: ProgressTick, turned: boolean): void {
    const now = performance.now()
    if (turned) this.#wipe()
    if (turned) this.io.say(`● ${TITLES[this.board.phase]}`)
    if (!turned && now - this.#lastDraw < REDRAW_MS) return
    this.#lastDraw = now
    this.#wipe()
    for (const line of this.#lines()) this.io.say(line)
  }

  close(): void {
    this.#wipe()
  }

  #lines(): string[] {
    const rows = this.board.inFlight()
    const shown = rows.slice(0, ROWS_MAX).map((row) => `  ${barLine(row, this.io.columns - 2)}`)
    const hidden = rows.length - shown.length
    if (hidden > 0) shown.push(`  … and ${hidden} more tables in flight`)
    if (this.board.phase === 'carry' || this.board.phase === 'certify') {
      shown.push(`  ${barLine(this.board.whole(this.expected), this.io.columns - 2)}`)
    }
    this.#drawn = shown.length
    return shown
  }

  #wipe(): void {
    if (this.#drawn > 0) this.io.stderr.write(`\u001b[${this.#drawn}A\u001b[J`)
    this.#drawn = 0
  }
}

class PlainFace extends BoardFace {
  #lastLine = 0

  protected onTick(tick: ProgressTick, turned: boolean): void {
    const now = performance.now()
    if (turned) this.io.say(TITLES[tick.phase])
    if (tick.phase === 'finish' && tick.message !== null) this.io.say(`  ${tick.table ?? ''}: ${tick.message}`)
    const complete = tick.unit === 'rows' && tick.total !== null && tick.done >= tick.total
    if (complete) this.io.say(`  ${tick.table ?? ''}: ${grouped(tick.done)} rows`)
    if (complete || turned || now - this.#lastLine < STEADY_LINE_MS) return
    this.#lastLine = now
    const whole = this.board.whole(this.expected)
    this.io.say(`  ${grouped(whole.done)}${whole.total === null ? '' : ` of ${grouped(whole.total)}`} ${tick.unit}`)
  }

  close(): void {}
}
