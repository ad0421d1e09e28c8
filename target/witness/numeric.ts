/**
 * numeric as PostgreSQL sends it: int16 count of base-10,000 digits, int16 weight of the first one, uint16 sign,
 * uint16 display scale, the digits. Written as the plain decimal of its value; the display scale is no part of it.
 */
import type { CellBuffer } from '@sensei/core/canonical/cells'
import { integerLength, putDigits, putInteger } from './digits.ts'

const TAG = 0x64
const [ZERO, MINUS, POINT] = [0x30, 0x2d, 0x2e] as const
const NEGATIVE = 0x4000
const SPECIAL: Readonly<Record<number, string>> = {
  0xc000: 'NaN',
  0xd000: 'Infinity',
  0xf000: '-Infinity',
}

export function decodeNumeric(out: CellBuffer, bytes: Buffer, at: number): void {
  const count = bytes.readInt16BE(at)
  const weight = bytes.readInt16BE(at + 2)
  const sign = bytes.readUInt16BE(at + 4)
  const special = SPECIAL[sign]
  if (special !== undefined) return out.ascii(TAG, special)
  if (count === 0) return out.ascii(TAG, '0')
  if (weight >= 0 && weight <= 2 && count <= weight + 3)
    return putSmall(out, bytes, at, { count, weight, negative: sign === NEGATIVE })
  const digit = (index: number): number =>
    index >= 0 && index < count ? bytes.readUInt16BE(at + 8 + 2 * index) : 0
  const first = weight >= 0 ? digit(0) : 0
  const firstWidth = first >= 1000 ? 4 : first >= 100 ? 3 : first >= 10 ? 2 : 1
  const wholeWidth = firstWidth + 4 * Math.max(weight, 0)
  const fractionWidth = trimmedFraction(digit, count, weight)
  const negative = sign === NEGATIVE ? 1 : 0
  out.header(TAG, negative + wholeWidth + (fractionWidth > 0 ? 1 + fractionWidth : 0))
  if (negative === 1) out.bytes[out.length++] = MINUS
  putDigits(out.bytes, out.length, first, firstWidth)
  out.length += firstWidth
  for (let index = 1; index <= weight; index += 1) {
    putDigits(out.bytes, out.length, digit(index), 4)
    out.length += 4
  }
  if (fractionWidth > 0) putFraction(out, digit, weight, fractionWidth)
}

/** At most twelve digits before the point and eight behind it: each part is one number. */
function putSmall(
  out: CellBuffer,
  bytes: Buffer,
  at: number,
  { count, weight, negative }: { count: number; weight: number; negative: boolean },
): void {
  let whole = 0
  let fraction = 0
  let width = 0
  for (let index = 0; index <= weight || index < count; index += 1) {
    const place = at + 8 + 2 * index
    const digit = index < count ? ((bytes[place] as number) << 8) | (bytes[place + 1] as number) : 0
    if (index <= weight) whole = whole * 10_000 + digit
    else {
      fraction = fraction * 10_000 + digit
      width += 4
    }
  }
  if (fraction === 0) width = 0
  while (width > 0 && fraction % 10 === 0) {
    fraction /= 10
    width -= 1
  }
  out.header(TAG, integerLength(whole) + (negative ? 1 : 0) + (width > 0 ? width + 1 : 0))
  if (negative) out.bytes[out.length++] = MINUS
  out.length = putInteger(out.bytes, out.length, whole)
  if (width === 0) return
  out.bytes[out.length++] = POINT
  putDigits(out.bytes, out.length, fraction, width)
  out.length += width
}

/** Decimal digits behind the point up to the last one that is not zero. */
function trimmedFraction(digit: (index: number) => number, count: number, weight: number): number {
  const groups = count - 1 - weight
  if (groups <= 0) return 0
  let last = digit(count - 1)
  let width = 4 * groups
  // PostgreSQL sends no zero group at the end.
  while (last !== 0 && last % 10 === 0) {
    last /= 10
    width -= 1
  }
  return width
}

function putFraction(
  out: CellBuffer,
  digit: (index: number) => number,
  weight: number,
  width: number,
): void {
  out.bytes[out.length++] = POINT
  for (let written = 0, index = weight + 1; written < width; index += 1) {
    const group = index < 0 ? 0 : digit(index)
    const part = Math.min(4, width - written)
    if (part === 4) putDigits(out.bytes, out.length, group, 4)
    else
      for (let place = 0; place < part; place += 1)
        out.bytes[out.length + place] = ZERO + (((group / 10 ** (3 - place)) | 0) % 10)
    out.length += part
    written += part
  }
}
