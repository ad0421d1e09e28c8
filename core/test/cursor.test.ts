import { expect, test } from 'vitest'
import { cursorKey, openCursor, sealCursor } from '../cursor.ts'
import { isSenseiError } from '../errors.ts'

const key = cursorKey('secret')

function codeOf(work: () => unknown): string {
  try {
    work()
    return 'no error'
  } catch (error) {
    return isSenseiError(error) ? error.code : String(error)
  }
}

test('a cursor says what it was made of, to whoever asks the same', () => {
  const cursor = sealCursor(key, ['list', { text: 'a' }], { at: 'x', id: 1 })
  expect(openCursor(key, ['list', { text: 'a' }], cursor)).toEqual({ at: 'x', id: 1 })
  expect(cursor).toMatch(/^[A-Za-z0-9_-]+$/)
})

test('bad input 89: a cursor with any bit flipped, or of another scope or secret, is refused', () => {
  const cursor = sealCursor(key, ['list'], { id: 1 })
  const bytes = Buffer.from(cursor, 'base64url')
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes)
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7))
    expect(codeOf(() => openCursor(key, ['list'], changed.toString('base64url')))).toBe(
      'REQUEST_INVALID',
    )
  }
  expect(codeOf(() => openCursor(key, ['other'], cursor))).toBe('REQUEST_INVALID')
  expect(codeOf(() => openCursor(cursorKey('other'), ['list'], cursor))).toBe('REQUEST_INVALID')
  for (const wrong of [
    '',
    'A',
    `${cursor}=`,
    `${cursor} `,
    cursor.slice(0, -1),
    'A'.repeat(10_000),
  ]) {
    expect(codeOf(() => openCursor(key, ['list'], wrong))).toBe('REQUEST_INVALID')
  }
})
