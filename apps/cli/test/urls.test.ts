import { expect, test } from 'vitest'
import { redacted, urlOf } from '../urls.ts'

const CANARY = 'c4n4ry-Secret'

function listener(env: Record<string, string> = {}, argv: string[] = []) {
  const said: string[] = []
  return { said, io: { env, argv, say: (text: string) => void said.push(text) } }
}

test('a password in a flag works, earns one line of warning, and is not in that line', () => {
  const url = `postgres://app:${CANARY}@db:5432/shop`
  const { io, said } = listener({}, ['node', 'main.ts', 'plan', '--target', url])
  expect(urlOf(io, '--target', url)).toBe(url)
  expect(said).toHaveLength(1)
  expect(said[0]).toContain('SENSEI_TARGET_PASSWORD')
  expect(said[0]).not.toContain(CANARY)
})

test('a password that came another way than by a flag earns none', () => {
  const { io, said } = listener({}, ['node', 'main.ts', 'plan'])
  urlOf(io, '--target', `postgres://app:${CANARY}@db:5432/shop`)
  expect(said).toEqual([])
})

test('env:NAME takes the URL from the variable without a warning', () => {
  const url = `postgres://app:${CANARY}@db/shop`
  const { io, said } = listener({ SHOP: url })
  expect(urlOf(io, '--target', 'env:SHOP')).toBe(url)
  expect(said).toEqual([])
})

test('env:NAME of a variable that is not set is a mistake that names it', () => {
  const { io } = listener()
  expect(() => urlOf(io, '--source', 'env:SHOP')).toThrow(/SHOP/)
})

test.each([
  `postgres://app:${CANARY}@db/shop`,
  `postgres://app:${CANARY}@db:5432/shop?sslmode=require`,
  `postgres://app:p@ss-${CANARY}@db/shop`,
  `postgres://app@db/shop?password=${CANARY}&sslmode=require`,
  `postgres://:${CANARY}@db/shop`,
])('%s is shown without its password', (url) => {
  expect(redacted(url)).not.toContain(CANARY)
  expect(redacted(url)).toContain('db')
})
