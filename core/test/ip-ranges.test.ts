import { expect, test } from 'vitest'
import { isAllowed, parseRanges, rangesWithin } from '../ip-ranges.ts'

test.each([
  ['10.1.2.3', '10.1.2.3/32'],
  ['10.1.2.3/8', '10.0.0.0/8'],
  ['0.0.0.0/0', '0.0.0.0/0'],
  ['2001:DB8:0:0::1', '2001:db8::1/128'],
  ['2001:db8::ff/32', '2001:db8::/32'],
  ['::ffff:10.1.2.3', '10.1.2.3/32'],
  ['::FFFF:a01:203', '10.1.2.3/32'],
  ['0:0:0:0:0:ffff:10.1.2.3/104', '10.0.0.0/8'],
  ['::/0', '::/0'],
  ['::1', '::1/128'],
])('%s is the range %s', (text, range) => {
  expect(parseRanges([text])).toEqual([range])
  expect(parseRanges([range])).toEqual([range])
})

test.each([
  '',
  '10',
  '10.1',
  '010.0.0.1',
  '0x7f.0.0.1',
  '1.2.3.4.5',
  '10.0.0.0/33',
  '10.0.0.0/08',
  '10.0.0.0/-1',
  '10.0.0.0/',
  '::1/129',
  ':::',
  'fe80::1%eth0',
  'localhost',
  '10.0.0.1 ',
  '１0.0.0.1',
  '10.0.0.0/8/8',
])('%j is no range', (text) => {
  expect(() => parseRanges([text])).toThrow(expect.objectContaining({ code: 'REQUEST_INVALID' }))
  expect(isAllowed(['0.0.0.0/0', '::/0'], text)).toBe(false)
})

test.each([
  ['10.255.0.1', true],
  ['11.0.0.1', false],
  ['::ffff:10.0.0.1', true],
  ['::ffff:a00:1', true],
  ['::ffff:11.0.0.1', false],
  ['::10.0.0.1', false],
  ['2001:db8:ffff::1', true],
  ['2001:db9::1', false],
  ['192.168.7.9', true],
  ['unknown', false],
])(
  'bad input 85: %s is allowed by 10/8, one address and a network of IPv6: %s',
  (address, allowed) => {
    expect(isAllowed(['10.0.0.0/8', '2001:db8::/32', '192.168.7.9/32'], address)).toBe(allowed)
  },
)

test('every IPv4 range stands apart from every IPv6 range, even the widest', () => {
  expect(isAllowed(['::/0'], '10.0.0.1')).toBe(false)
  expect(isAllowed(['0.0.0.0/0'], '2001:db8::1')).toBe(false)
})

test('no list allows everything, and only no list is within no list', () => {
  expect(isAllowed([], 'unknown')).toBe(true)
  expect(rangesWithin([], [])).toBe(true)
  expect(rangesWithin(['10.0.0.0/8'], [])).toBe(true)
  expect(rangesWithin([], ['10.0.0.0/8'])).toBe(false)
  expect(rangesWithin(['10.2.0.0/16', '10.1.1.1/32'], ['10.0.0.0/8'])).toBe(true)
  expect(rangesWithin(['10.0.0.0/7'], ['10.0.0.0/8'])).toBe(false)
})
