/** What a record is made of: varints, serial types, and the values that they name. */

/** Exact: a bigint beyond 2^53. */
export type Rowid = number | bigint

/** Bytes of the values with the serial types 0 to 11; from 12 on (type - 12) / 2, a blob if even, a text if odd. */
const SIZES = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0] as const

export const SERIAL = {
  null: 0,
  int64: 6,
  real: 7,
  zero: 8,
  one: 9,
  /** SQLite writes neither of these two into a file. */
  none: 10,
  reserved: 11,
  blob: 12,
  text: 13,
} as const

export function sizeOf(type: number): number {
  return type < 12 ? SIZES[type]! : (type - 12) >> 1
}

/** An integer of the serial types 1 to 6, 8 and 9; a bigint where a double might not hold it. */
export function integerAt(bytes: Buffer, at: number, type: number): Rowid {
  switch (type) {
    case 1:
      return (bytes[at]! << 24) >> 24
    case 2:
      return (((bytes[at]! << 8) | bytes[at + 1]!) << 16) >> 16
    case 3:
      return (((bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!) << 8) >> 8
    case 4:
      return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
    case 5:
      return bytes.readIntBE(at, 6)
    case SERIAL.int64:
      return toRowid(bytes.readBigInt64BE(at))
    default:
      return type - SERIAL.zero
  }
}

/** The varint read last ends here. */
export let varintEnd = 0

/** Seven bits a byte, the high bit says that another follows; the ninth byte has eight. Nine bytes must be there. */
export function varint(bytes: Buffer, start: number): Rowid {
  let byte = bytes[start]!
  if (byte < 0x80) {
    varintEnd = start + 1
    return byte
  }
  let value = byte & 0x7f
  for (let at = start + 1; at < start + 7; at += 1) {
    byte = bytes[at]!
    value = value * 128 + (byte & 0x7f)
    if (byte < 0x80) {
      varintEnd = at + 1
      return value
    }
  }
  byte = bytes[start + 7]!
  if (byte < 0x80) {
    varintEnd = start + 8
    return (BigInt(value) << 7n) | BigInt(byte)
  }
  varintEnd = start + 9
  return BigInt.asIntN(
    64,
    (((BigInt(value) << 7n) | BigInt(byte & 0x7f)) << 8n) | BigInt(bytes[start + 8]!),
  )
}

export function toRowid(value: Rowid): Rowid {
  if (typeof value === 'number') return value
  const plain = Number(value)
  return Number.isSafeInteger(plain) ? plain : value
}
