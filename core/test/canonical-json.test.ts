import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalHash, canonicalJson, isCanonicalJson } from '../canonical-json.ts'

describe('canonical JSON', () => {
  test('orders keys by UTF-16 code units, as the example of RFC 8785 section 3.2.3 does', () => {
    const value = {
      '\u20ac': 'Euro Sign',
      '\r': 'Carriage Return',
      '\ufb33': 'Hebrew Letter Dalet With Dagesh',
      '1': 'One',
      '\ud83d\ude00': 'Emoji: Grinning Face',
      '\u0080': 'Control',
      '\u00f6': 'Latin Small Letter O With Diaeresis',
    }
    const keys = Object.keys(value)
    const order = [...canonicalJson(value).matchAll(/"[^"]*":"([^"]*)"/g)].map(([, text]) => text)
    expect(keys).toHaveLength(7)
    expect(order).toEqual([
      'Carriage Return',
      'One',
      'Control',
      'Latin Small Letter O With Diaeresis',
      'Euro Sign',
      'Emoji: Grinning Face',
      'Hebrew Letter Dalet With Dagesh',
    ])
  })

  test('writes numbers and escapes as RFC 8785 section 3.2.2 shows', () => {
    const value = {
      numbers: [333333333.33333329, 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
      literals: [null, true, false],
    }
    expect(canonicalJson(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    )
  })

  test('agrees with the library "canonicalize" on any JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
        expect(canonicalJson(value)).toBe(canonicalize(value))
      }),
      { seed: 8785, numRuns: 500 },
    )
  })

  test('is hashed and compared in pieces as the whole would be', () => {
    const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), fc.nat(40_000), (value, times) => {
        const long = ['€'.repeat(times), value, [value, 'x'.repeat(times)]]
        const bytes = Buffer.from(canonicalJson(long))
        expect(canonicalHash(long)).toBe(sha256(bytes.toString()))
        expect(isCanonicalJson(bytes, long)).toBe(true)
        expect(isCanonicalJson(bytes.subarray(0, -1), long)).toBe(false)
        expect(isCanonicalJson(Buffer.concat([bytes, Buffer.from('\n')]), long)).toBe(false)
        bytes[Math.floor(bytes.length / 3)]! ^= 1
        expect(isCanonicalJson(bytes, long)).toBe(false)
      }),
      { seed: 8785, numRuns: 200 },
    )
  })

  test('refuses what JSON cannot carry exactly instead of changing or dropping it', () => {
    const hostile = [
      undefined,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      10n,
      Symbol('s'),
      () => 0,
      new Date(0),
      new Map(),
      '\ud800',
      { '\udfff': 1 },
      { a: undefined },
      // A hole in an array.
      new Array(1),
    ]
    for (const value of hostile) {
      expect(() => canonicalJson(value)).toThrow(expect.objectContaining({ code: 'JSON_INVALID' }))
      expect(() => canonicalJson(['a', { deep: value }])).toThrow(/\(at \$\[1\]\.deep/)
    }
  })
})
