import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { KEY_MODES, makeApiKey, readApiKey } from '../api-key.ts'

const key = makeApiKey('live', Buffer.alloc(32, 0xa5))

describe('an API key', () => {
  test.each(KEY_MODES)('of %s is read back as what it was made', (mode) => {
    for (let i = 0; i < 200; i++) {
      const text = makeApiKey(mode, randomBytes(32))
      expect(text).toMatch(/^sns_(live|test)_\w{43}_\w{6}$/)
      const hash = createHash('sha256').update(text).digest()
      expect(readApiKey(text)).toEqual({ mode, hash, hint: text.slice(48, 52) })
    }
  })

  test('has a fixed length at both ends of its range, and is pinned for ever', () => {
    expect(makeApiKey('live', Buffer.alloc(32))).toBe(`sns_live_${'0'.repeat(43)}_36qpJj`)
    expect(makeApiKey('test', Buffer.alloc(32, 0xff))).toHaveLength(59)
  })

  test('bad input 91: any one digit changed, dropped or added fails the checksum, and so does the other mode', () => {
    for (let at = 0; at < key.length; at++) {
      const other = key[at] === '7' ? '8' : '7'
      expect(readApiKey(key.slice(0, at) + other + key.slice(at + 1)), `${at} changed`).toBe(null)
      expect(readApiKey(key.slice(0, at) + key.slice(at + 1)), `${at} dropped`).toBe(null)
      expect(readApiKey(`${key.slice(0, at)}7${key.slice(at)}`), `${at} added`).toBe(null)
    }
    expect(readApiKey(key.replace('live', 'test'))).toBe(null)
  })

  test('is nothing longer, shorter, padded or spelled otherwise', () => {
    const others = ['', 'sns_live_', ` ${key}`, `${key}\n`, key.toUpperCase(), key.repeat(2)]
    for (const text of [...others, 'x'.repeat(1e6)]) expect(readApiKey(text)).toBe(null)
  })

  test('is made of 32 bytes and nothing else', () => {
    expect(() => makeApiKey('live', Buffer.alloc(31))).toThrow('32 random bytes')
  })
})
