/** Decimal digits straight into bytes, without a string for each number. */

const ZERO = 0x30
const MINUS = 0x2d

/** The two digits of each number below 100. */
const TENS = Uint8Array.from({ length: 100 }, (_, value) => ZERO + Math.floor(value / 10))
const ONES = Uint8Array.from({ length: 100 }, (_, value) => ZERO + (value % 10))

/** How many decimal digits a whole number from 0 to 2^53 has. */
export function digitCount(value: number): number {
  if (value < 100_000) {
    if (value < 100) return value < 10 ? 1 : 2
    return value < 1_000 ? 3 : value < 10_000 ? 4 : 5
  }
  let count = 6
  for (let bound = 1_000_000; value >= bound; bound *= 10) count += 1
  return count
}

/** Writes exactly `width` digits, with zeros in front; the value is a whole number from 0 to 2^53. */
export function putDigits(bytes: Uint8Array, at: number, value: number, width: number): void {
  let large = value
  let place = at + width
  while (large > 0x7fffffff) {
    const tenth = Math.floor(large / 10)
    bytes[--place] = ZERO + (large - tenth * 10)
    large = tenth
  }
  // From here on an int32, which is divided without floats, and two digits at a time.
  let rest = large | 0
  while (place - at >= 2) {
    const hundredth = (rest / 100) | 0
    const pair = rest - hundredth * 100
    place -= 2
    bytes[place] = TENS[pair] as number
    bytes[place + 1] = ONES[pair] as number
    rest = hundredth
  }
  if (place > at) bytes[at] = ZERO + (rest % 10)
}

/** Writes a whole number of at most 2^53 in size; returns where it ends. */
export function putInteger(bytes: Uint8Array, at: number, value: number): number {
  let place = at
  if (value < 0) bytes[place++] = MINUS
  const size = Math.abs(value)
  const width = digitCount(size)
  putDigits(bytes, place, size, width)
  return place + width
}

/** How many bytes `putInteger` writes. */
export function integerLength(value: number): number {
  return digitCount(Math.abs(value)) + (value < 0 ? 1 : 0)
}
