/**
 * Addresses and CIDR ranges, as API keys are bound to them. An IPv4 address written as IPv6 (`::ffff:10.0.0.1`, in any
 * spelling) is that IPv4 address, in a range as in a request: otherwise a list of IPv4 ranges would shut out, or let in,
 * depending on the socket.
 */
import { isIP } from 'node:net'
import { SenseiError } from './errors.ts'

interface Range {
  readonly bits: 32 | 128
  readonly start: bigint
  readonly prefix: number
}

/** The ranges in one spelling. Throws REQUEST_INVALID for what is none. */
export function parseRanges(texts: readonly string[]): readonly string[] {
  return texts.map((text) => show(rangeOf(text) ?? refuse(text)))
}

/** An empty list allows every address; any other one only what it holds. What is no address is in no range. */
export function isAllowed(ranges: readonly string[], address: string): boolean {
  if (ranges.length === 0) return true
  const wanted = rangeOf(address)
  return wanted !== null && ranges.some((text) => holds(rangeOf(text), wanted))
}

/** Whether every address that `inner` allows is allowed by `outer`. */
export function rangesWithin(inner: readonly string[], outer: readonly string[]): boolean {
  if (outer.length === 0) return true
  return inner.length > 0 && inner.every((range) => isAllowed(outer, range))
}

function holds(range: Range | null, wanted: Range): boolean {
  if (range === null || range.bits !== wanted.bits || wanted.prefix < range.prefix) return false
  const shift = BigInt(range.bits - range.prefix)
  return range.start >> shift === wanted.start >> shift
}

/** An address is the range of itself. */
function rangeOf(text: string): Range | null {
  const [, address = '', length] = /^([0-9a-f:.]{2,45})(?:\/(0|[1-9]\d{0,2}))?$/i.exec(text) ?? []
  const version = isIP(address)
  if (version === 0) return null
  const bits = version === 4 ? 32 : 128
  const prefix = length === undefined ? bits : Number(length)
  if (prefix > bits) return null
  const value = version === 4 ? valueOf4(address) : valueOf6(address)
  const mapped = bits === 128 && prefix >= 96 && value >> 32n === 0xffffn
  const range = mapped
    ? ({ bits: 32, start: value & 0xffff_ffffn, prefix: prefix - 96 } as const)
    : ({ bits, start: value, prefix } as const)
  const shift = BigInt(range.bits - range.prefix)
  return { ...range, start: (range.start >> shift) << shift }
}

function valueOf4(address: string): bigint {
  return address.split('.').reduce((value, part) => (value << 8n) | BigInt(part), 0n)
}

function valueOf6(address: string): bigint {
  // The URL parser writes every spelling, a dotted end included, as groups of hexadecimal digits.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'))
  const first = groups(head)
  const last = groups(tail ?? '')
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => '0')
  return [...first, ...zeros, ...last].reduce(
    (value, group) => (value << 16n) | BigInt(`0x${group}`),
    0n,
  )
}

function show({ bits, start, prefix }: Range): string {
  if (bits === 32) {
    const parts = [24n, 16n, 8n, 0n].map((shift) => (start >> shift) & 0xffn)
    return `${parts.join('.')}/${prefix}`
  }
  const groups = Array.from({ length: 8 }, (_, at) => (start >> BigInt(112 - at * 16)) & 0xffffn)
  const long = groups.map((group) => group.toString(16)).join(':')
  return `${new URL(`http://[${long}]`).hostname.slice(1, -1)}/${prefix}`
}

function refuse(text: string): never {
  throw new SenseiError(
    'REQUEST_INVALID',
    `${JSON.stringify(text.slice(0, 60))} is no address and no range such as 10.0.0.0/8 or 2001:db8::/32`,
  )
}
