import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJson } from '../canonical-json.ts'
import { parseCanonicalJson, parseStrictJson } from '../strict-json.ts'

const refusal = expect.objectContaining({ code: 'JSON_INVALID' })
const strict = (text: string): unknown => parseStrictJson(Buffer.from(text))
const canonical = (text: string): unknown => parseCanonicalJson(Buffer.from(text))

describe('strict JSON', () => {
  test.each([
    ['side by side', '{"a":1,"a":2}'],
    ['with equal values', '{"a":1,"a":1}'],
    ['apart', '{"a":1,"b":{"a":2},"a":3}'],
    ['one of them escaped', '{"a":1,"\\u0061":2}'],
    ['deep inside', '[[{"x":[{"a":1 , "b":2 ,"a" : 2}]}]]'],
    ['with quotes and backslashes', '{"\\\\\\"":1,"\\\\\\"":2}'],
    ['named __proto__', '{"__proto__":1,"__proto__":2}'],
    ['empty', '{"":1,"":2}'],
  ])('refuses equal keys %s, of which JSON.parse keeps the last', (_, text) => {
    expect(() => JSON.parse(text) as unknown).not.toThrow()
    expect(() => strict(text)).toThrow(/twice/)
  })

  test('takes equal keys of different objects, and strings that look like keys', () => {
    const text =
      '[{"a":"a"},{"a":{"a":"\\":"}},"a:",["a","a"],{"b":"a","a":"{\\"a\\":1,\\"a\\":2}"}]'
    expect(strict(text)).toEqual(JSON.parse(text))
  })

  test('refuses bytes that are no UTF-8, a byte order mark, and text that is no JSON', () => {
    const bytes = [
      Buffer.from([0x22, 0xff, 0x22]),
      Buffer.from([0x22, 0xc0, 0xaf, 0x22]),
      Buffer.from('\ufeff{}'),
      Buffer.from(''),
      Buffer.from('{"a":1,}'),
      Buffer.from('{} {}'),
    ]
    for (const each of bytes) expect(() => parseStrictJson(each)).toThrow(refusal)
  })

  test('refuses 100,000 levels of nesting without running out of stack', () => {
    const depth = 100_000
    expect(() => strict('['.repeat(depth) + ']'.repeat(depth))).toThrow(/nested deeper/)
    expect(() => strict('{"a":'.repeat(depth) + '1' + '}'.repeat(depth))).toThrow(/nested deeper/)
  })
})

describe('JSON in canonical form', () => {
  test('is read back whatever the value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const text = canonicalJson(value)
        expect(canonicalJson(canonical(text))).toBe(text)
      }),
      { seed: 3, numRuns: 300 },
    )
  })

  test.each([
    ['keys out of order', '{"b":1,"a":2}'],
    ['white space', '{"a": 1}'],
    ['a newline behind it', '{"a":1}\n'],
    ['a number written another way', '{"a":1.0}'],
    ['a needless escape', '{"a":"\\u0062"}'],
    ['an escaped slash', '{"a":"\\/"}'],
    ['half a surrogate pair', '{"a":"\\ud800"}'],
    ['a number beyond double precision', '{"a":9007199254740993}'],
  ])('is the only form that is taken: not %s', (_, text) => {
    expect(() => canonical(text)).toThrow(refusal)
  })
})
