import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { eachLimited } from '../../conductor/each-limited.ts'

test('every item is worked on, never more than the limit at a time', async () => {
  let running = 0
  let most = 0
  const seen: number[] = []
  await eachLimited([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
    running += 1
    most = Math.max(most, running)
    await sleep(5)
    seen.push(item)
    running -= 1
  })
  expect(new Set(seen)).toEqual(new Set([1, 2, 3, 4, 5, 6, 7]))
  expect(most).toBe(3)
})

test('the first error is thrown once those in hand have ended, and no new one is begun', async () => {
  const seen: number[] = []
  const work = eachLimited([1, 2, 3, 4, 5], 2, async (item) => {
    if (item === 1) throw new RangeError('one')
    await sleep(20)
    seen.push(item)
  })
  await expect(work).rejects.toThrow('one')
  expect(seen).toEqual([2])
})
