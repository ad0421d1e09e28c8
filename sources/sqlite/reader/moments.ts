/**
 * Dates, timestamps and times as text -> days and microseconds, by the calendar, without a JavaScript Date anywhere
 * (it has no microseconds and accepts 30 February).
 */
import type { TextFormat } from '@sensei/core/survey'

const ZERO = 48
const COLON = 58
const POINT = 46
const DASH = 45
const SLASH = 47
const PLUS = 43

/** Days from 0000-03-01 to 2000-01-01, where PostgreSQL counts from. */
const DAYS_TO_2000 = 730_425

const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** What the last successful parse found. */
export const moment = {
  /** Days since 2000-01-01. */
  days: 0,
  /** Within the day. */
  seconds: 0,
  /** Within the second. */
  micros: 0,
  /** East of UTC; 0 where the text has none. */
  offsetSeconds: 0,
}

type Parse = (text: Uint8Array, start: number, end: number) => boolean

/** The formats that name a moment. Each parser takes exactly what docs/canonical.md says and nothing beside it. */
export const MOMENT_FORMATS: Readonly<Partial<Record<TextFormat, Parse>>> = {
  'date-iso': (text, start, end) => separated(text, start, end, DASH, true),
  'date-ymd-slash': (text, start, end) => separated(text, start, end, SLASH, true),
  'date-dmy-slash': (text, start, end) => separated(text, start, end, SLASH, false),
  'date-mdy-slash': monthDayYear,
  'date-dmy-dot': (text, start, end) => separated(text, start, end, POINT, false),
  'date-compact': compact,
  'timestamp-iso': (text, start, end) =>
    end - start >= 16 && dateAndBlank(text, start) && clock(text, start + 11, end) === end,
  'timestamp-zone': zoned,
  'time-iso': timeOnly,
}

function separated(
  text: Uint8Array,
  start: number,
  end: number,
  mark: number,
  yearFirst: boolean,
): boolean {
  if (end - start !== 10) return false
  if (yearFirst) {
    if (text[start + 4] !== mark || text[start + 7] !== mark) return false
    return day(number(text, start, 4), number(text, start + 5, 2), number(text, start + 8, 2))
  }
  if (text[start + 2] !== mark || text[start + 5] !== mark) return false
  return day(number(text, start + 6, 4), number(text, start + 3, 2), number(text, start, 2))
}

function monthDayYear(text: Uint8Array, start: number, end: number): boolean {
  if (end - start !== 10 || text[start + 2] !== SLASH || text[start + 5] !== SLASH) return false
  return day(number(text, start + 6, 4), number(text, start, 2), number(text, start + 3, 2))
}

function compact(text: Uint8Array, start: number, end: number): boolean {
  if (end - start !== 8) return false
  return day(number(text, start, 4), number(text, start + 4, 2), number(text, start + 6, 2))
}

function zoned(text: Uint8Array, start: number, end: number): boolean {
  if (end - start < 17 || !dateAndBlank(text, start)) return false
  const at = clock(text, start + 11, end)
  return at !== -1 && offset(text, at, end)
}

function dateAndBlank(text: Uint8Array, start: number): boolean {
  const blank = text[start + 10]
  return (blank === 32 || blank === 84) && separated(text, start, start + 10, DASH, true)
}

/** `HH:MM[:SS[.ffffff]]`; the place behind it, or -1. Two digits and a colon are there to be looked at. */
function clock(text: Uint8Array, start: number, end: number): number {
  if (text[start + 2] !== COLON) return -1
  const seconds = start + 5 < end && text[start + 5] === COLON
  if (seconds && end - start < 8) return -1
  const second = seconds ? number(text, start + 6, 2) : 0
  if (!time(number(text, start, 2), number(text, start + 3, 2), second)) return -1
  return seconds ? fraction(text, start + 8, end) : start + 5
}

function timeOnly(text: Uint8Array, start: number, end: number): boolean {
  return end - start >= 5 && clock(text, start, end) === end
}

function fraction(text: Uint8Array, start: number, end: number): number {
  if (start >= end || text[start] !== POINT) return start
  let at = start + 1
  let micros = 0
  let weight = 100_000
  for (; at < end; at += 1, weight /= 10) {
    const digit = text[at]! - ZERO
    if (digit < 0 || digit > 9) break
    if (weight < 1) return -1
    micros += digit * weight
  }
  if (at === start + 1) return -1
  moment.micros = micros
  return at
}

/** `Z`, `+02`, `+0200` or `+02:00`, up to the 15:59 that PostgreSQL takes. */
function offset(text: Uint8Array, start: number, end: number): boolean {
  const sign = text[start]
  const size = end - start
  moment.offsetSeconds = 0
  if (sign === 90) return size === 1
  if (sign !== PLUS && sign !== DASH) return false
  const colon = size === 6 && text[start + 3] === COLON
  if (size !== 3 && size !== 5 && !colon) return false
  const hours = number(text, start + 1, 2)
  const minutes = size === 3 ? 0 : number(text, end - 2, 2)
  if (hours < 0 || hours > 15 || minutes < 0 || minutes > 59) return false
  moment.offsetSeconds = (sign === DASH ? -1 : 1) * (hours * 3600 + minutes * 60)
  return true
}

/** Leap seconds and 24:00:00 are refused: PostgreSQL would turn them into another moment. */
function time(hours: number, minutes: number, seconds: number): boolean {
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59 || seconds < 0 || seconds > 59)
    return false
  moment.seconds = hours * 3600 + minutes * 60 + seconds
  moment.micros = 0
  moment.offsetSeconds = 0
  return true
}

/** There is no year 0 in PostgreSQL's calendar. */
function day(year: number, month: number, dayOfMonth: number): boolean {
  if (year < 1 || month < 1 || month > 12 || dayOfMonth < 1) return false
  const leap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 1 : 0
  if (dayOfMonth > MONTH_DAYS[month - 1]! + leap) return false
  // Counted in years that begin in March, so that the leap day is the last.
  const marchYear = month <= 2 ? year - 1 : year
  const dayOfYear = (((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) | 0) + dayOfMonth - 1
  const leaps = ((marchYear / 4) | 0) - ((marchYear / 100) | 0) + ((marchYear / 400) | 0)
  moment.days = marchYear * 365 + leaps + dayOfYear - DAYS_TO_2000
  moment.seconds = 0
  moment.micros = 0
  moment.offsetSeconds = 0
  return true
}

/** Exactly `digits` digits, or -1. */
function number(text: Uint8Array, start: number, digits: number): number {
  let value = 0
  for (let at = start; at < start + digits; at += 1) {
    const digit = text[at]! - ZERO
    // Also false for the NaN behind the end of the buffer.
    if (!(digit >= 0 && digit <= 9)) return -1
    value = value * 10 + digit
  }
  return value
}
