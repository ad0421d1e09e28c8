/**
 * Bars on a terminal. Each frame is one write that begins by clearing the former one, so that a process killed at any
 * moment leaves whole lines, a visible cursor and no colour behind.
 */
import type { ProgressTick } from '@sensei/core/ports/progress'
import type { Io } from '../io.ts'
import { displayName } from '@sensei/core/display'
import { cut } from '../width.ts'
import { barLine } from './bars.ts'
import { Board, type Phase, type Row } from './board.ts'
import { type ProgressFace, TITLES } from './titles.ts'

const REDRAW_MS = 100
const ROWS_MAX = 8
/** A step of building that nothing has followed is shown this long. */
const BUILDING_MS = 2_000
const BARRED: readonly Phase[] = ['snapshot', 'survey', 'carry', 'certify']

export class LiveFace implements ProgressFace {
  readonly #io: Io
  readonly #board = new Board()
  readonly #titled = new Set<Phase>()
  #expected: number | null = null
  #drawn = 0
  #stale = false
  #building: { readonly line: string; readonly at: number } | null = null
  #timer: NodeJS.Timeout | null = null

  constructor(io: Io) {
    this.#io = io
  }

  report(tick: ProgressTick): void {
    this.#board.take(tick)
    if (!this.#titled.has(tick.phase)) {
      this.#titled.add(tick.phase)
      this.say(`● ${TITLES[tick.phase]}`)
    }
    if (tick.message !== null) {
      const line = `${displayName(tick.table ?? '')}: ${displayName(tick.message)}`
      this.#building = { line, at: performance.now() }
    }
    this.#stale = true
    this.#timer ??= setInterval(() => this.#draw(), REDRAW_MS).unref()
  }

  expect(rows: number): void {
    this.#expected = rows
  }

  say(text: string): void {
    this.#io.stderr.write(`${this.#wiping()}${text}\n`)
    this.#stale = true
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
    const wiping = this.#wiping()
    if (wiping !== '') this.#io.stderr.write(wiping)
  }

  #draw(): void {
    if (!this.#stale) return
    this.#stale = false
    const wiping = this.#wiping()
    const lines = this.#lines()
    this.#drawn = lines.length
    this.#io.stderr.write(wiping + lines.map((line) => `${line}\n`).join(''))
  }

  #lines(): string[] {
    // One column stays free: a terminal wraps a line that fills the last one.
    const columns = this.#io.columns() - 3
    const rows = BARRED.flatMap((phase) => this.#board.inFlight(phase))
    const lines = rows.slice(0, ROWS_MAX).map((row) => barLine(row, columns))
    if (rows.length > ROWS_MAX) lines.push(`… and ${rows.length - ROWS_MAX} more in flight`)
    const building = this.#building
    if (building !== null && performance.now() - building.at < BUILDING_MS) {
      lines.push(cut(building.line, columns))
    }
    const total = this.#total()
    if (total !== null) lines.push(barLine(total, columns))
    return lines.map((line) => `  ${line}`)
  }

  /** The rows of the load; once they are in, those of the comparison. */
  #total(): Row | null {
    const carried = this.#board.whole('carry', this.#expected)
    const compared = this.#board.whole('certify', this.#expected)
    const carrying = carried !== null && carried.done < (carried.total ?? Infinity)
    return carrying ? carried : (compared ?? carried)
  }

  #wiping(): string {
    if (this.#drawn === 0) return ''
    const wiping = `\u001b[${this.#drawn}A\u001b[J`
    this.#drawn = 0
    return wiping
  }
}
