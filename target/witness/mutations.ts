/** How a value is changed into a near one: from PostgreSQL's text of it to another text that the type may accept. */
import type { Tag } from '@sensei/core/canonical/types'

/** Null where the value has no such neighbour. NULL itself is dealt with by the operator `null`. */
type Change = (text: string) => string | null

type Operators = Readonly<Record<string, Change>>

const COUNTERPARTS: Operators = {
  'trailing space': (text) => `${text} `,
  'leading space': (text) => ` ${text}`,
  case: (text) =>
    changed(text, text === text.toUpperCase() ? text.toLowerCase() : text.toUpperCase()),
  normalisation: (text) =>
    changed(text, text.normalize('NFD')) ?? changed(text, text.normalize('NFC')),
  'one character': (text) =>
    text === '' ? null : `${text.slice(0, -1)}${text.endsWith('x') ? 'y' : 'x'}`,
  truncation: (text) => (text === '' ? null : [...text].slice(0, -1).join('')),
  empty: (text) => changed(text, ''),
}

const MOMENT: Operators = {
  microsecond: (text) => shiftFraction(text),
  second: (text) =>
    changed(
      text,
      text.replace(
        /:(\d\d)(?=$|[.+ -])/,
        (_, seconds: string) => `:${twoDigits((Number(seconds) + 1) % 60)}`,
      ),
    ),
}

/** By tag; each operator's name stands in the certificate. */
export const OPERATORS: Readonly<Record<Tag, Operators>> = {
  i: {
    'plus one': (text) => String(BigInt(text) + 1n),
    'bit flip': (text) => String(BigInt(text) ^ 8n),
    sign: (text) => changed(text, String(-BigInt(text))),
    'last digit': (text) => lastDigit(text),
  },
  d: {
    'last digit': lastDigit,
    sign: (text) =>
      /^-?[0.]+$/.test(text) ? null : text.startsWith('-') ? text.slice(1) : `-${text}`,
    tenfold: (text) => (/[1-9]/.test(text) && /^-?[\d.]+$/.test(text) ? `${text}e-1` : null),
  },
  f: {
    'bit flip': flipLowestBit,
    sign: (text) => (text.startsWith('-') ? text.slice(1) : text === 'NaN' ? null : `-${text}`),
  },
  b: { 'bit flip': (text) => (text === 'true' ? 'false' : 'true') },
  t: COUNTERPARTS,
  x: {
    'bit flip': (text) =>
      text === '\\x'
        ? null
        : `${text.slice(0, -1)}${(Number.parseInt(text.slice(-1), 16) ^ 1).toString(16)}`,
    'trailing byte': (text) => `${text}00`,
    truncation: (text) => (text === '\\x' ? null : text.slice(0, -2)),
    empty: (text) => changed(text, '\\x'),
  },
  D: {
    'last digit': (text) =>
      changed(
        text,
        text.replace(/\d(?=$| BC)/, (digit) => String((Number(digit) + 1) % 10)),
      ),
  },
  T: MOMENT,
  z: MOMENT,
  h: MOMENT,
  u: {
    'bit flip': (text) =>
      `${text.slice(0, -1)}${(Number.parseInt(text.slice(-1), 16) ^ 1).toString(16)}`,
  },
  j: { 'trailing space': (text) => `${text} `, 'one number': oneNumber, case: caseOfLetter },
  J: {
    'one number': oneNumber,
    case: caseOfLetter,
    'new key': (text) =>
      text.startsWith('{') && text !== '{}' ? `{"sensei mutant": 1, ${text.slice(1)}` : null,
  },
  v: { microsecond: (text) => `${text} 0.000001 seconds`, month: (text) => `${text} 1 month` },
  p: {},
}

function changed(before: string, after: string): string | null {
  return before === after ? null : after
}

function lastDigit(text: string): string | null {
  return /\d$/.test(text) ? `${text.slice(0, -1)}${(Number(text.slice(-1)) + 1) % 10}` : null
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0')
}

/** One microsecond more, or less where the next second would begin. */
function shiftFraction(text: string): string | null {
  const match = /^(.*:\d\d)(?:\.(\d{1,6}))?([^.]*)$/.exec(text)
  if (match === null) return null
  const fraction = Number((match[2] ?? '').padEnd(6, '0'))
  const moved = fraction === 999_999 ? fraction - 1 : fraction + 1
  return `${match[1]}.${String(moved).padStart(6, '0')}${match[3]}`
}

/** The next double, or for a number that a float4 spells the last digit of it. */
function flipLowestBit(text: string): string | null {
  const value = Number(text)
  if (!Number.isFinite(value)) return null
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(value)
  bytes[7] = (bytes[7] as number) ^ 1
  return String(bytes.readDoubleBE())
}

function oneNumber(text: string): string | null {
  const found = /(?<=[:[,]\s*)-?\d+(?=\s*[,\]}])/.exec(text)
  return found === null
    ? null
    : `${text.slice(0, found.index)}${BigInt(found[0]) + 1n}${text.slice(found.index + found[0].length)}`
}

/** Letters inside a string, never of true, false, null or an escape. */
function caseOfLetter(text: string): string | null {
  const found = /"([a-z])[^"\\]*"/.exec(text)
  if (found === null) return null
  const at = found.index + 1
  return `${text.slice(0, at)}${(found[1] as string).toUpperCase()}${text.slice(at + 1)}`
}
