import { expect, test } from 'vitest'
import { run } from '../g11-certificate.ts'
import { CONTROLS, patchedVerify } from '../g11/controls.ts'

const seed = 11

test(`no flipped bit and no edit of a certificate goes unnoticed (seed ${seed})`, () => {
  const result = run({ certificates: 1, seed, opensslFlips: 5 })
  expect(result.failures).toEqual([])
  expect(result.bits).toBeGreaterThan(10_000)
  expect(result.attacks).toBeGreaterThan(20)
  expect(result.openssl).toEqual({ accepted: 1, refused: 5 })
}, 120_000)

test.each(CONTROLS)(
  'negative control: without $name the same search finds forgeries that pass',
  async (control) => {
    const weakened = await patchedVerify(control)
    const options = { certificates: 1, seed, opensslFlips: 0, untilFirstFailure: true }
    const { failures } = run(options, weakened)
    expect(failures).not.toEqual([])
  },
  120_000,
)
