/** Decimal digits straight into bytes, without a string for each number. */

const ZERO = 0x30
const MINUS = 0x2d

/** How many decimal digits a whole number from 0 to 2^53 has. */
export function digitCount(value: number): number {
  let count = 1
  for (let bound = 10; value >= bound; bound *= 10) count += 1
  return count
}

/** Writes exactly `width` digits, with zeros in front; the value is a whole number from 0 to 2^53. */
export function putDigits(bytes: Uint8Array, at: number, value: number, width: number): void {
  let rest = value
  let place = at + width
  while (rest > 0x7fffffff) {
    const tenth = Math.floor(rest / 10)
    bytes[--place] = ZERO + (rest - tenth * 10)
    rest = tenth
  }
  while (place > at) {
    const tenth = (rest / 10) | 0
    bytes[--place] = ZERO + (rest - tenth * 10)
    rest = tenth
  }
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
