/** A survey beside the check of its snapshot: damage is told as damage, and nobody is left behind. */
import { SenseiError } from '@sensei/core/errors'
import type { Snapshot } from '@sensei/core/snapshot'
import { expect, test } from 'vitest'
import { besideCheck } from '../../scout/checked.ts'

const snapshot: Snapshot = {
  kind: 'private copy',
  name: 'one',
  sha256: null,
  takenAt: '2026-01-01T00:00:00Z',
  location: '/nowhere',
  notes: ['first'],
}
const calm = new AbortController().signal
const damage = new SenseiError('SOURCE_CORRUPT', 'damaged')

const checking = (answer: () => Promise<readonly string[]>) => ({ checkSnapshot: answer })
const soon = () => new Promise((resolve) => setTimeout(resolve, 20))

/** Goes on until it is told to end. */
function endless(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new SenseiError('INTERRUPTED', 'ended')))
  })
}

test('the survey and the notes of the check come back together', async () => {
  const source = checking(() => Promise.resolve(['first', 'second']))
  const checked = await besideCheck(source, snapshot, calm, () => Promise.resolve(7))
  expect(checked).toEqual({ found: 7, snapshot: { ...snapshot, notes: ['first', 'second'] } })
})

test('damage that is found after the survey failed is what is told', async () => {
  const source = checking(async () => {
    await soon()
    throw damage
  })
  const survey = () => Promise.reject(new RangeError('a page that makes no sense'))
  await expect(besideCheck(source, snapshot, calm, survey)).rejects.toBe(damage)
})

test('a survey that failed in a sound source tells its own error', async () => {
  const source = checking(async () => {
    await soon()
    return []
  })
  const survey = () => Promise.reject(new SenseiError('TABLE_FAILED', 'own'))
  await expect(besideCheck(source, snapshot, calm, survey)).rejects.toMatchObject({
    code: 'TABLE_FAILED',
  })
})

test('damage ends a survey that is still going on', async () => {
  const source = checking(() => Promise.reject(damage))
  await expect(besideCheck(source, snapshot, calm, endless)).rejects.toBe(damage)
})

test('an interruption ends both and is told as one', async () => {
  const stop = new AbortController()
  let ended = false
  const source = {
    checkSnapshot: (_: Snapshot, signal: AbortSignal) =>
      endless(signal).finally(() => {
        ended = true
      }),
  }
  const checked = besideCheck(source, snapshot, stop.signal, endless)
  stop.abort()
  await expect(checked).rejects.toMatchObject({ code: 'INTERRUPTED' })
  expect(ended).toBe(true)
})
