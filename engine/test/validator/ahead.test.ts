import { SenseiError } from '@sensei/core/errors'
import { expect, test } from 'vitest'
import { workAhead } from '../../validator/ahead.ts'

const items = new Map(Array.from({ length: 20 }, (_, at) => [`t${at}`, at]))

test('a few items are begun before anybody asks, the others as those end, each once and in their order', async () => {
  const begun: number[] = []
  const ends: (() => void)[] = []
  const ahead = workAhead(items, 3, async (item) => {
    begun.push(item)
    await new Promise<void>((resolve) => ends.push(resolve))
    return item * 2
  })
  expect(begun).toEqual([0, 1, 2])
  ends[1]?.()
  expect(await ahead.result('t1')).toBe(2)
  await new Promise(setImmediate)
  expect(begun).toEqual([0, 1, 2, 3])
  for (let at = 0; at < 20; at += 1) {
    ends[at]?.()
    await new Promise(setImmediate)
  }
  expect(await ahead.result('t19')).toBe(38)
  expect(begun).toEqual([...items.values()])
})

test('a failure is told to whoever asks for that item, and the others go on', async () => {
  const ahead = workAhead(items, 2, (item) =>
    item === 3 ? Promise.reject(new TypeError('three')) : Promise.resolve(item),
  )
  await expect(ahead.result('t3')).rejects.toThrow('three')
  expect(await ahead.result('t19')).toBe(19)
})

test('after an interruption nothing is begun, and nobody waits for what was not', async () => {
  let begun = 0
  const ahead = workAhead(items, 2, (item) => {
    begun += 1
    return item === 4 ? Promise.reject(new SenseiError('INTERRUPTED', 'stop')) : Promise.resolve(1)
  })
  await expect(ahead.result('t19')).rejects.toMatchObject({ code: 'INTERRUPTED' })
  expect(begun).toBeLessThanOrEqual(6)
  await ahead.stop()
})

test('who stops it waits for what is begun', async () => {
  let ended = 0
  const ahead = workAhead(items, 4, async () => {
    await new Promise((resolve) => setTimeout(resolve, 20))
    ended += 1
  })
  await ahead.stop()
  expect(ended).toBe(4)
  await expect(ahead.result('t10')).rejects.toMatchObject({ code: 'INTERRUPTED' })
})
