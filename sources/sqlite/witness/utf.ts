/** UTF-8 that may be broken, and UTF-16 databases. */
import { isUtf8 } from 'node:buffer'

const REPLACEMENT = Buffer.from('\uFFFD')

/** True for text that PostgreSQL can hold. */
export function isStorable(bytes: Uint8Array): boolean {
  return isUtf8(bytes) && !bytes.includes(0)
}

export function withoutNul(bytes: Uint8Array): Uint8Array {
  return bytes.includes(0) ? bytes.filter((byte) => byte !== 0) : bytes
}

/** Each maximal subpart of an ill-formed sequence becomes one U+FFFD. */
export function replaceInvalid(bytes: Uint8Array): Uint8Array {
  if (isUtf8(bytes)) return bytes
  const parts: Uint8Array[] = []
  let good = 0
  for (let at = 0; at < bytes.length; ) {
    const { length, valid } = sequenceAt(bytes, at)
    if (!valid) {
      parts.push(bytes.subarray(good, at), REPLACEMENT)
      good = at + length
    }
    at += length
  }
  parts.push(bytes.subarray(good))
  return Buffer.concat(parts)
}

/** The sequence that begins at `at`: how long it is, or how much of it is a maximal subpart. Table 3-7 of Unicode. */
function sequenceAt(bytes: Uint8Array, at: number): { length: number; valid: boolean } {
  const lead = bytes[at] as number
  if (lead < 0x80) return { length: 1, valid: true }
  const more =
    lead >= 0xc2 && lead <= 0xdf
      ? 1
      : lead >= 0xe0 && lead <= 0xef
        ? 2
        : lead >= 0xf0 && lead <= 0xf4
          ? 3
          : 0
  if (more === 0) return { length: 1, valid: false }
  for (let place = 1; place <= more; place += 1) {
    const low = place > 1 ? 0x80 : lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
    const high = place > 1 ? 0xbf : lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
    const byte = bytes[at + place] ?? 0
    if (byte < low || byte > high) return { length: place, valid: false }
  }
  return { length: 1 + more, valid: true }
}

export interface Utf16 {
  readonly bigEndian: boolean
}

/** Null for a database in UTF-8. */
export function utf16Of(encoding: string): Utf16 | null {
  return encoding === 'UTF-8' ? null : { bigEndian: encoding === 'UTF-16be' }
}

/**
 * The UTF-8 form of UTF-16 bytes. Half a surrogate pair has none: it is replaced, or keeps the three bytes of its number;
 * half a unit at the end is replaced, or becomes a byte that UTF-8 never has. What is kept cannot pass for a text.
 */
export function utf8OfUtf16(
  bytes: Uint8Array,
  { bigEndian }: Utf16,
  replaces: boolean,
): Uint8Array {
  const whole = bytes.length & ~1
  const units = Buffer.from(bytes.subarray(0, whole))
  if (bigEndian) units.swap16()
  const text = units.toString('utf16le')
  if (text.isWellFormed() && whole === bytes.length) return Buffer.from(text)
  const parts = text
    .split(HALF_A_PAIR)
    .map((part) =>
      part.isWellFormed() ? Buffer.from(part) : replaces ? REPLACEMENT : numberOf(part),
    )
  if (whole < bytes.length) parts.push(replaces ? REPLACEMENT : HALF_A_UNIT)
  return Buffer.concat(parts)
}

/** By code points, so that a whole pair is none of it. */
const HALF_A_PAIR = /([\ud800-\udfff])/u
const HALF_A_UNIT = Buffer.from([0xff])

function numberOf(half: string): Buffer {
  const unit = half.charCodeAt(0)
  return Buffer.from([0xe0 | (unit >> 12), 0x80 | ((unit >> 6) & 63), 0x80 | (unit & 63)])
}
