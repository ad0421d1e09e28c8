/** PostgreSQL's days and microseconds since 2000 as its ISO text, written as bytes. */
import { digitCount, putDigits } from './digits.ts'

const DASH = 0x2d
const COLON = 0x3a
const POINT = 0x2e
const BLANK = 0x20

const DAYS_FROM_0000_03_01_TO_2000 = 730_425
const DAYS_IN_400_YEARS = 146_097
const DAY_MICROSECONDS = 86_400_000_000

/** A date is at most this long: `5874897-12-31`, `-4713` as `4714-11-24 BC`; and a time of day. */
export const DATE_BYTES_MAX = 16
export const TIME_BYTES_MAX = 15

/** Writes the date that is `days` after 2000-01-01, without an era; returns where it ends, negative for years before 1 AD. */
export function putDate(bytes: Uint8Array, at: number, days: number): number {
  // Years begin in March, so that the leap day is the last one.
  const shifted = days + DAYS_FROM_0000_03_01_TO_2000
  const usual = shifted >= 0 && shifted <= 0x7fffffff
  const era = usual
    ? ((shifted | 0) / DAYS_IN_400_YEARS) | 0
    : Math.floor(shifted / DAYS_IN_400_YEARS)
  const day = (shifted - era * DAYS_IN_400_YEARS) | 0
  const year = ((day - ((day / 1460) | 0) + ((day / 36524) | 0) - ((day / 146096) | 0)) / 365) | 0
  const ofYear = day - (365 * year + ((year / 4) | 0) - ((year / 100) | 0))
  const month = ((5 * ofYear + 2) / 153) | 0
  const january = month >= 10
  const astronomical = era * 400 + year + (january ? 1 : 0)
  const shown = astronomical > 0 ? astronomical : 1 - astronomical
  const width = Math.max(4, digitCount(shown))
  putDigits(bytes, at, shown, width)
  const place = at + width
  bytes[place] = DASH
  putDigits(bytes, place + 1, january ? month - 9 : month + 3, 2)
  bytes[place + 3] = DASH
  putDigits(bytes, place + 4, ofYear - (((153 * month + 2) / 5) | 0) + 1, 2)
  return astronomical > 0 ? place + 6 : -(place + 6)
}

/** Writes a time of day, from 0 to 24 hours in microseconds; returns where it ends. */
export function putTime(bytes: Uint8Array, at: number, microseconds: number): number {
  const seconds = Math.floor(microseconds / 1_000_000)
  let fraction = microseconds - seconds * 1_000_000
  putDigits(bytes, at, (seconds / 3600) | 0, 2)
  bytes[at + 2] = COLON
  putDigits(bytes, at + 3, ((seconds / 60) | 0) % 60, 2)
  bytes[at + 5] = COLON
  putDigits(bytes, at + 6, seconds % 60, 2)
  if (fraction === 0) return at + 8
  let width = 6
  while (fraction % 10 === 0) {
    fraction /= 10
    width -= 1
  }
  bytes[at + 8] = POINT
  putDigits(bytes, at + 9, fraction, width)
  return at + 9 + width
}

/** Writes ` BC`; returns where it ends. */
export function putBeforeChrist(bytes: Uint8Array, at: number): number {
  bytes[at] = BLANK
  bytes[at + 1] = 0x42
  bytes[at + 2] = 0x43
  return at + 3
}

/** Splits microseconds since 2000, given as two halves of an int64, into days and microseconds of the day. */
export function splitTimestamp(high: number, low: number): { days: number; microseconds: number } {
  const total = high * 0x1_0000_0000 + low
  if (Number.isSafeInteger(total)) {
    const days = Math.floor(total / DAY_MICROSECONDS)
    return { days, microseconds: total - days * DAY_MICROSECONDS }
  }
  const exact = (BigInt(high) << 32n) + BigInt(low)
  const day = BigInt(DAY_MICROSECONDS)
  let days = exact / day
  if (exact < 0n && days * day !== exact) days -= 1n
  return { days: Number(days), microseconds: Number(exact - days * day) }
}
