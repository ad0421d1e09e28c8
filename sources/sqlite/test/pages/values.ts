/** Values that stand close to every border of what the kernel knows. */
import type { SQLInputValue } from 'node:sqlite'
import type { Random } from '@sensei/apps/demo/random'

const INTEGERS = [0n, 1n, 2n, 127n, 128n, 32_767n, 32_768n, 8_388_607n, 8_388_608n].concat(
  [2n ** 31n, 2n ** 47n, 2n ** 53n, 10n ** 8n, 10n ** 10n, 10n ** 15n, 2n ** 63n].flatMap(
    (edge) => [edge - 1n, edge, edge + 1n],
  ),
)

export function anyInteger(random: Random): bigint {
  const size = INTEGERS[random.below(INTEGERS.length)]!
  return BigInt.asIntN(64, random.chance(0.5) ? size : -size)
}

export function anyReal(random: Random): number {
  const scale = 10 ** random.between(-3, 20)
  const value = random.below(2 ** 31) / scale
  const edges = [0, -0, 1e15, 999_999_999_999_999, 0.5, 5e-324, 1e300, Infinity, 99_999_999.99]
  const near = random.pick([value, value * 1.1, value / 3] as const)
  const found = random.chance(0.2) ? edges[random.below(edges.length)]! : near
  return random.chance(0.3) ? -found : found
}

const TEXTS = [
  '',
  'x',
  ['é', '東京', '😀', '\u07ff', '\u0800', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{10ffff}'],
  ['0', '-', '-1', '12', '-12.50', '007', '0.0', '1.', '.5', '1e5', '123456789012345678901234.5'],
  ['2024-02-29', '2023-02-29', '1900-02-29', '2000-02-29', '0000-01-01', '0001-01-01'],
  ['9999-12-31', '2024-13-01', '2024-00-10', '2024-04-31', '29/02/2024', '02.03.2024'],
  ['2024/02/29', '13/01/2024', '01/13/2024', '20240229', '20240231', '0123456789', '12345678'],
  ['12:30', '12:30:45', '24:00:00', '12:30:45.123456', '2024-02-29 12:30', '2024-02-29 12:3'],
  ['2024-02-29 12:30:45', '2024-02-29T12:30:45', '2024-02-29 12:30:60', '2024-02-29_12:30:45'],
  ['2024-02-29 12:30:45.5', '2024-02-29 12:30:45.000', '2024-02-29T12:30:45.120000'],
  ['2024-02-29 12:30:45.1234567', '2024-02-29 12:30:45.', '2024-02-29 12:30:45.12x'],
  ['2024-02-29T12:30:45Z', '2024-02-29 12:30:45.120Z', '2024-02-29 12:30Z', '2024-02-30 00:00:00Z'],
  ['2024-02-29 12:30:45+02', '2024-02-29 12:30:45-0330', '2024-02-29 12:30:45+02:00'],
  '3f2504e0-4f89-41d3-9a0c-0305e82c3301',
  'AF2504E0-4F89-41D3-9A0C-0305E82C3301',
  'ff2504e0-4f89-41d3-9a0c-0305e82c330g',
  '3f2504e0-4f89-41d3-9a0c00305e82c3301',
  ['{}', '[]', ' [ ] ', '{"a":1}', '{"a" : [1, -0.5e+3, true, false, null, "x\\u00e9\\n"]}'],
  ['[', '{', '[1,]', '{"a":1,}', '{"a"}', '[01]', '[-]', '[1.]', '[1e]', '["\\x"]', '["\\u12g4"]'],
  ['["a\tb"]', '["a]', '[nul]', '[true]]', '[1] x', '{"a":1}{}', '[[[[{"a":[{}]}]]]]', '["é東"]'],
  ['{1:2}', '[tru', '[falsy]', '[1 2]', '{"a":}', '["\\', '["\\u00', '\t{ "k":\n"v"\r}\n', '{,}'],
  `${'['.repeat(1024)}${']'.repeat(1024)}`,
  `${'['.repeat(1025)}${']'.repeat(1025)}`,
  ...[15, 16, 17, 31, 32, 33, 47, 48, 255, 256, 257, 3_000].map((size) => 'a'.repeat(size)),
  ...[5, 6, 11, 16, 85, 86].map((size) => `a${'é'.repeat(size)}`),
  'b'.repeat(4_061),
  'ö'.repeat(5_000),
].flat()

/** A text's bytes; with a flaw, one of them is another one or is missing. */
export function anyText(random: Random, { flawed }: { flawed: boolean }): Buffer {
  const text = Buffer.from(TEXTS[random.below(TEXTS.length)]!)
  if (!flawed || text.length === 0) return text
  const at = random.below(text.length)
  if (random.chance(0.2)) return text.subarray(0, at)
  const bytes = [0, 9, 10, 31, 34, 48, 57, 58, 65, 92, 97, 125, 127, 128, 0xbf, 0xc0, 0xc1, 0xc2]
  const flaws = [...bytes, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff]
  text[at] = flaws[random.below(flaws.length)]!
  return text
}

export function anyBlob(random: Random): Buffer {
  const size = random.pick([0, 1, 15, 16, 17, 255, 256, 257, 1_000, 4_060, 30_000] as const)
  return Buffer.alloc(size, random.below(256))
}

/** Of any storage class; a text comes as a blob that is to be cast. */
export function anyStored(random: Random, flaws: number): { value: SQLInputValue; text: boolean } {
  switch (random.below(8)) {
    case 0:
      return { value: null, text: false }
    case 1:
    case 2:
      return { value: anyInteger(random), text: false }
    case 3:
    case 4:
      return { value: anyReal(random), text: false }
    case 5:
      return { value: anyBlob(random), text: false }
    default:
      return { value: anyText(random, { flawed: random.chance(flaws) }), text: true }
  }
}
