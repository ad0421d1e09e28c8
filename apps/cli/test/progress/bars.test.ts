import { expect, test } from 'vitest'
import { barLine, clock, short } from '../../progress/bars.ts'
import { Board } from '../../progress/board.ts'
import { cut, fit, widthOf } from '../../width.ts'

const row = { table: 'order', done: 610_000, total: 1_000_000, rate: 312_400, etaSeconds: 1.2 }

test('a bar shows the name, the share, the rows, the rate and the time that is left', () => {
  expect(barLine(row, 100)).toBe(
    'order              ███████████░░░░░░░  61 %  610,000/1,000,000  312k/s  ETA 0:02',
  )
})

test.each([
  [1_220_000, 2_000_000, '1,220,000/2,000,000  312k/s  ETA 1:02:05'],
  [12_200_000, 20_000_000, '12,200,000/20,000,000  ETA 1:02:05'],
  [12_200_000_000, 20_000_000_000, '12200.0M/20000.0M  ETA 1:02:05'],
])(
  'on a terminal of 80 columns the time that is left is never cut off: %i of %i',
  (done, total, tail) => {
    const line = barLine({ ...row, done, total, etaSeconds: 3_725 }, 77)
    expect(line).toMatch(/ETA 1:02:05$/)
    expect(line).toContain(tail)
  },
)

test.each([
  'order',
  '注文'.repeat(20),
  'o\u0301'.repeat(60),
  'a'.repeat(500),
  '\u001b[31mred\u202e',
])('the bar of %j never takes more columns than there are', (table) => {
  for (const columns of [20, 40, 77])
    expect(widthOf(barLine({ ...row, table }, columns))).toBeLessThanOrEqual(columns)
})

test('bad input 39: a name cannot send escape sequences through a bar', () => {
  const line = barLine({ ...row, table: '\u001b]0;x\u0007\nno' }, 77)
  expect(line).toContain('\\x1b')
  // eslint-disable-next-line no-control-regex
  expect(line).not.toMatch(/[\u0000-\u001f\u007f]/)
})

test('the time that is left is told in minutes and hours', () => {
  expect([clock(3), clock(61), clock(3_725)]).toEqual(['0:03', '1:01', '1:02:05'])
})

test('rates are short', () => {
  expect([short(950), short(9_500), short(95_000), short(1_950_000)]).toEqual([
    '950',
    '9,500',
    '95k',
    '1.9M',
  ])
})

test('texts are cut by columns, not by characters', () => {
  expect(cut('注文票', 5)).toBe('注文…')
  expect(fit('ab', 4)).toBe('ab  ')
  expect(widthOf(fit('注文票', 5))).toBe(5)
})

test('a board tells phases apart that run at the same time', () => {
  let now = 0
  const board = new Board(() => now)
  const tick = { unit: 'rows', message: null, table: 'order' } as const
  board.take({ ...tick, phase: 'carry', done: 0, total: 100 })
  board.take({ ...tick, phase: 'certify', done: 50, total: 200 })
  now = 1_000
  board.take({ ...tick, phase: 'carry', done: 40, total: 100 })
  expect(board.inFlight('carry')).toEqual([
    { table: 'order', done: 40, total: 100, rate: 40, etaSeconds: 1.5 },
  ])
  expect(board.inFlight('certify')).toMatchObject([{ done: 50, total: 200 }])
  expect(board.whole('carry', 400)).toMatchObject({ table: 'total', done: 40, total: 400 })
  expect(board.whole('survey', null)).toBeNull()
})

test('what is complete is no longer in flight', () => {
  const board = new Board()
  board.take({ phase: 'carry', unit: 'rows', message: null, table: 'a', done: 5, total: 5 })
  expect(board.inFlight('carry')).toEqual([])
})

test('a survey is one row that moves through the tables, and is gone when rows are carried', () => {
  const board = new Board()
  const tick = { unit: 'steps', message: null, total: 3 } as const
  board.take({ phase: 'snapshot', table: null, unit: 'bytes', message: null, done: 5, total: 9 })
  board.take({ ...tick, phase: 'survey', table: 'a', done: 0 })
  board.take({ ...tick, phase: 'survey', table: 'b', done: 1 })
  expect(board.inFlight('snapshot')).toEqual([])
  expect(board.inFlight('survey')).toMatchObject([{ table: 'b', done: 1, total: 3 }])
  board.take({ ...tick, phase: 'carry', table: 'a', done: 0 })
  expect(board.inFlight('survey')).toEqual([])
})
