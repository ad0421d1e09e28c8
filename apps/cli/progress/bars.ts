/** Lines of a board for a terminal: pure text, so that tests can pin them. */
import { displayName } from '@sensei/core/display'
import { cut, fit } from '../width.ts'
import type { Row } from './board.ts'

const NAME_COLUMNS = 18
const BAR_COLUMNS = 18

/** `order              ███████████░░░░░░░  61 %  1,220,000/2,000,000  312k/s  ETA 0:03`, cut to `columns`. */
export function barLine(row: Row, columns: number): string {
  const share = row.total === null || row.total === 0 ? null : Math.min(1, row.done / row.total)
  const percent = share === null ? '     ' : `${String(Math.floor(share * 100)).padStart(3)} %`
  const amount =
    row.total === null ? grouped(row.done) : `${grouped(row.done)}/${grouped(row.total)}`
  const rate = row.rate > 0 ? `  ${short(row.rate)}/s` : ''
  const eta = row.etaSeconds === null ? '' : `  ETA ${clock(row.etaSeconds)}`
  const name = fit(displayName(row.table), NAME_COLUMNS)
  return cut(`${name} ${bar(share ?? 0)} ${percent}  ${amount}${rate}${eta}`, columns)
}

function bar(share: number): string {
  const filled = Math.round(share * BAR_COLUMNS)
  return '█'.repeat(filled) + '░'.repeat(BAR_COLUMNS - filled)
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
