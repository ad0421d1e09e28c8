/**
 * Kernel of target/witness/kernel-tuples.ts, in AssemblyScript: from the rows of COPY … TO STDOUT (FORMAT binary) to
 * canonical rows (docs/canonical.md), for the types that are simple enough. It reads whole rows only, and stops before one
 * that holds anything else, which decoders.ts then decodes. Compiled by `npm run kernels`.
 *
 * Memory: constants | a kind for each column | window, into which the caller copies what the server sent | what is written.
 * What is read behind the end of a value, or written behind it, lies within this memory: 16 bytes at most.
 */

const COLUMNS_MAX: u32 = 2048
const WINDOW_BYTES: u32 = 256 * 1024
const BATCH_BYTES: u32 = 512 * 1024
/** No value becomes more than three times as long: a number that would is left to JavaScript. */
const OUT_BYTES: u32 = BATCH_BYTES + 3 * WINDOW_BYTES + 4096
const SLACK_BYTES: u32 = 64
const PAGE_BYTES: u32 = 65536

// What a run ends with.
const MORE = 0
const ENDED = 1
const UNUSUAL = 2

// Kinds of columns: the tag, or a capital where a tag's values arrive in a form of their own.
const INTEGER: u32 = 0x69
const BOOLEAN: u32 = 0x62
const FLOAT: u32 = 0x66
const NUMERIC: u32 = 0x64
const TEXT: u32 = 0x74
const BYTES: u32 = 0x78
const JSON_TEXT: u32 = 0x6a
const DATE: u32 = 0x44
const TIMESTAMP: u32 = 0x54
const INSTANT: u32 = 0x7a
const TIME: u32 = 0x68
const UUID: u32 = 0x75
const BLANK_PADDED: u32 = 0x42

const NULL_CELL: u32 = 0x6e
const COLON: u32 = 0x3a
const ZERO: u32 = 0x30
const MINUS: u32 = 0x2d
const POINT: u32 = 0x2e
const BLANK: u32 = 0x20
const TRUE: u32 = 0x74
const FALSE: u32 = 0x66

const EPOCH_DAYS: i64 = 730425
const EPOCH_MICROSECONDS: i64 = 946684800000000
const DAY_MICROSECONDS: i64 = 86400000000
const ERA_DAYS: i64 = 146097

/** The two digits of each number below 100, and of each byte. */
const PAIRS = memory.data(200, 16)
const HEX = memory.data(512, 16)

let kinds: usize = 0
let window: usize = 0
let room: usize = 0
let columns: u32 = 0
/** Where the next cell goes, and where the last whole row ends. */
let out: usize = 0
let complete: usize = 0
let rows: u32 = 0
let status: u32 = MORE

/** Lays out the memory; false where there is none. */
export function open(count: u32): bool {
  kinds = (__heap_base + 15) & ~15
  window = kinds + COLUMNS_MAX
  room = window + WINDOW_BYTES + SLACK_BYTES
  const end = room + OUT_BYTES + SLACK_BYTES
  const missing = <i32>((end + PAGE_BYTES - 1) / PAGE_BYTES) - memory.size()
  if (missing > 0 && memory.grow(missing) < 0) return false
  for (let value: u32 = 0; value < 100; value += 1)
    store<u16>(PAIRS + value * 2, <u16>((ZERO + value / 10) | ((ZERO + (value % 10)) << 8)))
  for (let value: u32 = 0; value < 256; value += 1)
    store<u16>(HEX + value * 2, <u16>(hexDigit(value >> 4) | (hexDigit(value & 15) << 8)))
  columns = count
  taken()
  return count <= COLUMNS_MAX
}

function hexDigit(value: u32): u32 {
  return value < 10 ? ZERO + value : 0x61 + value - 10
}

export function kindsAt(): usize {
  return kinds
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

/** Bytes of whole rows that were written. */
export function written(): u32 {
  return <u32>(complete - room)
}

export function rowsWritten(): u32 {
  return rows
}

/** How the last run ended. */
export function ended(): u32 {
  return status
}

/** What is written was used. */
export function taken(): void {
  out = room
  complete = room
  rows = 0
}

/**
 * Decodes the whole rows in the first `length` bytes of the window and returns how many bytes they are. With less than
 * BATCH_BYTES written before, there is room for what any window becomes.
 */
export function decode(length: u32): u32 {
  const end = window + length
  let at = window
  status = MORE
  while (at + 2 <= end) {
    const fields = <i32>(<i16>bswap<u16>(load<u16>(at)))
    if (fields !== <i32>columns) {
      status = fields === -1 ? ENDED : UNUSUAL
      break
    }
    const next = row(at + 2, end)
    if (next === 0) break
    at = next
    complete = out
    rows += 1
  }
  out = complete
  return <u32>(at - window)
}

/** Where the row ends whose first field is at `from`; 0 where it is not whole, or unusual. */
function row(from: usize, end: usize): usize {
  let at = from
  for (let place: u32 = 0; place < columns; place += 1) {
    if (at + 4 > end) return 0
    const length = <i32>bswap<u32>(load<u32>(at))
    at += 4
    if (length < 0) {
      store<u8>(out, <u8>NULL_CELL)
      out += 1
      continue
    }
    if (<u32>length > <u32>(end - at)) return 0
    if (!field(load<u8>(kinds + place), at, length)) {
      status = UNUSUAL
      return 0
    }
    at += length
  }
  return at
}

function field(kind: u32, at: usize, length: i32): bool {
  switch (kind) {
    case TEXT:
    case BYTES:
    case JSON_TEXT:
      return asIs(kind, at, length)
    case INTEGER:
      return integer(at, length)
    case NUMERIC:
      return numeric(at, length)
    case TIMESTAMP:
      return length === 8 && timestamp(readI64(at))
    case DATE:
      return length === 4 && date(readI32(at))
    case BOOLEAN:
      header(BOOLEAN, 1)
      store<u8>(out, <u8>(load<u8>(at) === 1 ? TRUE : FALSE))
      out += 1
      return length === 1
    case FLOAT:
      return float(at, length)
    case INSTANT:
      return length === 8 && instant(readI64(at))
    case TIME:
      return length === 8 && time(readI64(at))
    case UUID:
      return length === 16 && uuid(at)
    case BLANK_PADDED: {
      let trimmed = length
      while (trimmed > 0 && load<u8>(at + trimmed - 1) === BLANK) trimmed -= 1
      return asIs(TEXT, at, trimmed)
    }
    default:
      return false
  }
}

function readI16(at: usize): i32 {
  return <i32>(<i16>bswap<u16>(load<u16>(at)))
}

function readI32(at: usize): i32 {
  return <i32>bswap<u32>(load<u32>(at))
}

function readI64(at: usize): i64 {
  return <i64>bswap<u64>(load<u64>(at))
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

function asIs(tag: u32, at: usize, length: i32): bool {
  header(tag, length)
  // A call of copy costs more than a few words.
  if (length <= 64) {
    for (let byte: i32 = 0; byte < length; byte += 8) store<u64>(out + byte, load<u64>(at + byte))
  } else memory.copy(out, at, length)
  out += length
  return true
}

function digitCount(value: u64): u32 {
  if (value < 100000) {
    if (value < 100) return value < 10 ? 1 : 2
    return value < 1000 ? 3 : value < 10000 ? 4 : 5
  }
  let count: u32 = 6
  let bound: u64 = 1000000
  while (count < 20 && value >= bound) {
    count += 1
    bound *= 10
  }
  return count
}

/** Exactly `width` digits, with zeros in front. */
function putDigits(at: usize, value: u64, width: u32): void {
  let place = at + width
  let large = value
  while (large > 0xffffffff) {
    const hundredth = large / 100
    place -= 2
    store<u16>(place, load<u16>(PAIRS + <u32>(large - hundredth * 100) * 2))
    large = hundredth
  }
  let rest = <u32>large
  while (place - at >= 2) {
    const hundredth = rest / 100
    place -= 2
    store<u16>(place, load<u16>(PAIRS + (rest - hundredth * 100) * 2))
    rest = hundredth
  }
  if (place > at) store<u8>(at, <u8>(ZERO + (rest % 10)))
}

function integer(at: usize, length: i32): bool {
  if (length === 8) return whole(INTEGER, readI64(at))
  if (length === 4) return whole(INTEGER, readI32(at))
  return length === 2 && whole(INTEGER, readI16(at))
}

function whole(tag: u32, value: i64): bool {
  const negative: u32 = value < 0 ? 1 : 0
  const size: u64 = value < 0 ? 0 - <u64>value : <u64>value
  const width = digitCount(size)
  header(tag, width + negative)
  store<u8>(out, <u8>MINUS)
  putDigits(out + negative, size, width)
  out += negative + width
  return true
}

/** The bits as hexadecimal digits, of which every NaN has the same. */
function float(at: usize, length: i32): bool {
  let bits: u64
  if (length === 8) {
    bits = bswap<u64>(load<u64>(at))
    if ((bits & 0x7fffffffffffffff) > 0x7ff0000000000000) bits = 0x7ff8000000000000
  } else if (length === 4) {
    bits = bswap<u32>(load<u32>(at))
    if ((bits & 0x7fffffff) > 0x7f800000) bits = 0x7fc00000
  } else return false
  header(FLOAT, <u32>length * 2)
  for (let shift = length * 8 - 8; shift >= 0; shift -= 8) {
    store<u16>(out, load<u16>(HEX + (<u32>(bits >> shift) & 255) * 2))
    out += 2
  }
  return true
}

function uuid(at: usize): bool {
  header(UUID, 36)
  for (let byte: u32 = 0; byte < 16; byte += 1) {
    if (byte === 4 || byte === 6 || byte === 8 || byte === 10) {
      store<u8>(out, <u8>MINUS)
      out += 1
    }
    store<u16>(out, load<u16>(HEX + <u32>load<u8>(at + byte) * 2))
    out += 2
  }
  return true
}

// Dates and times. The payload is written behind the place of a header whose length has two digits.

const TWO_DIGITS: usize = 4

/** Writes the date so many days after 2000-01-01; returns where it ends, and sets `beforeChrist`. */
let beforeChrist: bool = false

function putDate(from: usize, days: i64): usize {
  // Years begin in March, so that the leap day is the last one.
  const shifted = days + EPOCH_DAYS
  const era = (shifted >= 0 ? shifted : shifted - ERA_DAYS + 1) / ERA_DAYS
  const day = <i32>(shifted - era * ERA_DAYS)
  const year = (day - day / 1460 + day / 36524 - day / 146096) / 365
  const ofYear = day - (365 * year + year / 4 - year / 100)
  const month = (5 * ofYear + 2) / 153
  const astronomical = era * 400 + year + (month >= 10 ? 1 : 0)
  beforeChrist = astronomical <= 0
  const shown: u64 = beforeChrist ? <u64>(1 - astronomical) : <u64>astronomical
  const digits = digitCount(shown)
  const width: u32 = digits < 4 ? 4 : digits
  putDigits(from, shown, width)
  const at = from + width
  store<u8>(at, <u8>MINUS)
  store<u16>(at + 1, load<u16>(PAIRS + <u32>(month >= 10 ? month - 9 : month + 3) * 2))
  store<u8>(at + 3, <u8>MINUS)
  store<u16>(at + 4, load<u16>(PAIRS + <u32>(ofYear - (153 * month + 2) / 5 + 1) * 2))
  return at + 6
}

/** Writes a time of day in microseconds, without zeros at the end of its fraction; returns where it ends. */
function putTime(from: usize, microseconds: i64): usize {
  const seconds = <u32>(microseconds / 1000000)
  let fraction = <u32>(microseconds - <i64>seconds * 1000000)
  store<u16>(from, load<u16>(PAIRS + (seconds / 3600) * 2))
  store<u8>(from + 2, <u8>COLON)
  store<u16>(from + 3, load<u16>(PAIRS + ((seconds / 60) % 60) * 2))
  store<u8>(from + 5, <u8>COLON)
  store<u16>(from + 6, load<u16>(PAIRS + (seconds % 60) * 2))
  if (fraction === 0) return from + 8
  let width: u32 = 6
  while (fraction % 10 === 0) {
    fraction /= 10
    width -= 1
  }
  store<u8>(from + 8, <u8>POINT)
  putDigits(from + 9, fraction, width)
  return from + 9 + width
}

function putEra(from: usize): usize {
  if (!beforeChrist) return from
  store<u8>(from, <u8>BLANK)
  store<u8>(from + 1, 0x42)
  store<u8>(from + 2, 0x43)
  return from + 3
}

function finish(tag: u32, end: usize): bool {
  const length = <u32>(end - out - TWO_DIGITS)
  header(tag, length)
  out = end
  return true
}

function date(days: i32): bool {
  if (days === i32.MAX_VALUE) return infinity(DATE, false)
  if (days === i32.MIN_VALUE) return infinity(DATE, true)
  return finish(DATE, putEra(putDate(out + TWO_DIGITS, days)))
}

function timestamp(value: i64): bool {
  if (value === i64.MAX_VALUE) return infinity(TIMESTAMP, false)
  if (value === i64.MIN_VALUE) return infinity(TIMESTAMP, true)
  let days = value / DAY_MICROSECONDS
  let rest = value - days * DAY_MICROSECONDS
  if (rest < 0) {
    days -= 1
    rest += DAY_MICROSECONDS
  }
  const at = putDate(out + TWO_DIGITS, days)
  store<u8>(at, <u8>BLANK)
  return finish(TIMESTAMP, putEra(putTime(at + 1, rest)))
}

function instant(value: i64): bool {
  if (value === i64.MAX_VALUE) return infinity(INSTANT, false)
  if (value === i64.MIN_VALUE) return infinity(INSTANT, true)
  return value <= i64.MAX_VALUE - EPOCH_MICROSECONDS && whole(INSTANT, value + EPOCH_MICROSECONDS)
}

function time(value: i64): bool {
  if (value < 0 || value > DAY_MICROSECONDS) return false
  const length: u32 = value % 1000000 === 0 ? 8 : 0
  if (length === 0) return finish(TIME, putTime(out + TWO_DIGITS, value))
  header(TIME, length)
  out = putTime(out, value)
  return true
}

/** `infinity`, or `-infinity` */
function infinity(tag: u32, negative: bool): bool {
  header(tag, negative ? 9 : 8)
  store<u8>(out, <u8>MINUS)
  if (negative) out += 1
  store<u64>(out, 0x7974696e69666e69)
  out += 8
  return true
}

// Numbers: int16 count of base-10,000 digits, int16 weight of the first one, uint16 sign, uint16 scale, the digits.

function numeric(at: usize, length: i32): bool {
  if (length < 8) return false
  const count = readI16(at)
  const weight = readI16(at + 2)
  const sign: u32 = bswap<u16>(load<u16>(at + 4))
  // NaN and the infinities among them.
  if ((sign !== 0 && sign !== 0x4000) || count < 0 || length !== 8 + 2 * count) return false
  if (count === 0) {
    header(NUMERIC, 1)
    store<u8>(out, <u8>ZERO)
    out += 1
    return true
  }
  const negative: u32 = sign === 0 ? 0 : 1
  if (weight >= 0 && weight <= 2 && count <= weight + 3)
    return smallNumeric(at + 8, count, weight, negative)
  return largeNumeric(at + 8, count, weight, negative)
}

/** At most twelve digits before the point and eight behind it: each part is one number. */
function smallNumeric(digits: usize, count: i32, weight: i32, negative: u32): bool {
  let before: u64 = 0
  let behind: u32 = 0
  let width: u32 = 0
  for (let index = 0; index <= weight || index < count; index += 1) {
    const digit: u32 = index < count ? bswap<u16>(load<u16>(digits + 2 * index)) : 0
    if (index <= weight) before = before * 10000 + digit
    else {
      behind = behind * 10000 + digit
      width += 4
    }
  }
  if (behind === 0) width = 0
  while (width > 0 && behind % 10 === 0) {
    behind /= 10
    width -= 1
  }
  const beforeWidth = digitCount(before)
  header(NUMERIC, negative + beforeWidth + (width > 0 ? width + 1 : 0))
  store<u8>(out, <u8>MINUS)
  out += negative
  putDigits(out, before, beforeWidth)
  out += beforeWidth
  if (width === 0) return true
  store<u8>(out, <u8>POINT)
  putDigits(out + 1, behind, width)
  out += 1 + width
  return true
}

function largeNumeric(digits: usize, count: i32, weight: i32, negative: u32): bool {
  const groups = count - 1 - weight
  const above: i32 = weight > 0 ? weight : 0
  if (4 * (above + 3 + (groups > 0 ? groups : 0)) > 3 * (12 + 2 * count)) return false
  const first = weight >= 0 ? group(digits, count, 0) : 0
  const firstWidth = digitCount(first)
  let width: u32 = 0
  if (groups > 0) {
    width = <u32>groups * 4
    let last = group(digits, count, count - 1)
    while (last !== 0 && last % 10 === 0) {
      last /= 10
      width -= 1
    }
  }
  header(NUMERIC, negative + firstWidth + 4 * above + (width > 0 ? width + 1 : 0))
  store<u8>(out, <u8>MINUS)
  out += negative
  putDigits(out, first, firstWidth)
  out += firstWidth
  for (let index = 1; index <= weight; index += 1) {
    putDigits(out, group(digits, count, index), 4)
    out += 4
  }
  if (width === 0) return true
  store<u8>(out, <u8>POINT)
  out += 1
  // Zeros that are cut off are written, and then overwritten.
  for (let index = weight + 1, place: u32 = 0; place < width; index += 1, place += 4)
    putDigits(out + place, group(digits, count, index), 4)
  out += width
  return true
}

function group(digits: usize, count: i32, index: i32): u32 {
  return index < 0 || index >= count ? 0 : bswap<u16>(load<u16>(digits + 2 * index))
}
