/**
 * Whether bytes are JSON (RFC 8259), and whether PostgreSQL's jsonb can hold it. One pass, no value is built: numbers
 * and keys keep the digits and the order that they were written with.
 */
export type JsonProblem =
  | 'this is not valid JSON'
  | 'jsonb cannot hold \\u0000'
  | 'jsonb cannot hold half a surrogate pair'
  | 'jsonb cannot hold a number of this size'

/** PostgreSQL's numeric holds this many digits before and after the point. */
const DIGITS_BEFORE_MAX = 131_072
const DIGITS_AFTER_MAX = 16_383

const QUOTE = 34
const PLUS = 43
const COMMA = 44
const MINUS = 45
const POINT = 46
const ZERO = 48
const COLON = 58
const OPEN_ARRAY = 91
const BACKSLASH = 92
const CLOSE_ARRAY = 93
const OPEN_OBJECT = 123
const CLOSE_OBJECT = 125

const INVALID: JsonProblem = 'this is not valid JSON'

/** Which closing byte each open container waits for. */
let closers = new Uint8Array(1_024)

/** The problem of the last scan that only jsonb has. */
let jsonbProblem: JsonProblem | null = null

export function jsonProblem(
  text: Uint8Array,
  start: number,
  end: number,
  forJsonb: boolean,
): JsonProblem | null {
  jsonbProblem = null
  if (scan(text, start, end) !== end) return INVALID
  return forJsonb ? jsonbProblem : null
}

/** True for an object or an array, whatever is in it. */
export function isComposite(text: Uint8Array, start: number, end: number): boolean {
  const first = text[blanks(text, start, end)]
  return first === OPEN_OBJECT || first === OPEN_ARRAY
}

/** The place behind the value and its blanks, or -1. */
function scan(text: Uint8Array, start: number, end: number): number {
  let depth = 0
  let at = blanks(text, start, end)
  for (;;) {
    const opens = text[at]
    if (at < end && (opens === OPEN_OBJECT || opens === OPEN_ARRAY)) {
      if (depth === closers.length) closers = doubled(closers)
      const closer = opens === OPEN_OBJECT ? CLOSE_OBJECT : CLOSE_ARRAY
      closers[depth++] = closer
      at = blanks(text, at + 1, end)
      if (at >= end) return -1
      if (text[at] !== closer) {
        if (closer === CLOSE_OBJECT && (at = key(text, at, end)) === -1) return -1
        continue
      }
      depth -= 1
    } else {
      at = scalar(text, at, end)
      if (at === -1) return -1
      at = blanks(text, at, end) - 1
    }
    // `at` stands on the last byte of a value or of the blanks behind it: close what ends here, or go to the next.
    for (;;) {
      at = blanks(text, at + 1, end)
      if (depth === 0) return at
      if (at >= end) return -1
      if (text[at] === closers[depth - 1]) {
        depth -= 1
        continue
      }
      if (text[at] !== COMMA) return -1
      at = blanks(text, at + 1, end)
      if (closers[depth - 1] === CLOSE_OBJECT && (at = key(text, at, end)) === -1) return -1
      break
    }
  }
}

/** A key, its colon and blanks; the place of its value, or -1. */
function key(text: Uint8Array, start: number, end: number): number {
  if (start >= end || text[start] !== QUOTE) return -1
  let at = string(text, start, end)
  if (at === -1) return -1
  at = blanks(text, at, end)
  return at < end && text[at] === COLON ? blanks(text, at + 1, end) : -1
}

function scalar(text: Uint8Array, start: number, end: number): number {
  if (start >= end) return -1
  const first = text[start]!
  if (first === QUOTE) return string(text, start, end)
  if (first === MINUS || isDigit(first)) return number(text, start, end)
  for (const word of WORDS) {
    if (word[0] !== first) continue
    for (let at = 0; at < word.length; at += 1) {
      if (start + at >= end || text[start + at] !== word[at]) return -1
    }
    return start + word.length
  }
  return -1
}

const WORDS = ['true', 'false', 'null'].map((word) => new TextEncoder().encode(word))

/** UTF-16 units that escapes name: half a pair must be followed by the other half. */
function string(text: Uint8Array, start: number, end: number): number {
  let high = false
  for (let at = start + 1; at < end; at += 1) {
    if (!high) while (at < end && PLAIN[text[at]!] === 1) at += 1
    if (at >= end) return -1
    const byte = text[at]!
    if (byte === BACKSLASH) {
      at += 1
      if (at >= end) return -1
      if (text[at] !== 117) {
        if (!ESCAPES.has(text[at]!)) return -1
        if (high) jsonbProblem ??= HALF_PAIR
        high = false
        continue
      }
      const unit = hex4(text, at + 1, end)
      if (unit === -1) return -1
      at += 4
      if (unit === 0) jsonbProblem ??= 'jsonb cannot hold \\u0000'
      const low = unit >= 0xdc00 && unit <= 0xdfff
      if (low !== high) jsonbProblem ??= HALF_PAIR
      high = unit >= 0xd800 && unit <= 0xdbff
      continue
    }
    if (high) {
      jsonbProblem ??= HALF_PAIR
      high = false
    }
    if (byte === QUOTE) return at + 1
    if (byte < 32) return -1
  }
  return -1
}

/** Bytes that mean nothing but themselves in a string. */
const PLAIN = new Uint8Array(256).fill(1, 32)
PLAIN[QUOTE] = 0
PLAIN[BACKSLASH] = 0

const HALF_PAIR: JsonProblem = 'jsonb cannot hold half a surrogate pair'
const ESCAPES = new Set([...'"\\/bfnrt'].map((char) => char.charCodeAt(0)))

function hex4(text: Uint8Array, start: number, end: number): number {
  if (start + 4 > end) return -1
  let unit = 0
  for (let at = start; at < start + 4; at += 1) {
    const byte = text[at]!
    const digit = isDigit(byte)
      ? byte - ZERO
      : (byte | 32) >= 97 && (byte | 32) <= 102
        ? (byte | 32) - 87
        : -1
    if (digit === -1) return -1
    unit = unit * 16 + digit
  }
  return unit
}

function number(text: Uint8Array, start: number, end: number): number {
  const integer = text[start] === MINUS ? start + 1 : start
  if (integer >= end || !isDigit(text[integer]!)) return -1
  const integerEnd = text[integer] === ZERO ? integer + 1 : digits(text, integer, end)
  let at = integerEnd
  if (at < end && text[at] === POINT) {
    at = digits(text, integerEnd + 1, end)
    if (at === integerEnd + 1) return -1
  }
  const after = Math.max(0, at - integerEnd - 1)
  let exponent = 0
  if (at < end && (text[at]! | 32) === 101) {
    const sign = text[at + 1]
    const first = at + 1 < end && (sign === MINUS || sign === PLUS) ? at + 2 : at + 1
    at = digits(text, first, end)
    if (at === first) return -1
    exponent = bounded(text, first, at) * (sign === MINUS ? -1 : 1)
  }
  if (integerEnd - integer + exponent > DIGITS_BEFORE_MAX || after - exponent > DIGITS_AFTER_MAX) {
    jsonbProblem ??= 'jsonb cannot hold a number of this size'
  }
  return at
}

/** The number in the digits; one with many digits is far beyond every limit, however many they are. */
function bounded(text: Uint8Array, start: number, end: number): number {
  let value = 0
  for (let at = start; at < end && value < 1e9; at += 1) value = value * 10 + text[at]! - ZERO
  return value
}

function doubled(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(bytes.length * 2)
  larger.set(bytes)
  return larger
}

function digits(text: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end && isDigit(text[at]!)) at += 1
  return at
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= 57
}

function blanks(text: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end && (text[at] === 32 || text[at] === 10 || text[at] === 13 || text[at] === 9))
    at += 1
  return at
}
