import { SenseiError } from '@sensei/core/errors'
import { expect, test } from 'vitest'
import { patiently } from '../patience.ts'

const away = (): SenseiError => new SenseiError('TARGET_UNREACHABLE', 'away')
const never = new AbortController().signal

test('a target that comes back is waited for', async () => {
  let tries = 0
  const answer = await patiently(never, async () => {
    tries += 1
    if (tries < 3) throw away()
    return 'here'
  })
  expect([answer, tries]).toEqual(['here', 3])
})

test('one that stays away is given up after the time allowed', async () => {
  await expect(patiently(never, () => Promise.reject(away()), 0)).rejects.toThrow('away')
})

test('an abort ends the waiting at once, and other errors are never waited out', async () => {
  await expect(patiently(AbortSignal.abort(), () => Promise.reject(away()))).rejects.toThrow('away')
  const refused = new SenseiError('TARGET_REFUSED', 'no')
  await expect(patiently(never, () => Promise.reject(refused))).rejects.toBe(refused)
})
