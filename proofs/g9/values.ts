/**
 * Random values for G9: what SQLite stores, and the text of what PostgreSQL must then hold. Written for this proof; the
 * conversions of the product are not used.
 */
import type { Conversion } from '@sensei/core/plan'
import type { TextFormat } from '@sensei/core/survey'

export type Random = () => number

/** Mulberry32: a seed gives the same numbers everywhere. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

export type Stored = bigint | number | string | Uint8Array | null

export interface Value {
  readonly stored: Stored
  readonly expected: string | null
}

export interface Kind {
  readonly type: string
  readonly conversion: Conversion
  readonly formats?: readonly TextFormat[]
  make(random: Random): Value
}

const whole = (random: Random, below: number): number => Math.floor(random() * below)
const pick = <T>(random: Random, all: readonly T[]): T => all[whole(random, all.length)] as T
const two = (value: number): string => String(value).padStart(2, '0')
const same = (text: string): Value => ({ stored: text, expected: text })

const WORDS = [
  '',
  'a',
  'A',
  'n',
  'NULL',
  '\\N',
  '\\.',
  'é',
  'e\u0301',
  'ﬁ',
  '日本語',
  '😀',
  'Ω',
  '\u212B',
  'tab\there',
  'line\nbreak',
  "quote's",
  '"x"',
  'a:b',
  't1:',
  'ß',
  '0',
  'x'.repeat(300),
]

function text(random: Random): string {
  return Array.from({ length: whole(random, 4) }, () => pick(random, WORDS)).join(
    pick(random, ['', ' ', '-']),
  )
}

function integer(bits: number) {
  return (random: Random): Value => {
    const edge = 2n ** BigInt(bits - 1)
    const value = pick(random, [
      () => BigInt(whole(random, 1000)),
      () => -BigInt(whole(random, 1000)),
      () => edge - 1n - BigInt(whole(random, 3)),
      () => -edge + BigInt(whole(random, 3)),
      () => BigInt(Math.floor(random() * 2 ** Math.min(52, bits - 1))),
    ])()
    return { stored: value, expected: String(value) }
  }
}

function double(random: Random): number {
  return pick(random, [
    () => random(),
    () => (random() - 0.5) * 1e300,
    () => whole(random, 100),
    () => whole(random, 10_000) / 100,
    () => 5e-324,
    () => random() * 1e-300,
    () => 0.1 + 0.2,
    () => 16_777_217,
  ])()
}

function day(random: Random): { year: string; month: string; date: string } {
  return {
    year: String(1 + whole(random, 9999)).padStart(4, '0'),
    month: two(1 + whole(random, 12)),
    date: two(1 + whole(random, 28)),
  }
}

const isoDay = (random: Random): string => {
  const { year, month, date } = day(random)
  return `${year}-${month}-${date}`
}

function clock(random: Random): string {
  const fraction = pick(random, [
    '',
    '',
    `.${String(1 + whole(random, 999_998))
      .padStart(6, '0')
      .replace(/0+$/, '')}`,
  ])
  return `${two(whole(random, 24))}:${two(whole(random, 60))}:${two(whole(random, 60))}${fraction}`
}

function json(random: Random): string {
  return pick(random, [
    () => `{"k": ${whole(random, 100)}, "name": "${pick(random, ['abc', 'x', 'é', 'e\u0301'])}"}`,
    () => `[1, ${random()}, null, true]`,
    () => '{}',
    () => `{"b": {"c": [${whole(random, 9)}]}, "a": "z"}`,
  ])()
}

function bytes(random: Random): Value {
  const stored = Uint8Array.from({ length: whole(random, 40) }, () => whole(random, 256))
  return { stored, expected: `\\x${Buffer.from(stored).toString('hex')}` }
}

function uuid(random: Random): string {
  const digits = Array.from({ length: 32 }, () => whole(random, 16).toString(16)).join('')
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

export const KINDS: readonly Kind[] = [
  { type: 'bigint', conversion: 'integer', make: integer(64) },
  { type: 'integer', conversion: 'integer', make: integer(32) },
  { type: 'smallint', conversion: 'integer', make: integer(16) },
  { type: 'numeric', conversion: 'integer', make: integer(64) },
  {
    type: 'boolean',
    conversion: 'boolean',
    make: (random) =>
      pick(random, [
        { stored: 0n, expected: 'f' },
        { stored: 1n, expected: 't' },
      ]),
  },
  {
    type: 'double precision',
    conversion: 'real',
    make: (random) => {
      const value = double(random)
      return { stored: value, expected: String(value) }
    },
  },
  {
    type: 'real',
    conversion: 'real',
    make: (random) => {
      const value = Math.fround((random() - 0.5) * 1e6)
      return { stored: value, expected: String(value) }
    },
  },
  {
    type: 'numeric(12,3)',
    conversion: 'decimal',
    make: (random) => {
      const value = `${pick(random, ['', '-'])}${whole(random, 1_000_000)}.${String(whole(random, 1000)).padStart(3, '0')}`
      return { stored: Number(value), expected: value }
    },
  },
  {
    type: 'numeric',
    conversion: 'decimal',
    make: (random) => {
      const value = String(random() * 10 ** whole(random, 12))
      return { stored: Number(value), expected: value }
    },
  },
  { type: 'text', conversion: 'text', make: (random) => same(text(random)) },
  { type: 'varchar(2000)', conversion: 'text', make: (random) => same(text(random)) },
  {
    type: 'char(12)',
    conversion: 'text',
    make: (random) => same(pick(random, ['', 'ab', 'ab  ', 'x', 'ünïcödé'])),
  },
  {
    type: 'text',
    conversion: 'any-as-text',
    make: (random) =>
      pick(random, [
        () => integer(64)(random),
        () => same(text(random)),
        () => ({ stored: 2.5, expected: '2.5' }),
      ])(),
  },
  { type: 'bytea', conversion: 'bytes', make: bytes },
  { type: 'date', conversion: 'date', make: (random) => same(isoDay(random)) },
  {
    type: 'date',
    conversion: 'date',
    formats: ['date-dmy-slash', 'date-iso', 'date-dmy-dot'],
    make: (random) => {
      const { year, month, date } = day(random)
      return {
        stored: pick(random, [
          `${date}/${month}/${year}`,
          `${year}-${month}-${date}`,
          `${date}.${month}.${year}`,
        ]),
        expected: `${year}-${month}-${date}`,
      }
    },
  },
  {
    type: 'timestamp',
    conversion: 'timestamp',
    make: (random) => {
      const [date, time] = [isoDay(random), clock(random)]
      return { stored: `${date}${pick(random, [' ', 'T'])}${time}`, expected: `${date} ${time}` }
    },
  },
  {
    type: 'timestamptz',
    conversion: 'timestamptz',
    make: (random) =>
      same(`${isoDay(random)} ${clock(random)}${pick(random, ['Z', '+02:00', '-0330', '+14'])}`),
  },
  { type: 'time', conversion: 'time', make: (random) => same(clock(random)) },
  { type: 'json', conversion: 'json', make: (random) => same(json(random)) },
  { type: 'jsonb', conversion: 'jsonb', make: (random) => same(json(random)) },
  { type: 'uuid', conversion: 'uuid', make: (random) => same(uuid(random)) },
]
