/**
 * From PostgreSQL's binary COPY format to the payloads of docs/canonical.md, one decoder for each tag. Written for the
 * validator alone: no code that encodes values for a load is used here.
 */
import type { CellBuffer } from '@sensei/core/canonical/cells'
import type { Tag } from '@sensei/core/canonical/types'
import {
  DATE_BYTES_MAX,
  putBeforeChrist,
  putDate,
  putTime,
  splitTimestamp,
  TIME_BYTES_MAX,
} from './calendar.ts'
import { integerLength, putDigits, putInteger } from './digits.ts'
import { canonicalJsonb } from './jsonb.ts'
import { decodeNumeric } from './numeric.ts'

/** Writes the cell whose field is bytes[at, at + length). */
export type Decode = (out: CellBuffer, bytes: Buffer, at: number, length: number) => void

const POSTGRES_EPOCH = 946_684_800_000_000n
const POSTGRES_EPOCH_NUMBER = 946_684_800_000_000
const code = (tag: Tag): number => tag.charCodeAt(0)
const [COLON, TRUE, FALSE] = [0x3a, 0x74, 0x66] as const
const HEX = Buffer.from('0123456789abcdef')
const NAN: Readonly<Record<number, string>> = { 4: '7fc00000', 8: '7ff8000000000000' }

/** `name` is the type's name in pg_type, of the base type for a domain. */
export function decoderOf(tag: Tag, name: string): Decode {
  if (tag === 'p') return decodeOther(name)
  if (name === 'bpchar') return decodeBlankPadded
  return DECODERS[tag]
}

const DECODERS: Readonly<Record<Exclude<Tag, 'p'>, Decode>> = {
  i: decodeInteger,
  b: decodeBoolean,
  f: decodeFloat,
  d: decodeNumeric,
  t: asIs(code('t')),
  x: asIs(code('x')),
  j: asIs(code('j')),
  D: decodeDate,
  T: decodeTimestamp,
  z: decodeInstant,
  h: decodeTime,
  u: decodeUuid,
  J: decodeJsonb,
  v: decodeInterval,
}

/** Fewer bytes are copied faster one by one than by a call. */
const FEW_BYTES = 40

function asIs(tag: number): Decode {
  return (out, bytes, at, length) => {
    putHeader(out, tag, length)
    const target = out.bytes
    const place = out.length
    if (length > FEW_BYTES) bytes.copy(target, place, at, at + length)
    else
      for (let byte = 0; byte < length; byte += 1) target[place + byte] = bytes[at + byte] as number
    out.length = place + length
  }
}

/** `out.header`, without a string for lengths of three digits, which texts often have. */
function putHeader(out: CellBuffer, tag: number, length: number): void {
  if (length < 100 || length > 999) return out.header(tag, length)
  out.reserve(length + 16)
  const target = out.bytes
  target[out.length++] = tag
  putDigits(target, out.length, length, 3)
  out.length += 3
  target[out.length++] = COLON
}

function decodeBoolean(out: CellBuffer, bytes: Buffer, at: number): void {
  out.header(code('b'), 1)
  out.bytes[out.length++] = bytes[at] === 1 ? TRUE : FALSE
}

/** Fields of four bytes are int4 and oid alike below 2^31; an oid's column asks for int8 instead. */
function decodeInteger(out: CellBuffer, bytes: Buffer, at: number, length: number): void {
  if (length === 4) return putWhole(out, bytes.readInt32BE(at))
  if (length === 2) return putWhole(out, bytes.readInt16BE(at))
  const value = bytes.readInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4)
  if (Number.isSafeInteger(value)) return putWhole(out, value)
  out.ascii(code('i'), bytes.readBigInt64BE(at).toString())
}

function putWhole(out: CellBuffer, value: number): void {
  const length = integerLength(value)
  out.header(code('i'), length)
  if (value < 0) out.length = putInteger(out.bytes, out.length, value)
  else {
    putDigits(out.bytes, out.length, value, length)
    out.length += length
  }
}

function decodeFloat(out: CellBuffer, bytes: Buffer, at: number, length: number): void {
  const value = length === 4 ? bytes.readFloatBE(at) : bytes.readDoubleBE(at)
  if (Number.isNaN(value)) return out.ascii(code('f'), NAN[length] ?? '')
  out.header(code('f'), 2 * length)
  putHex(out, bytes, at, length)
}

function putHex(out: CellBuffer, bytes: Buffer, at: number, length: number): void {
  for (let place = at; place < at + length; place += 1) {
    const byte = bytes[place] as number
    out.bytes[out.length++] = HEX[byte >> 4] as number
    out.bytes[out.length++] = HEX[byte & 15] as number
  }
}

function decodeBlankPadded(out: CellBuffer, bytes: Buffer, at: number, length: number): void {
  let trimmed = length
  while (trimmed > 0 && bytes[at + trimmed - 1] === 0x20) trimmed -= 1
  asIs(code('t'))(out, bytes, at, trimmed)
}

const scratch = Buffer.alloc(DATE_BYTES_MAX + TIME_BYTES_MAX + 8)

function decodeDate(out: CellBuffer, bytes: Buffer, at: number): void {
  const days = bytes.readInt32BE(at)
  if (days === 0x7fffffff) return out.ascii(code('D'), 'infinity')
  if (days === -0x80000000) return out.ascii(code('D'), '-infinity')
  const end = putDate(scratch, 0, days)
  putScratch(out, code('D'), end > 0 ? end : putBeforeChrist(scratch, -end))
}

function decodeTimestamp(out: CellBuffer, bytes: Buffer, at: number): void {
  const infinite = infinityOf(bytes, at)
  if (infinite !== null) return out.ascii(code('T'), infinite)
  const { days, microseconds } = splitTimestamp(bytes.readInt32BE(at), bytes.readUInt32BE(at + 4))
  const dateEnd = putDate(scratch, 0, days)
  const blank = Math.abs(dateEnd)
  scratch[blank] = 0x20
  const end = putTime(scratch, blank + 1, microseconds)
  putScratch(out, code('T'), dateEnd > 0 ? end : putBeforeChrist(scratch, end))
}

function putScratch(out: CellBuffer, tag: number, length: number): void {
  out.header(tag, length)
  const target = out.bytes
  const place = out.length
  for (let at = 0; at < length; at += 1) target[place + at] = scratch[at] as number
  out.length = place + length
}

function decodeInstant(out: CellBuffer, bytes: Buffer, at: number): void {
  const infinite = infinityOf(bytes, at)
  if (infinite !== null) return out.ascii(code('z'), infinite)
  const value =
    bytes.readInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4) + POSTGRES_EPOCH_NUMBER
  if (Math.abs(value) < 2 ** 52) {
    out.header(code('z'), integerLength(value))
    out.length = putInteger(out.bytes, out.length, value)
  } else {
    out.ascii(code('z'), (bytes.readBigInt64BE(at) + POSTGRES_EPOCH).toString())
  }
}

function infinityOf(bytes: Buffer, at: number): string | null {
  const high = bytes.readInt32BE(at)
  const low = bytes.readUInt32BE(at + 4)
  if (high === 0x7fffffff && low === 0xffffffff) return 'infinity'
  return high === -0x80000000 && low === 0 ? '-infinity' : null
}

function decodeTime(out: CellBuffer, bytes: Buffer, at: number): void {
  const microseconds = bytes.readInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4)
  putScratch(out, code('h'), putTime(scratch, 0, microseconds))
}

function decodeUuid(out: CellBuffer, bytes: Buffer, at: number): void {
  out.header(code('u'), 36)
  for (let group = 0, from = at; group < 5; group += 1) {
    const width = group === 0 ? 4 : group === 4 ? 6 : 2
    if (group > 0) out.bytes[out.length++] = 0x2d
    putHex(out, bytes, from, width)
    from += width
  }
}

/** A version byte, then the text. */
function decodeJsonb(out: CellBuffer, bytes: Buffer, at: number, length: number): void {
  out.text(code('J'), canonicalJsonb(bytes.toString('utf8', at + 1, at + length)))
}

/** int64 microseconds, int32 days, int32 months. */
function decodeInterval(out: CellBuffer, bytes: Buffer, at: number): void {
  const fields = [bytes.readInt32BE(at + 12), bytes.readInt32BE(at + 8), bytes.readBigInt64BE(at)]
  out.ascii(code('v'), fields.join(','))
}

/** The column was cast to text by the query. */
function decodeOther(name: string): Decode {
  const prefix = Buffer.from(`${name}/`)
  return (out, bytes, at, length) => {
    out.header(code('p'), prefix.length + length)
    prefix.copy(out.bytes, out.length)
    bytes.copy(out.bytes, out.length + prefix.length, at, at + length)
    out.length += prefix.length + length
  }
}
