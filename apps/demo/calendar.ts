/** Dates as the shop's programs wrote them, by day number; day 0 is 2015-01-01. */

const DAY_MS = 86_400_000
const FIRST_DAY_MS = Date.UTC(2015, 0, 1)

export function isoDate(day: number): string {
  return new Date(FIRST_DAY_MS + day * DAY_MS).toISOString().slice(0, 10)
}

function timeOfDay(second: number): string {
  const two = (part: number): string => String(part).padStart(2, '0')
  return `${two(Math.floor(second / 3600))}:${two(Math.floor(second / 60) % 60)}:${two(second % 60)}`
}

export function dateTime(day: number, second: number): string {
  return `${isoDate(day)} ${timeOfDay(second)}`
}

/** The ways in which three generations of sign-up forms wrote a birthday. Each can be read in one way only. */
export const BIRTHDAY_FORMS = {
  iso: isoDate,
  slashed: (day: number) => isoDate(day).replaceAll('-', '/'),
  dotted: (day: number) => isoDate(day).split('-').reverse().join('.'),
} as const

export type BirthdayForm = keyof typeof BIRTHDAY_FORMS

/** Dates that no calendar holds; importers and empty form fields leave them behind. */
export const IMPOSSIBLE_DATES = ['2023-02-30', '0000-00-00', ''] as const
