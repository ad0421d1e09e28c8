// biome-ignore-all format: one word to a line would make this a page of nothing.

import type { Random } from '@sensei/apps/demo/random'

const WORDS = [
  'order', 'customer', 'parcel', 'refund', 'late', 'please', 'call', 'door', 'neighbour', 'gift', 'invoice', 'express',
  'standard', 'fragile', 'heavy', 'warehouse', 'north', 'south', 'handle', 'signed', 'by', 'before', 'noon', 'pending',
  'wrapped', 'blue', 'two', 'boxes', 'Grüße', 'déjà', 'señor', '東京', 'Αθήνα', 'Łódź', 'naïve', 'ок',
] as const

const HOSTILE = 'first line\nsecond\tcolumn "quoted" back\\slash \r \'single\' 📦🚚 '

const DAY_MS = 86_400_000
const FIRST_DAY_MS = Date.UTC(2018, 0, 1)
const DAYS = 2_500

/**
 * Sentences of about 90 bytes, one in a hundred of them with what has to be escaped. They are made once and picked
 * from, because making two million would take longer than writing them.
 */
export function sentences(random: Random, count: number): readonly [string, ...string[]] {
  const one = (at: number): string => {
    let text = at % 100 === 0 ? HOSTILE : ''
    while (text.length < 82) text += `${random.pick(WORDS)} `
    return text.trimEnd()
  }
  const all: [string, ...string[]] = [one(0)]
  for (let at = 1; at < count; at++) all.push(one(at))
  return all
}

/** Dates of nearly seven years, and every second of a day. */
export class Moments {
  readonly #days: readonly string[]
  readonly #times: readonly string[]
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
    this.#days = Array.from({ length: DAYS }, (_, day) => iso(FIRST_DAY_MS + day * DAY_MS, 0, 10))
    this.#times = Array.from({ length: 86_400 }, (_, second) => iso(second * 1_000, 11, 19))
  }

  date(): string {
    return this.#days[this.#random.below(DAYS)] ?? ''
  }

  dateTime(): string {
    return `${this.date()} ${this.#times[this.#random.below(86_400)] ?? ''}`
  }
}

function iso(ms: number, from: number, to: number): string {
  return new Date(ms).toISOString().slice(from, to)
}
