/** Lines of a board for a terminal: pure text, so that tests can pin them. */
import { displayName } from '@sensei/core/display'
import { cut, fit, widthOf } from '../width.ts'
import type { Row } from './board.ts'

const NAME_COLUMNS = 18
const BAR_COLUMNS = 18
/** Where a line of millions with its time to go would not fit beside the wide one. */
const NARROW_BAR_COLUMNS = 10
const WIDE_COLUMNS = 83

/**
 * `order              ███████████░░░░░░░  61 %  1,220,000/2,000,000  312k/s  ETA 0:03`, cut to `columns`. Where it is too
 * long the rate goes first, then the digits of the amount: how long it will take is what a person waits to read.
 */
export function barLine(row: Row, columns: number): string {
  const share = row.total === null || row.total === 0 ? null : Math.min(1, row.done / row.total)
  const percent = share === null ? '     ' : `${String(Math.floor(share * 100)).padStart(3)} %`
  const amount = (written: (count: number) => string): string =>
    row.total === null ? written(row.done) : `${written(row.done)}/${written(row.total)}`
  const rate = row.rate > 0 ? `  ${short(row.rate)}/s` : ''
  const eta = row.etaSeconds === null ? '' : `  ETA ${clock(row.etaSeconds)}`
  const name = fit(displayName(row.table), NAME_COLUMNS)
  const head = `${name} ${bar(share ?? 0, columns)} ${percent}  `
  const tails = [
    `${amount(grouped)}${rate}${eta}`,
    `${amount(grouped)}${eta}`,
    `${amount(short)}${eta}`,
  ]
  const fitting = tails.find((tail) => widthOf(head) + tail.length <= columns)
  return cut(`${head}${fitting ?? tails.at(-1)}`, columns)
}

/** Of one width for all rows of a screen. */
function bar(share: number, columns: number): string {
  const width = columns < WIDE_COLUMNS ? NARROW_BAR_COLUMNS : BAR_COLUMNS
  const filled = Math.round(share * width)
  return '█'.repeat(filled) + '░'.repeat(width - filled)
}

export function grouped(count: number): string {
  return Math.round(count).toLocaleString('en-US')
}

export function short(count: number): string {
  if (count >= 1e6) return `${(count / 1e6).toFixed(1)}M`
  if (count >= 1e4) return `${Math.round(count / 1e3)}k`
  return grouped(count)
}

export function clock(seconds: number): string {
  const whole = Math.ceil(seconds)
  const minutes = Math.floor(whole / 60)
  const hours = Math.floor(minutes / 60)
  const pad = (part: number): string => String(part).padStart(2, '0')
  return hours > 0
    ? `${hours}:${pad(minutes % 60)}:${pad(whole % 60)}`
    : `${minutes}:${pad(whole % 60)}`
}
