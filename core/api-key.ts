/**
 * The text of an API key:
 *
 *     sns_live_<43 digits of base 62: 256 random bits>_<6 digits of base 62: CRC-32 of all that stands before>
 *
 * The checksum is for whoever mistypes or truncates a key, and for scanners that look for leaked ones: what fails it is
 * judged without asking the database. It is no secret; the 256 bits are, and only the SHA-256 of the text is stored.
 */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { SenseiError } from './errors.ts'

export const KEY_MODES = ['live', 'test'] as const
export type KeyMode = (typeof KEY_MODES)[number]

export const KEY_BYTES = 32

export interface ApiKeyText {
  readonly mode: KeyMode
  /** SHA-256 of the text: what is stored and looked up. */
  readonly hash: Buffer
  /** The last four digits of the random part, for a person to tell keys apart. */
  readonly hint: string
}

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const BODY_DIGITS = 43
const CHECKSUM_DIGITS = 6
const SHAPE = /^(sns_(live|test)_[0-9A-Za-z]{43})_([0-9A-Za-z]{6})$/

export function makeApiKey(mode: KeyMode, random: Uint8Array): string {
  if (random.length !== KEY_BYTES) {
    throw new SenseiError('INTERNAL', `an API key is made of ${KEY_BYTES} random bytes`)
  }
  const value = BigInt(`0x${Buffer.from(random).toString('hex')}`)
  const start = `sns_${mode}_${base62(value, BODY_DIGITS)}`
  return `${start}_${checksum(start)}`
}

/** Null for what cannot be a key, by its shape or its checksum. */
export function readApiKey(text: string): ApiKeyText | null {
  const [, start, mode, sum] = SHAPE.exec(text) ?? []
  if (start === undefined || sum !== checksum(start)) return null
  const hash = createHash('sha256').update(text).digest()
  return { mode: mode as KeyMode, hash, hint: start.slice(-4) }
}

function checksum(start: string): string {
  return base62(BigInt(crc32(start)), CHECKSUM_DIGITS)
}

function base62(value: bigint, digits: number): string {
  let text = ''
  for (let rest = value; text.length < digits; rest /= 62n) text = DIGITS[Number(rest % 62n)] + text
  return text
}
