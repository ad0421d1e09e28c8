import { readFileSync } from 'node:fs'
import { mkdtemp, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { isSenseiError } from '@sensei/core/errors'
import { expect, test } from 'vitest'
import { configJsonSchema, parseConfig, readConfig } from '../config.ts'

const parse = (text: string, env = {}) => parseConfig(text, 'sensei.yaml', env)

test('the published JSON Schema is the schema that sensei.yaml is read by', () => {
  const published = new URL('../../../docs/schemas/config.schema.json', import.meta.url)
  expect(JSON.parse(readFileSync(published, 'utf8'))).toEqual(configJsonSchema())
})

test('a file may hold any flag by its name', () => {
  expect(
    parse(`
source: sqlite:shop.db
target: postgres://app@db/shop
include: [order, 'log_*']
workers: 4
accept-loss:
  - mixed-to-text:Product.stock
validate: false
`),
  ).toEqual({
    source: 'sqlite:shop.db',
    target: 'postgres://app@db/shop',
    include: ['order', 'log_*'],
    workers: 4,
    'accept-loss': ['mixed-to-text:Product.stock'],
    validate: false,
  })
})

test('an empty file sets nothing', () => {
  expect(parse('')).toEqual({})
  expect(parse('# nothing yet\n')).toEqual({})
})

test('${NAME} is filled from the environment, and can never change the structure', () => {
  const env = { HOST: 'db.example', N: '3', EVIL: 'x\nyes: true' }
  expect(parse('target: postgres://app@${HOST}/shop\nworkers: ${N}', env)).toEqual({
    target: 'postgres://app@db.example/shop',
    workers: 3,
  })
  expect(parse('source: sqlite:${EVIL}', env)).toEqual({ source: 'sqlite:x\nyes: true' })
  expect(() => parse('source: sqlite:${GONE}')).toThrow(
    /\$\{GONE\} names a variable that is not set/,
  )
})

const bomb = [
  'a: &a [x, x, x, x, x, x, x, x, x]',
  ...'bcdefghi'.split('').map((name, at) => {
    const before = 'abcdefghi'[at]
    return `${name}: &${name} [${Array.from({ length: 9 }, () => `*${before}`).join(', ')}]`
  }),
].join('\n')

test.each([
  ['aliases that multiply', bomb],
  ['one alias', 'include: &x [a]\nexclude: *x'],
  ['__proto__', '__proto__: { polluted: true }'],
  ['constructor', 'constructor: { prototype: { polluted: true } }'],
  ['a merge key', 'source: &s { a: 1 }\n<<: *s'],
  ['a tag', 'source: !!js/function "x"'],
  ['the same key twice', 'workers: 1\nworkers: 2'],
  ['deep nesting', `include: ${'['.repeat(20_000)}`],
  ['an unknown setting', 'worker: 2'],
  ['a list', '- source'],
  ['a text', 'just words'],
  ['a number out of bounds', 'workers: 10000'],
  ['a wrong type', 'yes: perhaps'],
  ['two documents', 'workers: 1\n---\nworkers: 2'],
])('bad input 80: %s in sensei.yaml is refused and pollutes nothing', (_what, text) => {
  const begun = performance.now()
  expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  expect(performance.now() - begun).toBeLessThan(2_000)
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
})

test('bad input 80: a file of 5 GB and an endless device are refused without being read', async () => {
  const file = path.join(await mkdtemp(path.join(tmpdir(), 'sensei-config-')), 'huge.yaml')
  await writeFile(file, '')
  await truncate(file, 5 * 1024 ** 3)
  for (const name of [file, '/dev/zero']) {
    const refused = await readConfig(name, {}).catch((error: unknown) => error)
    expect(isSenseiError(refused, 'CONFIG_INVALID')).toBe(true)
  }
})

test('a file that was named and is not there is a mistake; the default one may be absent', async () => {
  await expect(readConfig('/nowhere/sensei.yaml', {})).rejects.toMatchObject({
    code: 'FILE_NOT_FOUND',
  })
})
