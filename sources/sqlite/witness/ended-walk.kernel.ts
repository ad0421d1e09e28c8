/**
 * Kernel of sources/sqlite/witness/kernel-walk.ts, in AssemblyScript: walks over a group of rows in the form of
 * ended-columns.ts and writes them as canonical rows (docs/canonical.md). A cell that it does not know it leaves to the
 * converters, one at a time. Compiled by `npm run kernels`.
 *
 * Memory: constants | a record for each column | window, into which the caller copies a group | what is written. What is
 * never touched costs nothing. What is read or written behind an end lies within this memory: 64 bytes at most.
 */

const COLUMNS_MAX: u32 = 2048
const WINDOW_BYTES: u32 = 2 * 1024 * 1024
/** A number of three bytes may become a float's cell of twenty. */
const GROWTH: u32 = 7
/** Rows that wait from the groups before. */
const WAITING_BYTES: u32 = 512 * 1024
const ROOM_BYTES: u32 = WAITING_BYTES + GROWTH * WINDOW_BYTES
const SLACK_BYTES: u32 = 64
const PAGE_BYTES: u32 = 65536

// What a run ends with.
const DONE: u32 = 0
const VALUE: u32 = 1
const NOT_HERE: u32 = 2

// A column's record.
const RECORD_BYTES: u32 = 16
const KIND: usize = 0
const HOW: usize = 1
const TAG: usize = 2
const SCALE: usize = 3
/** Digits before the point, and behind it, that a decimal may have; -1 without a bound. */
const BEFORE_MAX: usize = 4
const BEHIND_MAX: usize = 8

// Kinds.
const INTEGERS: u32 = 0
const TEXTS: u32 = 1

// How the usual cells of a column become a payload.
const AS_IT_IS: u32 = 1
const TRUTH: u32 = 2
const ISO_DATE: u32 = 3
const ISO_TIMESTAMP: u32 = 4
const DECIMAL: u32 = 5
const DOUBLE: u32 = 6

const COMMA: u32 = 0x2c
const MINUS: u32 = 0x2d
const POINT: u32 = 0x2e
const ZERO: u32 = 0x30
const COLON: u32 = 0x3a
const BLANK: u32 = 0x20
const NULL_CELL: u32 = 0x6e
const INTEGER: u32 = 0x69
const TEXT: u32 = 0x74
const SCALED: u32 = 0x65
const SPELLED: u32 = 0x71
const DIGITS: u32 = 0x37
const WHOLE: u32 = 0x6b
const WORD_INTEGER: usize = 7
const WORD_TEXT: usize = 4
const WORD_NULL: usize = 4
const BOOLEAN: u32 = 0x62
const FALSE: u32 = 0x66
const NUMERIC: u32 = 0x64
const FLOAT: u32 = 0x66

/** The two digits of each number below 100, and of each byte. */
const PAIRS = memory.data(200, 16)
const HEX = memory.data(512, 16)

let records: usize = 0
let window: usize = 0
let room: usize = 0
let columns: u32 = 0
let out: usize = 0

// Where the walk stands.
let at: usize = 0
let end: usize = 0
let rowsLeft: u32 = 0
let column: u32 = 0
let rowOut: usize = 0
let unfit: bool = false
let rejected: u32 = 0
/** The cell at `at` ends here. */
let close: usize = 0

/** Lays out the memory; false where there is none. */
export function open(count: u32): bool {
  records = (__heap_base + 15) & ~15
  window = records + COLUMNS_MAX * RECORD_BYTES
  room = window + WINDOW_BYTES + SLACK_BYTES
  const top = room + ROOM_BYTES + SLACK_BYTES
  const missing = <i32>((top + PAGE_BYTES - 1) / PAGE_BYTES) - memory.size()
  if (missing > 0 && memory.grow(missing) < 0) return false
  for (let value: u32 = 0; value < 100; value += 1)
    store<u16>(PAIRS + value * 2, <u16>((ZERO + value / 10) | ((ZERO + (value % 10)) << 8)))
  for (let value: u32 = 0; value < 256; value += 1)
    store<u16>(HEX + value * 2, <u16>(hexDigit(value >> 4) | (hexDigit(value & 15) << 8)))
  columns = count
  out = room
  return count <= COLUMNS_MAX
}

function hexDigit(value: u32): u32 {
  return value < 10 ? ZERO + value : 0x61 + value - 10
}

/** Says how a column is written. */
export function describe(
  place: u32,
  kind: u32,
  how: u32,
  tag: u32,
  scale: u32,
  beforeMax: i32,
  behindMax: i32,
): void {
  const record = records + place * RECORD_BYTES
  store<u8>(record, <u8>kind, KIND)
  store<u8>(record, <u8>how, HOW)
  store<u8>(record, <u8>tag, TAG)
  store<u8>(record, <u8>scale, SCALE)
  store<i32>(record, beforeMax, BEFORE_MAX)
  store<i32>(record, behindMax, BEHIND_MAX)
}

export function windowAt(): usize {
  return window
}

export function windowBytes(): u32 {
  return WINDOW_BYTES
}

export function roomAt(): usize {
  return room
}

/** Bytes of rows that were written. */
export function written(): u32 {
  return <u32>(out - room)
}

/** Forgets what was written behind the first `bytes`. */
export function cut(bytes: u32): void {
  out = room + bytes
}

/** Where the cell that was left to the caller begins and ends, and which column it is of. */
export function cellAt(): usize {
  return at
}

export function cellEnd(): usize {
  return close
}

export function cellColumn(): u32 {
  return column
}

/** Bytes that the cell may become: the rest of the group has its room behind it. */
export function cellRoom(): i32 {
  return <i32>(room + ROOM_BYTES - out) - <i32>(GROWTH * <u32>(end - close))
}

/** Rows of the group that were left out. */
export function rowsRejected(): u32 {
  return rejected
}

/** Walks over a group of `length` bytes in the window, which has to be `rows` rows. */
export function walk(length: u32, rows: u32): u32 {
  at = window
  end = window + length
  rowsLeft = rows
  rejected = 0
  column = 0
  return run()
}

/** Goes on behind the cell that was left to the caller, who wrote its `bytes`; or found it unfit: -1. */
export function resume(bytes: i32): u32 {
  if (bytes < 0) unfit = true
  else out += bytes
  at = close + 1
  column += 1
  return run()
}

function run(): u32 {
  while (rowsLeft > 0) {
    if (column === 0) {
      rowOut = out
      unfit = false
    }
    let record = records + column * RECORD_BYTES
    for (; column < columns; column += 1) {
      if (at >= end) return NOT_HERE
      const kind: u32 = load<u8>(record, KIND)
      const code: u32 = load<u8>(at)
      if (kind === INTEGERS || kind === TEXTS) {
        if (!isWord(code, kind)) return NOT_HERE
        if (code === NULL_CELL) close = at + WORD_NULL
        else close = nulFrom(at + (kind === TEXTS ? WORD_TEXT : WORD_INTEGER))
        if (close >= end || load<u8>(close) !== 0) return NOT_HERE
      } else if (!findNumberEnd(code)) return NOT_HERE
      if (code === NULL_CELL) {
        store<u8>(out, <u8>NULL_CELL)
        out += 1
      } else if (!cell(record, code)) return VALUE
      at = close + 1
      record += RECORD_BYTES
    }
    column = 0
    rowsLeft -= 1
    if (unfit) {
      out = rowOut
      rejected += 1
    }
  }
  return at === end ? DONE : NOT_HERE
}

/** The whole word: a NUL within what is passed over would be an end that nobody counts. */
function isWord(code: u32, kind: u32): bool {
  const word = load<u32>(at)
  if (code === NULL_CELL) return word === 0x6c6c_756e
  if (kind === TEXTS) return word === 0x7478_6574
  // `inte` and `eger`.
  return word === 0x6574_6e69 && load<u32>(at + 3) === 0x7265_6765
}

/** `end` or beyond where there is none. */
function nulFrom(from: usize): usize {
  const nul = i8x16.splat(0)
  for (let place = from; place < end; place += 16) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(place), nul))
    if (found !== 0) return place + ctz(found)
  }
  return end
}

/** No byte of a number may be a NUL, or the count of the rows would prove nothing. */
function findNumberEnd(code: u32): bool {
  let place = at + 1
  while (place < end) {
    const byte: u32 = load<u8>(place)
    if (byte - ZERO > 9) {
      if (byte === COMMA) break
      if (byte !== MINUS && byte !== POINT && byte !== 0x2b && byte !== 0x65) return false
    }
    place += 1
  }
  close = place
  if (place >= end) return false
  if (code === NULL_CELL) return place === at + 1
  return code === SCALED || code === SPELLED || code === DIGITS || code === WHOLE
}

/** Writes the cell, or nothing: then it is left to the caller. */
function cell(record: usize, code: u32): bool {
  const how: u32 = load<u8>(record, HOW)
  switch (how) {
    case AS_IT_IS:
      return asItIs(record, load<u8>(record, KIND) === TEXTS ? WORD_TEXT : WORD_INTEGER)
    case TRUTH: {
      const byte: u32 = load<u8>(at + WORD_INTEGER) - ZERO
      if (close !== at + WORD_INTEGER + 1 || byte > 1) return false
      header(BOOLEAN, 1)
      store<u8>(out, <u8>(byte === 1 ? TEXT : FALSE))
      out += 1
      return true
    }
    case ISO_DATE:
      return close - at === WORD_TEXT + 10 && isDate(at + WORD_TEXT) && asItIs(record, WORD_TEXT)
    case ISO_TIMESTAMP:
      return (
        close - at === WORD_TEXT + 19 && isTimestamp(at + WORD_TEXT) && asItIs(record, WORD_TEXT)
      )
    case DECIMAL:
      return code === SCALED && decimal(record)
    case DOUBLE:
      if (code === SCALED) return double(unitsAt(at + 1), load<u8>(record, SCALE))
      return code === SPELLED && spelled()
    default:
      return false
  }
}

/** Tag, length and colon. */
function header(tag: u32, length: u32): void {
  if (length < 10) {
    store<u32>(out, tag | ((ZERO + length) << 8) | (COLON << 16))
    out += 3
  } else if (length < 100) {
    store<u32>(out, tag | ((<u32>load<u16>(PAIRS + length * 2)) << 8) | (COLON << 24))
    out += 4
  } else {
    const width = digitCount(length)
    store<u8>(out, <u8>tag)
    putDigits(out + 1, length, width)
    store<u8>(out + 1 + width, <u8>COLON)
    out += 2 + width
  }
}

function asItIs(record: usize, word: usize): bool {
  const from = at + word
  const length = <u32>(close - from)
  header(load<u8>(record, TAG), length)
  // A call of copy costs more than a few words.
  if (length <= 64) {
    for (let byte: u32 = 0; byte < length; byte += 16)
      v128.store(out + byte, v128.load(from + byte))
  } else memory.copy(out, from, length)
  out += length
  return true
}

function digitCount(value: u64): u32 {
  let count: u32 = 1
  let bound: u64 = 10
  while (count < 19 && value >= bound) {
    count += 1
    bound *= 10
  }
  return count
}

/** Exactly `width` digits, with zeros in front. */
function putDigits(from: usize, value: u64, width: u32): void {
  let place = from + width
  let rest = value
  while (place - from >= 2) {
    const hundredth = rest / 100
    place -= 2
    store<u16>(place, load<u16>(PAIRS + <u32>(rest - hundredth * 100) * 2))
    rest = hundredth
  }
  if (place > from) store<u8>(from, <u8>(ZERO + <u32>(rest % 10)))
}

// Dates, as PostgreSQL prints them.

/** Two digits, or a number that is in no range. */
function twoDigits(from: usize): u32 {
  const tens: u32 = load<u8>(from) - ZERO
  const ones: u32 = load<u8>(from + 1) - ZERO
  return tens <= 9 && ones <= 9 ? 10 * tens + ones : 1000000
}

function isDate(from: usize): bool {
  if (load<u8>(from + 4) !== MINUS || load<u8>(from + 7) !== MINUS) return false
  const year = 100 * twoDigits(from) + twoDigits(from + 2)
  const month = twoDigits(from + 5)
  const day = twoDigits(from + 8)
  if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > 31) return false
  if (day <= 28) return true
  if (month === 2) return day === 29 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return day <= 30 || (month !== 4 && month !== 6 && month !== 9 && month !== 11)
}

function isTimestamp(from: usize): bool {
  return (
    load<u8>(from + 10) === BLANK &&
    load<u8>(from + 13) === COLON &&
    load<u8>(from + 16) === COLON &&
    twoDigits(from + 11) <= 23 &&
    twoDigits(from + 14) <= 59 &&
    twoDigits(from + 17) <= 59 &&
    isDate(from)
  )
}

// Numbers.

function powerOfTen(exponent: u32): u64 {
  let power: u64 = 1
  for (let left = exponent; left > 0; left -= 1) power *= 10
  return power
}

const NO_UNITS = i64.MIN_VALUE

/** Digits with a sign, from there to the cell's end; at most 15 of them. */
function unitsAt(from: usize): i64 {
  const negative = load<u8>(from) === MINUS
  const first = negative ? from + 1 : from
  if (first >= close || close - first > 15) return NO_UNITS
  let value: i64 = 0
  for (let place = first; place < close; place += 1) {
    const digit: u32 = load<u8>(place) - ZERO
    if (digit > 9) return NO_UNITS
    value = value * 10 + digit
  }
  // A zero with a sign is for the converters.
  return negative ? (value === 0 ? NO_UNITS : -value) : value
}

/** What would have to be rounded, or is too large, is for the converter to judge. */
function decimal(record: usize): bool {
  const units = unitsAt(at + 1)
  if (units === NO_UNITS) return false
  const scale: u32 = load<u8>(record, SCALE)
  const negative: u32 = units < 0 ? 1 : 0
  const size: u64 = units < 0 ? 0 - <u64>units : <u64>units
  const power = powerOfTen(scale)
  const before = size / power
  let behind = size - before * power
  let places: u32 = behind === 0 ? 0 : scale
  while (places > 0 && behind % 10 === 0) {
    behind /= 10
    places -= 1
  }
  const width = digitCount(before)
  const beforeMax = load<i32>(record, BEFORE_MAX)
  if (beforeMax >= 0) {
    if (<i32>places > load<i32>(record, BEHIND_MAX)) return false
    if (before > 0 && <i32>width > beforeMax) return false
  }
  header(NUMERIC, negative + width + (places > 0 ? places + 1 : 0))
  store<u8>(out, <u8>MINUS)
  out += negative
  putDigits(out, before, width)
  out += width
  if (places === 0) return true
  store<u8>(out, <u8>POINT)
  putDigits(out + 1, behind, places)
  out += 1 + places
  return true
}

/** Both are exact as doubles, and so the quotient is the double nearest to the decimal. */
function double(units: i64, scale: u32): bool {
  if (units === NO_UNITS) return false
  putFloat(<f64>units / <f64>powerOfTen(scale))
  return true
}

/** SQLite's text of a REAL, if it is digits with one point among them and no more than 15. */
function spelled(): bool {
  const negative = load<u8>(at + 1) === MINUS
  let value: i64 = 0
  let digits: u32 = 0
  let scale: u32 = 0
  let pointed = false
  for (let place = negative ? at + 2 : at + 1; place < close; place += 1) {
    const byte: u32 = load<u8>(place)
    if (byte === POINT && !pointed && digits > 0) {
      pointed = true
      continue
    }
    if (byte - ZERO > 9 || digits === 15) return false
    value = value * 10 + (byte - ZERO)
    digits += 1
    if (pointed) scale += 1
  }
  if (scale === 0) return false
  const size = <f64>value / <f64>powerOfTen(scale)
  putFloat(negative ? -size : size)
  return true
}

function putFloat(value: f64): void {
  const bits = reinterpret<u64>(value)
  header(FLOAT, 16)
  for (let shift: i32 = 56; shift >= 0; shift -= 8) {
    store<u16>(out, load<u16>(HEX + (<u32>(bits >> shift) & 255) * 2))
    out += 2
  }
}
