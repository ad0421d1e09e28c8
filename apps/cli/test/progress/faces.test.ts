/** What a person sees of a run, on a terminal and without one: the bytes that go to stderr, and what a terminal makes of them. */
import { Writable } from 'node:stream'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { ProgressTick } from '@sensei/core/ports/progress'
import type { Io } from '../../io.ts'
import { progressFace } from '../../progress/face.ts'

class Terminal {
  readonly #columns: number
  written = ''

  constructor(columns = 80) {
    this.#columns = columns
  }

  io(live: boolean): Io {
    const stderr = new Writable({
      decodeStrings: false,
      write: (text: string, _, done) => {
        this.written += text
        done()
      },
    })
    return {
      env: {},
      argv: [],
      out: () => expect.unreachable('progress is no data'),
      say: (text) => void stderr.write(`${text}\n`),
      stderr,
      live,
      color: false,
      columns: () => this.#columns,
      answers: null,
    }
  }

  /** The lines that are left on the screen: of the terminal's language only "n lines up" and "clear below" may occur. */
  get screen(): readonly string[] {
    const lines: string[] = ['']
    // oxlint-disable-next-line no-control-regex
    for (const part of this.written.split(/(\u001b\[\d*[A-Z]|\n)/)) {
      // oxlint-disable-next-line no-control-regex
      const up = /^\u001b\[(\d+)A$/.exec(part)
      if (part === '\n') lines.push('')
      else if (up !== null) lines.splice(lines.length - 1 - Number(up[1]))
      else if (part === '\u001b[J') lines.push('')
      else {
        expect(part).not.toContain('\u001b')
        lines[lines.length - 1] += part
      }
    }
    return lines.slice(0, -1)
  }
}

const carried = (table: string, done: number, total: number): ProgressTick => ({
  phase: 'carry',
  table,
  unit: 'rows',
  done,
  total,
  message: null,
})

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

test('a terminal shows a bar for each table in flight and one for all, drawn over the former ones', () => {
  const terminal = new Terminal()
  const face = progressFace(terminal.io(true), 'auto')
  face.expect(3_000)
  face.report(carried('orders', 500, 1_000))
  face.report(carried('items', 100, 2_000))
  vi.advanceTimersByTime(150)
  const [title, ...bars] = terminal.screen
  expect(title).toBe('● Carrying rows')
  expect(bars.map((line) => line.trim().split(/\s+/)[0])).toEqual(['items', 'orders', 'total'])
  face.report(carried('orders', 1_000, 1_000))
  vi.advanceTimersByTime(150)
  expect(terminal.screen.map((line) => line.trim().split(/\s+/)[0])).toEqual([
    '●',
    'items',
    'total',
  ])
  expect(terminal.screen.at(-1)).toContain('1,100/3,000')
})

test('a line for the person is kept, and the bars move below it', () => {
  const terminal = new Terminal()
  const face = progressFace(terminal.io(true), 'auto')
  face.report(carried('orders', 500, 1_000))
  vi.advanceTimersByTime(150)
  face.say('interrupted: stopping at a chunk boundary')
  face.report(carried('orders', 600, 1_000))
  vi.advanceTimersByTime(150)
  expect(terminal.screen[1]).toBe('interrupted: stopping at a chunk boundary')
  face.close()
  expect(terminal.screen).toEqual(['● Carrying rows', 'interrupted: stopping at a chunk boundary'])
})

test('many tables in flight are a few bars and a number, never more than a screen', () => {
  const terminal = new Terminal()
  const face = progressFace(terminal.io(true), 'auto')
  for (let table = 0; table < 40; table += 1) face.report(carried(`t${table}`, 1, 10))
  vi.advanceTimersByTime(150)
  expect(terminal.screen.length).toBeLessThanOrEqual(12)
  expect(terminal.screen.join('\n')).toContain('and 32 more in flight')
})

test.each([40, 80, 200])('no line is wider than a terminal of %i columns', (columns) => {
  const terminal = new Terminal(columns)
  const face = progressFace(terminal.io(true), 'auto')
  face.report(carried('a_table_with_quite_a_long_name_as_they_come', 123_456_789, 987_654_321))
  vi.advanceTimersByTime(150)
  for (const line of terminal.screen.slice(1)) expect(line.length).toBeLessThan(columns)
})

test('a table’s name cannot speak the terminal’s language', () => {
  const terminal = new Terminal()
  const face = progressFace(terminal.io(true), 'auto')
  face.report(carried('evil\u001b[2J\u0007\nname', 1, 10))
  vi.advanceTimersByTime(150)
  expect(terminal.screen.join('\n')).not.toContain('\u0007')
})

test('without a terminal each step is one line, said once', () => {
  const terminal = new Terminal()
  const face = progressFace(terminal.io(false), 'auto')
  for (const done of [10, 500, 1_000, 1_000]) face.report(carried('orders', done, 1_000))
  for (const table of ['orders', 'items']) {
    face.report({ phase: 'finish', table, unit: 'steps', done: 1, total: 2, message: 'keys' })
  }
  face.close()
  expect(terminal.written.split('\n')).toEqual([
    'Carrying rows',
    '  orders: 1,000 rows',
    'Building keys, indexes and foreign keys',
    '  keys',
    '',
  ])
})

test.each([true, false])('more rows than there are is never said (on a terminal: %s)', (live) => {
  const terminal = new Terminal()
  const face = progressFace(terminal.io(live), 'auto')
  face.report(carried('big', 1_565_535, 1_500_000))
  face.report(carried('other', 1, 2))
  vi.advanceTimersByTime(150)
  face.close()
  expect(terminal.written).toContain(live ? '1,500,001/1,500,002' : '  big: 1,500,000 rows\n')
})

test('without a terminal a long step gives a sign of life', () => {
  const terminal = new Terminal()
  const face = progressFace(terminal.io(false), 'plain')
  face.expect(1_000)
  face.report(carried('orders', 1, 1_000))
  vi.advanceTimersByTime(6_000)
  face.report(carried('orders', 400, 1_000))
  expect(terminal.written).toContain('  400 of 1,000 rows\n')
})

test('--progress none says only what a person must read', () => {
  const terminal = new Terminal()
  const face = progressFace(terminal.io(true), 'none')
  face.report(carried('orders', 1, 1_000))
  face.say('a warning')
  vi.advanceTimersByTime(10_000)
  expect(terminal.written).toBe('a warning\n')
})
