/**
 * Keys in the canonical encoding (docs/canonical.md) back to the text that PostgreSQL reads for their type: the rows
 * that the reconciler names are deleted by them. A cell is `n`, or tag, decimal length, `:` and that many bytes.
 */
import { SenseiError } from '@sensei/core/errors'

export type KeyCells = readonly (string | null)[]

/** One text per key column, as input for the column's type. */
export function keyTexts(key: Uint8Array, columns: number): KeyCells {
  const cells: (string | null)[] = []
  let at = 0
  while (at < key.length && cells.length < columns) {
    const tag = String.fromCharCode(key[at] as number)
    if (tag === 'n') {
      cells.push(null)
      at += 1
      continue
    }
    const colon = key.indexOf(0x3a, at)
    const length = Number(Buffer.from(key.subarray(at + 1, colon)).toString('latin1'))
    if (colon < 0 || !Number.isInteger(length)) throw malformed(key)
    at = colon + 1 + length
    cells.push(cellText(tag, Buffer.from(key.subarray(colon + 1, at))))
  }
  if (cells.length !== columns || at !== key.length) throw malformed(key)
  return cells
}

function cellText(tag: string, payload: Buffer): string {
  switch (tag) {
    case 'f':
      return floatText(payload.toString('latin1'))
    case 'x':
      return `\\x${payload.toString('hex')}`
    case 'z':
      return instantText(payload.toString('latin1'))
    case 'v':
      return intervalText(payload.toString('latin1'))
    case 'p': {
      const text = payload.toString('utf8')
      return text.slice(text.indexOf('/') + 1)
    }
    default:
      return payload.toString('utf8')
  }
}

/** JavaScript's shortest text of a double reads back as the same bits; so does that of a float4 widened to it. */
function floatText(hex: string): string {
  const bits = Buffer.from(hex, 'hex')
  const value = bits.length === 4 ? bits.readFloatBE() : bits.readDoubleBE()
  return Object.is(value, -0) ? '-0' : String(value)
}

/** Written out here: PostgreSQL's to_timestamp takes a double, which rounds microseconds. */
function instantText(text: string): string {
  if (!/^-?\d+$/.test(text)) return text
  const micros = BigInt(text)
  const perDay = 86_400_000_000n
  const day = micros >= 0n ? micros / perDay : -((-micros + perDay - 1n) / perDay)
  const rest = micros - day * perDay
  const { text: date, era } = civilDate(Number(day))
  return `${date} ${timeText(rest)}+00${era}`
}

function timeText(micros: bigint): string {
  const part = (value: bigint, digits: number): string => String(value).padStart(digits, '0')
  const seconds = micros / 1_000_000n
  const clock = [seconds / 3600n, (seconds / 60n) % 60n, seconds % 60n].map((n) => part(n, 2))
  return `${clock.join(':')}.${part(micros % 1_000_000n, 6)}`
}

/** Civil date of a day number since 1970-01-01, proleptic Gregorian, for years beyond JavaScript's Date too. */
function civilDate(day: number): { text: string; era: string } {
  const shifted = day + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const leaps =
    Math.floor(dayOfEra / 1460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096)
  const yearOfEra = Math.floor((dayOfEra - leaps) / 365)
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const date = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  const two = (value: number): string => String(value).padStart(2, '0')
  const written = String(year > 0 ? year : 1 - year).padStart(4, '0')
  return { text: `${written}-${two(month)}-${two(date)}`, era: year > 0 ? '' : ' BC' }
}

function intervalText(text: string): string {
  const [months, days, micros] = text.split(',')
  return `${months} months ${days} days ${micros} microseconds`
}

function malformed(key: Uint8Array): SenseiError {
  const shown = Buffer.from(key.subarray(0, 60)).toString('latin1')
  return new SenseiError('INTERNAL', `Not the canonical bytes of a key of this table: ${shown}`)
}
