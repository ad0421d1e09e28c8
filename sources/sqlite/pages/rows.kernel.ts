/**
 * The rows of leaf pages without JavaScript: either written as tuples of COPY BINARY (`write`), or counted column by
 * column (`count`). Only what is usual: whole rows within a page, and the values that a column mostly holds. Whatever
 * else comes along it leaves to JavaScript, one value or one row at a time, and it judges nothing: damage, too, is only
 * "not usual". table-cursor.ts describes the pages, row-kernel.ts the memory that both sides share.
 *
 * What is read beyond the end of a value, or written beyond it, 16 bytes at most, lies within this memory.
 */

// What a run ends with.
const DONE = 0
const ROW = 1
const VALUE = 2
const FULL = 3
const PAST = 4

// The state: where a run stands. JavaScript reads and sets it between runs.
let state: usize = 0
const CELL: usize = 0
const COLUMN: usize = 4
const ROWS: usize = 8
const OUT_AT: usize = 12
const OUT_FULL: usize = 16
const ROWS_FULL: usize = 20
const ROW_BYTES_MAX: usize = 24
const BOUNDED: usize = 28
const THROUGH: usize = 32
const BYTES_TOTAL: usize = 40
const LAST: usize = 48
const HAS_LAST: usize = 56
const STATE_BYTES: usize = 64

// A column: where its value stands in the record, what to do with it, and how.
const COLUMN_BYTES: usize = 32
const PLACE: usize = 0
const KIND: usize = 4
const NULL_WHERE_ABSENT: usize = 8
const REAL: usize = 12
/** Of a text: bytes that surely fit. Of a moment: formats. Of a decimal: its scale. */
const HOW: usize = 16
/** Of a moment: microseconds that its precision keeps. While counting: what JavaScript has seen enough of. */
const UNIT: usize = 20
/** Of a decimal: what its digits stay below. */
const BOUND: usize = 24
const ROWID = -1

let columns: usize = 0
let columnCount: i32 = 0
let tallies: usize = 0
/** Serial types and places of the values of the row at hand. */
let types: usize = 0
let places: usize = 0
let valuesMax: i32 = 0
let closers: usize = 0

let page: usize = 0
let usable: u32 = 0
let header: u32 = 0
let cells: i32 = 0

let record: usize = 0
let payload: u32 = 0
let rowid: i64 = 0
let values: i32 = 0
let inRow: bool = false
let rowSize: u32 = 0
let rowAt: usize = 0

/** Lays out the memory: the state, then columns, tallies, values, and 16 bytes on the window. Returns the state. */
export function layOut(count: i32, record: i32, usableBytes: u32, roomBytes: u32): usize {
  state = (__heap_base + 15) & ~15
  columnCount = count
  valuesMax = record
  usable = usableBytes
  columns = state + STATE_BYTES
  tallies = columns + <usize>count * COLUMN_BYTES
  types = tallies + <usize>count * TALLY_BYTES
  places = types + <usize>record * 4
  closers = places + <usize>record * 4
  const end = closers + CLOSERS + <usize>roomBytes
  const missing = (<i32>end + 65_535) / 65_536 - memory.size()
  if (missing > 0) memory.grow(missing)
  return state
}

export function columnsAt(): usize {
  return columns
}

export function talliesAt(): usize {
  return tallies
}

/** The window and what is written have their place from here. */
export function roomAt(): usize {
  return (closers + CLOSERS + 15) & ~15
}

/** Stands before a cell of a leaf page, whose header is this far from its begin. */
export function open(at: usize, headerAt: u32, cell: i32, count: i32): void {
  page = at
  header = headerAt
  cells = count
  inRow = false
  store<i32>(state, cell, CELL)
}

// Rows.

let varintAt: usize = 0

/** Of at most 9 bytes, as SQLite writes them. */
function varint(start: usize): u64 {
  let byte = load<u8>(start)
  if (byte < 0x80) {
    varintAt = start + 1
    return byte
  }
  let value: u64 = byte & 0x7f
  for (let at: usize = 1; at < 8; at += 1) {
    byte = load<u8>(start + at)
    value = (value << 7) | (byte & 0x7f)
    if (byte < 0x80) {
      varintAt = start + at + 1
      return value
    }
  }
  varintAt = start + 9
  return (value << 8) | load<u8>(start + 8)
}

function uint16(at: usize): u32 {
  return bswap<u16>(load<u16>(at))
}

/** Finds the record of the next cell: DONE when it can be read, ROW when JavaScript has to, PAST beyond the range. */
function nextRow(cell: i32): i32 {
  const first = header + 8
  if (first + 2 * <u32>cells > usable) return ROW
  const offset = uint16(page + first + 2 * cell)
  if (offset < first + 2 * <u32>cells || offset + 4 > usable) return ROW
  const size = varint(page + offset)
  rowid = <i64>varint(varintAt)
  if (load<u32>(state, BOUNDED) != 0 && rowid > load<i64>(state, THROUGH)) return PAST
  if (load<u32>(state, HAS_LAST) != 0 && rowid <= load<i64>(state, LAST)) return ROW
  record = varintAt
  if (size > <u64>usable - 35 || <u64>(record - page) + size > usable) return ROW
  payload = <u32>size
  return readHeader() ? DONE : ROW
}

/** The serial types of the values, and where each begins; false where they do not fit into the record. */
function readHeader(): bool {
  const headerBytes = varint(record)
  if (headerBytes > payload || varintAt > record + <usize>headerBytes) return false
  const end = record + <usize>headerBytes
  let at = varintAt
  let place = <u32>headerBytes
  let count = 0
  while (at < end && count < valuesMax) {
    let type: u32 = load<u8>(at)
    if (type < 0x80) at += 1
    else {
      const long = varint(at)
      at = varintAt
      if (long > 0x7fff_ffff) return false
      type = <u32>long
    }
    if (type == 10 || type == 11) return false
    store<u32>(types + 4 * count, type)
    store<u32>(places + 4 * count, place)
    place += sizeOf(type)
    if (place > payload) return false
    count += 1
  }
  values = count
  return at <= end
}

function sizeOf(type: u32): u32 {
  if (type >= 12) return (type - 12) >> 1
  // Four bits for each of the types 0 to 11: 0 1 2 3 4 6 8 8 0 0 0 0.
  return <u32>(<u64>0x8864_3210 >> (<u64>type * 4)) & 15
}

/** Of the types 1 to 6, 8 and 9. */
function integerAt(at: usize, type: u32): i64 {
  switch (type) {
    case 1:
      return load<i8>(at)
    case 2:
      return bswap<i16>(load<i16>(at))
    case 3:
      return ((<i32>load<i8>(at)) << 16) | <i32>uint16(at + 1)
    case 4:
      return bswap<i32>(load<i32>(at))
    case 5:
      return ((<i64>bswap<i16>(load<i16>(at))) << 32) | <i64>bswap<u32>(load<u32>(at + 2))
    case 6:
      return bswap<i64>(load<i64>(at))
    default:
      return type - 8
  }
}

function realAt(at: usize): f64 {
  return reinterpret<f64>(bswap<u64>(load<u64>(at)))
}

// Texts.

/** The numbers of 16 bytes: those below n are kept. */
const PLACES = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)

/** UTF-8 without NUL. Also copies it, with up to 15 bytes behind it. */
function copyText(from: usize, to: usize, size: u32): bool {
  let nul = i8x16.splat(0)
  let all = i8x16.splat(0)
  let at: usize = 0
  for (; at + 16 <= <usize>size; at += 16) {
    const block = v128.load(from + at)
    v128.store(to + at, block)
    nul = v128.or(nul, i8x16.eq(block, i8x16.splat(0)))
    all = v128.or(all, block)
  }
  if (at < <usize>size) {
    const block = v128.load(from + at)
    const kept = i8x16.lt_u(PLACES, i8x16.splat(<i8>(size - <u32>at)))
    v128.store(to + at, block)
    nul = v128.or(nul, v128.and(i8x16.eq(block, i8x16.splat(0)), kept))
    all = v128.or(all, v128.and(block, kept))
  }
  if (v128.any_true(nul)) return false
  return i8x16.bitmask(all) == 0 || isUtf8(from, from + size)
}

function isPlainText(from: usize, size: u32): bool {
  let nul = i8x16.splat(0)
  let all = i8x16.splat(0)
  let at: usize = 0
  for (; at + 16 <= <usize>size; at += 16) {
    const block = v128.load(from + at)
    nul = v128.or(nul, i8x16.eq(block, i8x16.splat(0)))
    all = v128.or(all, block)
  }
  if (at < <usize>size) {
    const block = v128.load(from + at)
    const kept = i8x16.lt_u(PLACES, i8x16.splat(<i8>(size - <u32>at)))
    nul = v128.or(nul, v128.and(i8x16.eq(block, i8x16.splat(0)), kept))
    all = v128.or(all, v128.and(block, kept))
  }
  if (v128.any_true(nul)) return false
  return i8x16.bitmask(all) == 0 || isUtf8(from, from + size)
}

/**
 * Well-formed UTF-8 by looking at each byte together with the three before it (Keiser and Lemire, "Validating UTF-8 in
 * less than one instruction per byte"). A bit stands for one way in which a byte cannot follow the one before, and each
 * table says what half a byte leaves possible; what all three leave is wrong:
 *
 *   1 no continuation follows   2 one follows ASCII   4, 32, 64 too long for three, two, four bytes
 *   8, 64 beyond U+10FFFF       16 a surrogate        128 two continuations, right only behind a longer lead
 */
const FIRST_HIGH = i8x16(2, 2, 2, 2, 2, 2, 2, 2, -128, -128, -128, -128, 33, 1, 21, 73)
const FIRST_LOW = i8x16(
  -25,
  -93,
  -125,
  -125,
  -117,
  -53,
  -53,
  -53,
  -53,
  -53,
  -53,
  -53,
  -53,
  -37,
  -53,
  -53,
)
const SECOND_HIGH = i8x16(1, 1, 1, 1, 1, 1, 1, 1, -26, -82, -70, -70, 1, 1, 1, 1)

function isUtf8(start: usize, end: usize): bool {
  let wrong = i8x16.splat(0)
  let before = i8x16.splat(0)
  // Behind the end come zeros, so that nothing may be missing there.
  for (let at = start; at <= end; at += 16) {
    let block = v128.load(at)
    if (end - at < 16) {
      block = v128.and(block, i8x16.lt_u(PLACES, i8x16.splat(<i8>(end - at))))
    }
    wrong = v128.or(wrong, misfits(before, block))
    before = block
  }
  return !v128.any_true(wrong)
}

function misfits(before: v128, block: v128): v128 {
  const one = i8x16.shuffle(
    before,
    block,
    15,
    16,
    17,
    18,
    19,
    20,
    21,
    22,
    23,
    24,
    25,
    26,
    27,
    28,
    29,
    30,
  )
  const two = i8x16.shuffle(
    before,
    block,
    14,
    15,
    16,
    17,
    18,
    19,
    20,
    21,
    22,
    23,
    24,
    25,
    26,
    27,
    28,
    29,
  )
  const three = i8x16.shuffle(
    before,
    block,
    13,
    14,
    15,
    16,
    17,
    18,
    19,
    20,
    21,
    22,
    23,
    24,
    25,
    26,
    27,
    28,
  )
  const pairs = v128.and(
    v128.and(
      i8x16.swizzle(FIRST_HIGH, i8x16.shr_u(one, 4)),
      i8x16.swizzle(FIRST_LOW, v128.and(one, i8x16.splat(15))),
    ),
    i8x16.swizzle(SECOND_HIGH, i8x16.shr_u(block, 4)),
  )
  // Third and fourth bytes: continuations behind a continuation, and nothing else, where a lead asks for them.
  const third = i8x16.sub_sat_u(two, i8x16.splat(<i8>(0xe0 - 0x80)))
  const fourth = i8x16.sub_sat_u(three, i8x16.splat(<i8>(0xf0 - 0x80)))
  const asked = v128.and(v128.or(third, fourth), i8x16.splat(<i8>0x80))
  return v128.xor(asked, pairs)
}

/** Copies, with up to 15 bytes behind. */
function copyBytes(from: usize, to: usize, size: u32): void {
  if (size > 256) {
    memory.copy(to, from, size)
    return
  }
  for (let at: usize = 0; at < <usize>size; at += 16) {
    v128.store(to + at, v128.load(from + at))
  }
}

// Moments.

const DATE: u32 = 1
const TIMESTAMP: u32 = 2
const ZONED: u32 = 4

/** Days since 2000-01-01, and microseconds within the day. */
let days: i32 = 0
let micros: i64 = 0
/** Of the fraction: how many digits, whether the last one is zero, whether all are. */
let fractionDigits: u32 = 0

function two(at: usize): i32 {
  const tens = <i32>load<u8>(at) - 48
  const ones = <i32>load<u8>(at, 1) - 48
  return <u32>tens > 9 || <u32>ones > 9 ? -1 : tens * 10 + ones
}

function monthDays(month: i32): i32 {
  if (month == 2) return 28
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31
}

/** `YYYY-MM-DD` of the calendar; there is no year 0. */
function isDate(at: usize): bool {
  if (load<u8>(at, 4) != 45 || load<u8>(at, 7) != 45) return false
  const century = two(at)
  const inCentury = two(at + 2)
  const month = two(at + 5)
  const day = two(at + 8)
  if (century < 0 || inCentury < 0 || month < 1 || month > 12 || day < 1) return false
  const year = century * 100 + inCentury
  if (year == 0) return false
  const leap = month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 1 : 0
  if (day > monthDays(month) + leap) return false
  // Counted in years that begin in March, so that the leap day is the last.
  const marchYear = month <= 2 ? year - 1 : year
  const dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
  const leaps = marchYear / 4 - marchYear / 100 + marchYear / 400
  days = marchYear * 365 + leaps + dayOfYear - 730_425
  micros = 0
  return true
}

/**
 * Which of the formats a text with a day and a time of day to the second is: TIMESTAMP, with up to 6 digits of a
 * fraction, ZONED with a Z behind it, or 0 for anything else.
 */
function momentOf(at: usize, size: u32): u32 {
  if (size < 19 || size > 27) return 0
  const blank = load<u8>(at, 10)
  if ((blank != 32 && blank != 84) || load<u8>(at, 13) != 58 || load<u8>(at, 16) != 58) return 0
  const hours = two(at + 11)
  const minutes = two(at + 14)
  const seconds = two(at + 17)
  if (<u32>hours > 23 || <u32>minutes > 59 || <u32>seconds > 59 || !isDate(at)) return 0
  micros = <i64>(hours * 3600 + minutes * 60 + seconds) * 1_000_000
  const zoned = load<u8>(at + size - 1) == 90
  const end = zoned ? size - 1 : size
  fractionDigits = 0
  if (end > 19 && !readFraction(at, end)) return 0
  return zoned ? ZONED : TIMESTAMP
}

function readFraction(at: usize, end: u32): bool {
  fractionDigits = end - 20
  if (load<u8>(at, 19) != 46 || fractionDigits < 1 || fractionDigits > 6) return false
  let weight = 100_000
  for (let place: u32 = 20; place < end; place += 1, weight /= 10) {
    const digit = <u32>load<u8>(at + place) - 48
    if (digit > 9) return false
    micros += <i64>digit * weight
  }
  return true
}

// Tuples: int16 number of fields; a field is its int32 length, -1 for NULL, and its bytes; all big-endian.

const KIND_OTHER = 0
const KIND_BIGINT = 1
const KIND_BOOLEAN = 2
const KIND_DOUBLE = 3
const KIND_DECIMAL = 4
const KIND_TEXT = 5
const KIND_BYTES = 6
const KIND_MOMENT = 7
const KIND_DATE = 8
const KIND_UUID = 9

/** Writes rows from where the state stands until the page ends or JavaScript is needed. */
export function write(): i32 {
  while (true) {
    if (!inRow) {
      const cell = load<i32>(state, CELL)
      if (cell >= cells) return DONE
      const rows = load<u32>(state, ROWS)
      const at = load<u32>(state, OUT_AT)
      if (at >= load<u32>(state, OUT_FULL) || rows >= load<u32>(state, ROWS_FULL)) return FULL
      const found = nextRow(cell)
      if (found != DONE) return found
      rowAt = at
      store<u16>(at, bswap<u16>(<u16>columnCount))
      store<u32>(state, at + 2, OUT_AT)
      store<i32>(state, 0, COLUMN)
      inRow = true
    }
    if (!writeColumns()) return VALUE
    didRow()
    store<u32>(state, load<u32>(state, ROWS) + 1, ROWS)
  }
}

/** JavaScript has written the value that the run stopped at. */
export function wroteValue(): i32 {
  store<i32>(state, load<i32>(state, COLUMN) + 1, COLUMN)
  return write()
}

/** The row is done: written, counted, or refused. */
export function didRow(): void {
  inRow = false
  store<i64>(state, rowid, LAST)
  store<u32>(state, 1, HAS_LAST)
  store<i32>(state, load<i32>(state, CELL) + 1, CELL)
}

/** Where the row begins that is being written. */
export function rowBegins(): usize {
  return rowAt
}

/** False at a value that JavaScript has to write. */
function writeColumns(): bool {
  let at: usize = load<u32>(state, OUT_AT)
  for (let column = load<i32>(state, COLUMN); column < columnCount; column += 1) {
    const spec = columns + <usize>column * COLUMN_BYTES
    const next = writeColumn(spec, at)
    if (next == 0) {
      store<i32>(state, column, COLUMN)
      store<u32>(state, at, OUT_AT)
      return false
    }
    at = next
  }
  store<u32>(state, at, OUT_AT)
  return true
}

/** Returns the end of the field, or 0. */
function writeColumn(spec: usize, at: usize): usize {
  const place = load<i32>(spec, PLACE)
  const kind = load<i32>(spec, KIND)
  if (place == ROWID) return kind == KIND_BIGINT ? writeInteger(at, rowid) : 0
  if (place >= values) return load<i32>(spec, NULL_WHERE_ABSENT) != 0 ? writeNull(at) : 0
  const type = load<u32>(types + 4 * place)
  if (type == 0) return writeNull(at)
  const value = record + load<u32>(places + 4 * place)
  switch (kind) {
    case KIND_BIGINT:
      return type >= 12 || type == 7 ? 0 : writeInteger(at, integerAt(value, type))
    case KIND_BOOLEAN:
      if (type != 8 && type != 9) return 0
      store<u32>(at, 0x0100_0000)
      store<u8>(at, type - 8, 4)
      return at + 5
    case KIND_DOUBLE:
      return writeDouble(spec, at, value, type)
    case KIND_DECIMAL:
      return writeDecimal(spec, at, value, type)
    case KIND_TEXT: {
      const size = sizeOf(type)
      if (type < 13 || type % 2 == 0 || size > load<u32>(spec, HOW)) return 0
      store<u32>(at, bswap<u32>(size))
      return copyText(value, at + 4, size) ? at + 4 + size : 0
    }
    case KIND_BYTES:
      if (type < 12 || type % 2 == 1) return 0
      store<u32>(at, bswap<u32>(sizeOf(type)))
      copyBytes(value, at + 4, sizeOf(type))
      return at + 4 + sizeOf(type)
    case KIND_MOMENT:
      return writeMoment(spec, at, value, type)
    case KIND_DATE:
      if (type != 33 || !isDate(value)) return 0
      store<u32>(at, 0x0400_0000)
      store<i32>(at, bswap<i32>(days), 4)
      return at + 8
    case KIND_UUID:
      return type == 85 ? writeUuid(at, value) : 0
    default:
      return 0
  }
}

function writeNull(at: usize): usize {
  store<u32>(at, 0xffff_ffff)
  return at + 4
}

function writeInteger(at: usize, value: i64): usize {
  store<u32>(at, 0x0800_0000)
  store<i64>(at, bswap<i64>(value), 4)
  return at + 12
}

/** An integer in a column of floating point numbers is one; elsewhere JavaScript looks whether a double holds it. */
function writeDouble(spec: usize, at: usize, value: usize, type: u32): usize {
  if (type >= 12) return 0
  if (type == 7) {
    const number = realAt(value)
    return isNaN(number) ? writeNull(at) : writeInteger(at, reinterpret<i64>(number))
  }
  if (load<i32>(spec, REAL) == 0) return 0
  return writeInteger(at, reinterpret<i64>(<f64>integerAt(value, type)))
}

/** Up to 10^22 a double holds them exactly. */
const POWERS_OF_TEN = memory.data(184, 8)
for (let exponent = 0, power: f64 = 1; exponent < 23; exponent += 1, power *= 10) {
  store<f64>(POWERS_OF_TEN + 8 * exponent, power)
}

function powerOfTen(exponent: i32): f64 {
  return load<f64>(POWERS_OF_TEN + 8 * <usize>exponent)
}

/**
 * Scaled by the column's scale, below 10^15: then value = scaled / 10^scale spells it exactly. What is not so, and what
 * is too large for the column, is JavaScript's.
 */
function writeDecimal(spec: usize, at: usize, value: usize, type: u32): usize {
  if (type >= 12) return 0
  const scale = load<i32>(spec, HOW)
  const factor = powerOfTen(scale)
  let scaled: f64
  if (type == 7) {
    const number = realAt(value)
    scaled = nearest(number * factor)
    if (scaled / factor != number) return 0
  } else {
    const whole = integerAt(value, type)
    if (whole > 1_000_000_000_000_000 || whole < -1_000_000_000_000_000) return 0
    scaled = <f64>whole * factor
  }
  if (!(abs(scaled) < load<f64>(spec, BOUND))) return 0
  return writeScaled(at, scaled, scale)
}

/** numeric: int16 digits, weight, sign, display scale, then the digits to base 10,000 without zeros at either end. */
function writeScaled(at: usize, scaled: f64, scale: i32): usize {
  const size = abs(scaled)
  const unit = powerOfTen(scale)
  let whole = <u64>floor(size / unit)
  const fractionGroups = (scale + 3) >> 2
  let fraction = <u64>((size - <f64>whole * unit) * powerOfTen(fractionGroups * 4 - scale))
  // Digits are written from the end of a room of 8 and moved to their place.
  const digits = at + 12
  let first = 8 - fractionGroups
  for (let place = 7; place >= first; place -= 1) {
    store<u16>(digits + 2 * place, bswap<u16>(<u16>(fraction % 10_000)))
    fraction /= 10_000
  }
  const point = first
  while (whole > 0) {
    first -= 1
    store<u16>(digits + 2 * first, bswap<u16>(<u16>(whole % 10_000)))
    whole /= 10_000
  }
  let end = 8
  while (first < end && load<u16>(digits + 2 * first) == 0) first += 1
  while (end > first && load<u16>(digits + 2 * (end - 1)) == 0) end -= 1
  const count = end - first
  v128.store(digits, v128.load(digits + 2 * first))
  store<u32>(at, bswap<u32>(8 + 2 * count))
  store<u16>(at, bswap<u16>(<u16>count), 4)
  store<u16>(at, bswap<u16>(<u16>(count == 0 ? 0 : point - first - 1)), 6)
  store<u16>(at, scaled < 0 ? 0x0040 : 0, 8)
  store<u16>(at, bswap<u16>(<u16>scale), 10)
  return at + 12 + 2 * count
}

function writeMoment(spec: usize, at: usize, value: usize, type: u32): usize {
  if (type < 13 || type % 2 == 0) return 0
  const size = sizeOf(type)
  const formats = load<u32>(spec, HOW)
  if (size == 10) {
    if ((formats & DATE) == 0 || !isDate(value)) return 0
  } else if ((momentOf(value, size) & formats) == 0) return 0
  if (micros % <i64>load<u32>(spec, UNIT) != 0) return 0
  return writeInteger(at, <i64>days * 86_400_000_000 + micros)
}

/** 36 characters, hyphens in their places, digits of either case. */
function writeUuid(at: usize, value: usize): usize {
  store<u32>(at, 0x1000_0000)
  let to = at + 4
  for (let from: usize = 0; from < 36; ) {
    if (from == 8 || from == 13 || from == 18 || from == 23) {
      if (load<u8>(value + from) != 45) return 0
      from += 1
    }
    const high = hexadecimal(load<u8>(value + from))
    const low = hexadecimal(load<u8>(value + from + 1))
    if ((high | low) > 15) return 0
    store<u8>(to, (high << 4) | low)
    to += 1
    from += 2
  }
  return to
}

/** 255 for what is no digit. */
function hexadecimal(byte: u32): u32 {
  if (byte - 48 <= 9) return byte - 48
  const letter = (byte | 32) - 97
  return letter <= 5 ? letter + 10 : 255
}

// Counting.

// What was counted of a column; JavaScript takes it and sets it to nothing.
const NULLS: usize = 0
const INTEGERS: usize = 4
const ZERO_OR_ONE: usize = 8
const REALS: usize = 12
const ROUND_TRIPS: usize = 16
const NEGATIVE_ZEROS: usize = 20
const REAL_SCALE: usize = 24
const REAL_PRECISION: usize = 28
const TEXTS: usize = 32
const TEXT_BYTES_MAX: usize = 36
const EMPTY: usize = 40
const DATELESS: usize = 44
const UTC: usize = 48
const DATES: usize = 52
const TIMESTAMPS: usize = 56
const ZONEDS: usize = 60
const UUIDS: usize = 64
const DECIMALS: usize = 68
const DECIMAL_SCALE: usize = 72
const DECIMAL_PRECISION: usize = 76
const JSONS: usize = 80
const BLOBS: usize = 84
const BLOB_BYTES_MAX: usize = 88
const UUID_SIZED: usize = 92
const INTEGER_MIN: usize = 96
const INTEGER_MAX: usize = 104
/** How the times of timestamps are written, then of those with a zone: 40 shapes each. */
const SHAPES: usize = 112
const SHAPES_BYTES: usize = 160
const TALLY_BYTES: usize = 432

// What JavaScript has enough examples of, in UNIT.
const ENOUGH_INTEGERS: u32 = 1
const ENOUGH_REALS: u32 = 2
const ENOUGH_TEXTS: u32 = 4
const ENOUGH_BLOBS: u32 = 8
const ENOUGH_DATELESS: u32 = 16
const ENOUGH_UNIFIED: u32 = 32

const CLOSERS: usize = 1024
const TO_JAVASCRIPT: i32 = -1

/** Counts rows from where the state stands until the page ends or JavaScript is needed. */
export function count(): i32 {
  while (true) {
    if (!inRow) {
      const cell = load<i32>(state, CELL)
      if (cell >= cells) return DONE
      const found = nextRow(cell)
      if (found != DONE) return found
      rowSize = 0
      store<i32>(state, 0, COLUMN)
      inRow = true
    }
    for (let column = load<i32>(state, COLUMN); column < columnCount; column += 1) {
      const size = countColumn(column)
      if (size == TO_JAVASCRIPT) {
        store<i32>(state, column, COLUMN)
        return VALUE
      }
      rowSize += size
    }
    didRow()
    store<u32>(state, load<u32>(state, ROWS) + 1, ROWS)
    store<f64>(state, load<f64>(state, BYTES_TOTAL) + <f64>rowSize, BYTES_TOTAL)
    if (rowSize > load<u32>(state, ROW_BYTES_MAX)) store<u32>(state, rowSize, ROW_BYTES_MAX)
  }
}

/** JavaScript has counted the value that the run stopped at; it counts for so many bytes. */
export function countedValue(size: u32): i32 {
  rowSize += size
  store<i32>(state, load<i32>(state, COLUMN) + 1, COLUMN)
  return count()
}

/** Returns the bytes that the value counts for. */
function countColumn(column: i32): i32 {
  const spec = columns + <usize>column * COLUMN_BYTES
  const tally = tallies + <usize>column * TALLY_BYTES
  const place = load<i32>(spec, PLACE)
  const enough = load<u32>(spec, UNIT)
  if (place == ROWID) return countInteger(tally, enough, rowid)
  if (place >= values && load<i32>(spec, NULL_WHERE_ABSENT) == 0) return TO_JAVASCRIPT
  const type = place >= values ? 0 : load<u32>(types + 4 * place)
  if (type == 0) {
    add(tally, NULLS)
    return 0
  }
  if (type >= 12 && type % 2 == 0) return countBlob(tally, enough, sizeOf(type))
  const value = record + load<u32>(places + 4 * place)
  if (type >= 12) return countText(spec, tally, value, sizeOf(type))
  if (type == 7) return countReal(tally, enough, realAt(value))
  const whole = integerAt(value, type)
  return load<i32>(spec, REAL) != 0
    ? countReal(tally, enough, <f64>whole)
    : countInteger(tally, enough, whole)
}

function add(tally: usize, what: usize): void {
  store<u32>(tally + what, load<u32>(tally + what) + 1)
}

function raise(tally: usize, what: usize, value: u32): void {
  if (value > load<u32>(tally + what)) store<u32>(tally + what, value)
}

function countInteger(tally: usize, enough: u32, value: i64): i32 {
  if ((enough & ENOUGH_INTEGERS) == 0) return TO_JAVASCRIPT
  // Of nothing the least is the greatest number, and the other way round.
  if (value < load<i64>(tally, INTEGER_MIN)) store<i64>(tally, value, INTEGER_MIN)
  if (value > load<i64>(tally, INTEGER_MAX)) store<i64>(tally, value, INTEGER_MAX)
  add(tally, INTEGERS)
  if (<u64>value <= 1) add(tally, ZERO_OR_ONE)
  return 8
}

/** value = scaled / 10^scale with at most 15 digits in `scaled` is what SQLite writes. */
function countReal(tally: usize, enough: u32, value: f64): i32 {
  if (isNaN(value)) {
    // SQLite reads it as NULL.
    add(tally, NULLS)
    return 0
  }
  if ((enough & ENOUGH_REALS) == 0) return TO_JAVASCRIPT
  const size = abs(value)
  let spelled = false
  for (let scale = load<i32>(tally, REAL_SCALE); scale < 7; scale += 1) {
    const unit = powerOfTen(scale)
    const scaled = nearest(size * unit)
    if (!(scaled < 1e15)) break
    if (scaled / unit != size) continue
    spelled = true
    store<i32>(tally, scale, REAL_SCALE)
    break
  }
  if (spelled) {
    add(tally, ROUND_TRIPS)
    let precision = load<i32>(tally, REAL_PRECISION)
    while (size >= powerOfTen(precision)) precision += 1
    store<i32>(tally, precision, REAL_PRECISION)
  } else if (!needsMoreDigits(size)) return TO_JAVASCRIPT
  add(tally, REALS)
  if (size == 0 && reinterpret<i64>(value) < 0) add(tally, NEGATIVE_ZEROS)
  return 8
}

/**
 * True where surely no decimal of 15 digits reads back as the number. The nearest one is k / 10^s with k below 10^15; the
 * product's rounding moves it by a sixteenth at most, and a decimal that is a sixteenth short of a half away from the
 * number does not read back as it.
 */
function needsMoreDigits(size: f64): bool {
  if (!(size >= 1e-7 && size < 1e15)) return false
  let scale = 15
  if (size >= 1) while (size >= powerOfTen(15 - scale)) scale -= 1
  else while (scale < 22 && size * powerOfTen(scale - 14) < 1) scale += 1
  return nearest(size * powerOfTen(scale)) / powerOfTen(scale) != size
}

function countBlob(tally: usize, enough: u32, size: u32): i32 {
  if ((enough & ENOUGH_BLOBS) == 0) return TO_JAVASCRIPT
  add(tally, BLOBS)
  raise(tally, BLOB_BYTES_MAX, size)
  if (size == 16) add(tally, UUID_SIZED)
  return size
}

/** What a text is in no way: then only its size counts. */
const NO_MOMENT: u32 = 0
/** It may be one of the formats that JavaScript knows. */
const UNUSUAL: u32 = 8

function countText(spec: usize, tally: usize, at: usize, size: u32): i32 {
  const enough = load<u32>(spec, UNIT)
  if ((enough & ENOUGH_TEXTS) == 0 || !isPlainText(at, size)) return TO_JAVASCRIPT
  if (size == 0) {
    if ((enough & ENOUGH_DATELESS) == 0) return TO_JAVASCRIPT
    add(tally, EMPTY)
    add(tally, DATELESS)
    add(tally, TEXTS)
    return 0
  }
  const first: u32 = load<u8>(at)
  const digit = first - 48 <= 9
  const moment = digit ? usualMoment(at, size) : NO_MOMENT
  const shape = moment == TIMESTAMP || moment == ZONED ? shapeOf(at) : 0
  if (moment == UNUSUAL) return TO_JAVASCRIPT
  if (moment == NO_MOMENT && (enough & ENOUGH_DATELESS) == 0) return TO_JAVASCRIPT
  if (moment == TIMESTAMP && (shape < 1 || shape > 7) && (enough & ENOUGH_UNIFIED) == 0) {
    return TO_JAVASCRIPT
  }
  let isJson = false
  if (!digit && first != 45 && isComposite(at, size)) {
    const found = json(at, at + size)
    if (found == UNKNOWN || load<i32>(spec, HOW) != 0) return TO_JAVASCRIPT
    isJson = found == VALID
  }
  add(tally, TEXTS)
  raise(tally, TEXT_BYTES_MAX, size)
  countMoment(tally, moment, shape)
  if (size == 36 && isUuid(at)) add(tally, UUIDS)
  if (digit || first == 45) countDecimal(tally, at, size)
  if (isJson) add(tally, JSONS)
  return size
}

/** A text that begins with a digit: its usual format, none, or UNUSUAL. */
function usualMoment(at: usize, size: u32): u32 {
  if (size == 8 && digits(at, at + 8) == at + 8) return UNUSUAL
  if (size >= 5 && size <= 15 && load<u8>(at, 2) == 58) return UNUSUAL
  if (size == 10) {
    const third = load<u8>(at, 2)
    const fifth = load<u8>(at, 4)
    if (third == 47 || third == 46 || fifth == 47) return UNUSUAL
    return isDate(at) ? DATE : NO_MOMENT
  }
  if (size < 16 || load<u8>(at, 4) != 45 || load<u8>(at, 7) != 45) return NO_MOMENT
  const found = momentOf(at, size)
  return found == 0 ? UNUSUAL : found
}

/** As spellings.ts counts the ways to write one time of day. */
function shapeOf(at: usize): u32 {
  const base: u32 = load<u8>(at, 10) == 84 ? 20 : 0
  if (fractionDigits == 0) return base + 1
  if (load<u8>(at + 19 + fractionDigits) != 48) return base + 1 + fractionDigits
  return base + (micros % 1_000_000 != 0 ? 7 : 13) + fractionDigits
}

function countMoment(tally: usize, moment: u32, shape: u32): void {
  if (moment == NO_MOMENT) add(tally, DATELESS)
  else if (moment == DATE) add(tally, DATES)
  else if (moment == TIMESTAMP) {
    add(tally, TIMESTAMPS)
    add(tally, SHAPES + 4 * shape)
  } else {
    add(tally, ZONEDS)
    add(tally, UTC)
    add(tally, SHAPES + SHAPES_BYTES + 4 * shape)
  }
}

/** In lower case. */
function isUuid(value: usize): bool {
  for (let at: usize = 0; at < 36; at += 1) {
    const byte: u32 = load<u8>(value + at)
    if (at == 8 || at == 13 || at == 18 || at == 23) {
      if (byte != 45) return false
    } else if (byte - 48 > 9 && byte - 97 > 5) return false
  }
  return true
}

/** `-?digits[.digits]` */
function countDecimal(tally: usize, start: usize, size: u32): void {
  const end = start + size
  let at = load<u8>(start) == 45 ? start + 1 : start
  const whole = at
  at = digits(at, end)
  if (at == whole) return
  let zeros = whole
  while (zeros < at && load<u8>(zeros) == 48) zeros += 1
  const precision = <u32>(at - zeros)
  let scale: u32 = 0
  if (at < end) {
    if (load<u8>(at) != 46) return
    scale = <u32>(end - at - 1)
    if (scale == 0 || digits(at + 1, end) != end) return
  }
  add(tally, DECIMALS)
  raise(tally, DECIMAL_SCALE, scale)
  raise(tally, DECIMAL_PRECISION, precision)
}

function digits(start: usize, end: usize): usize {
  let at = start
  while (at < end && <u32>load<u8>(at) - 48 <= 9) at += 1
  return at
}

// JSON (RFC 8259), only whether it is.

const INVALID = 0
const VALID = 1
/** Nested too deeply for the room that there is. */
const UNKNOWN = 2

function blanks(start: usize, end: usize): usize {
  let at = start
  while (at < end) {
    const byte = load<u8>(at)
    if (byte != 32 && byte != 10 && byte != 13 && byte != 9) break
    at += 1
  }
  return at
}

/** An object or an array, whatever is in it. */
function isComposite(start: usize, size: u32): bool {
  const at = blanks(start, start + size)
  if (at == start + size) return false
  const first = load<u8>(at)
  return first == 123 || first == 91
}

function json(start: usize, end: usize): i32 {
  let depth: usize = 0
  let at = start
  while (true) {
    at = blanks(at, end)
    if (at >= end) return INVALID
    const opens = load<u8>(at)
    if (opens == 123 || opens == 91) {
      if (depth == CLOSERS) return UNKNOWN
      const closer: u8 = opens + 2
      store<u8>(closers + depth, closer)
      depth += 1
      at = blanks(at + 1, end)
      if (at >= end) return INVALID
      if (load<u8>(at) != closer) {
        if (opens == 123 && (at = key(at, end)) == 0) return INVALID
        continue
      }
    } else if ((at = scalar(at, end)) == 0) return INVALID
    // Behind a value, or on the closer of an empty container: close what ends here, or go to the next value.
    while (true) {
      at = blanks(at, end)
      if (depth == 0) return at == end ? VALID : INVALID
      if (at >= end) return INVALID
      const closer = load<u8>(closers + depth - 1)
      const byte = load<u8>(at)
      at += 1
      if (byte == closer) {
        depth -= 1
        continue
      }
      if (byte != 44) return INVALID
      if (closer == 125 && (at = key(blanks(at, end), end)) == 0) return INVALID
      break
    }
  }
}

/** A key and its colon; 0 when it is none. */
function key(start: usize, end: usize): usize {
  if (start >= end || load<u8>(start) != 34) return 0
  let at = string(start, end)
  if (at == 0) return 0
  at = blanks(at, end)
  return at < end && load<u8>(at) == 58 ? at + 1 : 0
}

function scalar(start: usize, end: usize): usize {
  const first: u32 = load<u8>(start)
  if (first == 34) return string(start, end)
  if (first == 45 || first - 48 <= 9) return number(start, end)
  if (end - start >= 4) {
    const word = load<u32>(start)
    // `true` and `null`.
    if (word == 0x6575_7274 || word == 0x6c6c_756e) return start + 4
  }
  // `false`
  const isFalse = end - start >= 5 && first == 102 && load<u32>(start, 1) == 0x6573_6c61
  return isFalse ? start + 5 : 0
}

function string(start: usize, end: usize): usize {
  for (let at = start + 1; at < end; at += 1) {
    const byte = load<u8>(at)
    if (byte == 34) return at + 1
    if (byte < 32) return 0
    if (byte != 92) continue
    at += 1
    if (at >= end) return 0
    const escape = load<u8>(at)
    if (escape == 117) {
      if (at + 5 > end) return 0
      for (let digit: usize = 1; digit < 5; digit += 1) {
        if (hexadecimal(load<u8>(at + digit)) > 15) return 0
      }
      at += 4
    } else if (!isEscape(escape)) return 0
  }
  return 0
}

/** One of `"\/bfnrt`. */
function isEscape(byte: u32): bool {
  if (byte == 34 || byte == 92 || byte == 47) return true
  return byte == 98 || byte == 102 || byte == 110 || byte == 114 || byte == 116
}

function number(start: usize, end: usize): usize {
  let at = load<u8>(start) == 45 ? start + 1 : start
  if (at >= end || <u32>load<u8>(at) - 48 > 9) return 0
  at = load<u8>(at) == 48 ? at + 1 : digits(at, end)
  if (at < end && load<u8>(at) == 46) {
    const point = at
    at = digits(point + 1, end)
    if (at == point + 1) return 0
  }
  if (at < end && (load<u8>(at) | 32) == 101) {
    const sign = at + 1 < end ? load<u8>(at, 1) : 0
    const first = sign == 45 || sign == 43 ? at + 2 : at + 1
    at = digits(first, end)
    if (at == first) return 0
  }
  return at
}
