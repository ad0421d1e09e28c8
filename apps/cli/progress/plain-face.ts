/** One line per step, for logs and pipes. */
import { displayName } from '@sensei/core/display'
import type { ProgressTick } from '@sensei/core/ports/progress'
import type { FinishPart } from '@sensei/core/ports/target'
import type { Io } from '../io.ts'
import { grouped } from './bars.ts'
import { Board, doneOf } from './board.ts'
import { type ProgressFace, TITLES } from './titles.ts'

const STEADY_LINE_MS = 5_000
const PARTS: readonly FinishPart[] = ['keys', 'indexes', 'foreign keys', 'sequences', 'analyze']

export class PlainFace implements ProgressFace {
  readonly #io: Io
  readonly #board = new Board()
  readonly #said = new Set<string>()
  #expected: number | null = null
  #lastLine = performance.now()

  constructor(io: Io) {
    this.#io = io
  }

  report(tick: ProgressTick): void {
    this.#board.take(tick)
    this.#once(TITLES[tick.phase])
    const name = displayName(tick.table ?? '')
    if (tick.message !== null) this.#once(`  ${buildingOf(name, tick.message)}`)
    if (tick.unit === 'rows' && tick.total !== null && tick.done >= tick.total) {
      this.#once(
        `  ${name}: ${grouped(doneOf(tick))} rows${tick.phase === 'certify' ? ' compared' : ''}`,
      )
    }
    this.#steady(tick)
  }

  expect(rows: number): void {
    this.#expected = rows
  }

  say(text: string): void {
    this.#io.say(text)
  }

  close(): void {}

  /** A sign of life now and then, while one step takes long. */
  #steady(tick: ProgressTick): void {
    const now = performance.now()
    if (now - this.#lastLine < STEADY_LINE_MS) return
    const whole = this.#board.whole(tick.phase, tick.phase === 'carry' ? this.#expected : null)
    if (whole === null) return
    const total = whole.total === null ? '' : ` of ${grouped(whole.total)}`
    this.#lastLine = now
    this.#io.say(`  ${grouped(whole.done)}${total} ${tick.unit}`)
  }

  #once(line: string): void {
    if (this.#said.has(line)) return
    this.#said.add(line)
    this.#lastLine = performance.now()
    this.#io.say(line)
  }
}

/** A kind of step is one line, however many tables it is done to; what happened to one object names it. */
function buildingOf(name: string, message: string): string {
  return PARTS.some((part) => part === message) ? message : `${name}: ${displayName(message)}`
}
