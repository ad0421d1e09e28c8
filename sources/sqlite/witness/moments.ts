/** Dates and times in texts, by the formats of docs/canonical.md section 4. Read from bytes, one field at a time. */
import type { TextFormat } from '@sensei/core/survey'

export interface Moment {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly time: TimeOfDay
  /** Minutes east of UTC; null where the text names no zone. */
  readonly offset: number | null
}

export interface TimeOfDay {
  readonly hour: number
  readonly minute: number
  readonly second: number
  /** Up to six digits, as written. */
  readonly fraction: string
}

const MIDNIGHT: TimeOfDay = { hour: 0, minute: 0, second: 0, fraction: '' }
const TIME = String.raw`(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?`
const TIME_ISO = new RegExp(`^${TIME}$`)
const TIMESTAMP = new RegExp(String.raw`^(\d{4})-(\d\d)-(\d\d)[ T]${TIME}(Z|[+-]\d\d(?::?\d\d)?)?$`)

/** Where year, month and day stand in a text of a date format, and the text's shape. */
const DATES: Readonly<
  Partial<Record<TextFormat, { shape: RegExp; order: readonly [number, number, number] }>>
> = {
  'date-iso': { shape: /^(\d{4})-(\d\d)-(\d\d)$/, order: [1, 2, 3] },
  'date-dmy-slash': { shape: /^(\d\d)\/(\d\d)\/(\d{4})$/, order: [3, 2, 1] },
  'date-mdy-slash': { shape: /^(\d\d)\/(\d\d)\/(\d{4})$/, order: [3, 1, 2] },
  'date-dmy-dot': { shape: /^(\d\d)\.(\d\d)\.(\d{4})$/, order: [3, 2, 1] },
  'date-ymd-slash': { shape: /^(\d{4})\/(\d\d)\/(\d\d)$/, order: [1, 2, 3] },
  'date-compact': { shape: /^(\d{4})(\d\d)(\d\d)$/, order: [1, 2, 3] },
}

/** The text by the first format that it matches; null where it matches none. */
export function readMoment(text: string, formats: readonly TextFormat[]): Moment | null {
  for (const format of formats) {
    const moment = readFormat(text, format)
    if (moment !== null) return moment
  }
  return null
}

function readFormat(text: string, format: TextFormat): Moment | null {
  const date = DATES[format]
  if (date !== undefined) {
    const match = date.shape.exec(text)
    if (match === null) return null
    const [year, month, day] = date.order.map((group) => Number(match[group])) as [
      number,
      number,
      number,
    ]
    return exists(year, month, day) ? { year, month, day, time: MIDNIGHT, offset: null } : null
  }
  if (format !== 'timestamp-iso' && format !== 'timestamp-zone') return null
  const match = TIMESTAMP.exec(text)
  if (match === null || (match[8] === undefined) !== (format === 'timestamp-iso')) return null
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])]
  const time = timeOf(match.slice(4, 8))
  const offset = match[8] === undefined ? null : offsetOf(match[8])
  if (time === null || Number.isNaN(offset) || !exists(year, month, day)) return null
  return { year, month, day, time, offset }
}

/** The usual way to write a date, in the ten bytes from `at`; anything unusual is left to the formats. */
export function isIsoDate(bytes: Uint8Array, at: number, length: number): boolean {
  if (length !== 10 || bytes[at + 4] !== DASH || bytes[at + 7] !== DASH) return false
  const year = 100 * twoDigits(bytes, at) + twoDigits(bytes, at + 2)
  // Days up to 28 are in every month.
  const day = twoDigits(bytes, at + 8)
  const month = twoDigits(bytes, at + 5)
  return day <= 28 ? year >= 1 && month >= 1 && month <= 12 && day >= 1 : exists(year, month, day)
}

/** `2024-01-31 10:20:30`, which is as PostgreSQL prints it. */
export function isIsoTimestamp(bytes: Uint8Array, at: number, length: number): boolean {
  return (
    length === 19 &&
    bytes[at + 10] === BLANK &&
    bytes[at + 13] === COLON &&
    bytes[at + 16] === COLON &&
    twoDigits(bytes, at + 11) <= 23 &&
    twoDigits(bytes, at + 14) <= 59 &&
    twoDigits(bytes, at + 17) <= 59 &&
    isIsoDate(bytes, at, 10)
  )
}

const DASH = 0x2d
const BLANK = 0x20
const COLON = 0x3a

/** NaN, which is in no range, where there are no two digits. */
function twoDigits(bytes: Uint8Array, at: number): number {
  const tens = (bytes[at] as number) - 48
  const ones = (bytes[at + 1] as number) - 48
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? 10 * tens + ones : Number.NaN
}

export function readTime(text: string): TimeOfDay | null {
  const match = TIME_ISO.exec(text)
  return match === null ? null : timeOf(match.slice(1))
}

function timeOf([hour, minute, second, fraction]: readonly (
  | string
  | undefined
)[]): TimeOfDay | null {
  const time = {
    hour: Number(hour),
    minute: Number(minute),
    second: Number(second ?? 0),
    fraction: fraction ?? '',
  }
  return time.hour < 24 && time.minute < 60 && time.second < 60 ? time : null
}

/** NaN where there is no such offset. */
function offsetOf(zone: string): number {
  if (zone === 'Z') return 0
  const digits = zone.slice(1).replace(':', '')
  const hours = Number(digits.slice(0, 2))
  const minutes = Number(digits.slice(2) || 0)
  if (hours > 15 || minutes > 59) return Number.NaN
  return (zone[0] === '-' ? -1 : 1) * (hours * 60 + minutes)
}

function exists(year: number, month: number, day: number): boolean {
  // Written so that NaN, which is no digits, fails.
  if (!(year >= 1 && month >= 1 && month <= 12 && day >= 1)) return false
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  const length = month === 2 ? (leap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31
  return day <= length
}

const two = (value: number): string => String(value).padStart(2, '0')

export function spellDate({ year, month, day }: Moment): string {
  return `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}`
}

/** Null where digits behind the precision are not zero. */
export function spellTime(
  { hour, minute, second, fraction }: TimeOfDay,
  precision: number | null,
): string | null {
  const digits = fraction.replace(/0+$/, '')
  if (digits.length > (precision ?? 6)) return null
  return `${two(hour)}:${two(minute)}:${two(second)}${digits === '' ? '' : `.${digits}`}`
}

/** Microseconds since 1970 in UTC; null where digits behind the precision are not zero. */
export function instantOf(moment: Moment, precision: number | null): bigint | null {
  const { hour, minute, second, fraction } = moment.time
  if (fraction.replace(/0+$/, '').length > (precision ?? 6)) return null
  const seconds =
    BigInt(daysSince1970(moment)) * 86_400n +
    BigInt(hour * 3600 + minute * 60 + second) -
    BigInt(60 * (moment.offset ?? 0))
  return seconds * 1_000_000n + BigInt(fraction.padEnd(6, '0'))
}

/** Counted by whole years and months, not by way of any Date. */
function daysSince1970({ year, month, day }: Moment): number {
  const before = year - 1
  const leapDays = Math.floor(before / 4) - Math.floor(before / 100) + Math.floor(before / 400)
  let days = before * 365 + leapDays
  for (let passed = 1; passed < month; passed += 1) {
    for (let last = 31; ; last -= 1) {
      if (!exists(year, passed, last)) continue
      days += last
      break
    }
  }
  return days + day - 1 - 719_162
}
