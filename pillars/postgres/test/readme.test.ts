/** The page of this pillar names what is there, and nothing that is not. */
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { ROLES } from '@sensei/postgres/setup/roles'
import { expect, test } from 'vitest'

const folder = path.resolve(import.meta.dirname, '..')
const page = readFileSync(path.join(folder, 'README.md'), 'utf8')
const files = globSync('**/*.{ts,sql,json,prisma}', { cwd: folder, exclude: ['node_modules/**'] })
  .filter((file) => !file.startsWith('test/') && file !== 'package.json')
  .toSorted()
const tables = Array.from(
  readFileSync(path.join(folder, 'schema.prisma'), 'utf8').matchAll(/^model (\w+) \{/gm),
  ([, name = '']) => name,
)

const wordsOf = (text: string): Set<string> =>
  new Set(Array.from(text.matchAll(/`([^`\n]+)`/g), ([, word = '']) => word))

/** A file is named by itself or by its folder. */
function missing(text: string): string[] {
  const words = wordsOf(text)
  const named = (file: string): boolean =>
    words.has(file) || words.has(path.basename(file)) || words.has(`${path.dirname(file)}/`)
  return [
    ...files.filter((file) => !named(file)),
    ...tables.filter((table) => !words.has(table)),
    ...ROLES.filter((role) => !words.has(role)),
  ]
}

function phantoms(text: string): string[] {
  const known = new Set([...files, ...files.map((file) => path.basename(file))])
  return [...wordsOf(text)].filter(
    (word) => /^[a-z/-]+\.(ts|prisma)$/.test(word) && !known.has(word),
  )
}

test('README.md names every file, table and role of the pillar, and no other file', () => {
  expect(tables.length).toBeGreaterThan(30)
  expect(files.length).toBeGreaterThan(60)
  expect(missing(page)).toEqual([])
  expect(phantoms(page)).toEqual([])
})

test('a file, a table or a role that is forgotten, or gone, is seen', () => {
  const without = (word: string) => page.replaceAll(`\`${word}\``, '')
  expect(missing(without('outbox/outbox.ts'))).toEqual(['outbox/outbox.ts'])
  expect(missing(without('consumer_cursor'))).toEqual(['consumer_cursor'])
  expect(missing(without('sensei_keeper'))).toEqual(['sensei_keeper'])
  expect(missing(without('audit/'))).toContain('audit/chainer.ts')
  expect(phantoms(`${page} and \`relay.ts\``)).toEqual(['relay.ts'])
})

test('every document and test that README.md points at is there', () => {
  const root = path.resolve(folder, '../..')
  const paths = [...wordsOf(page)].filter((word) => /^(docs|apps|pillars)\/[\w./-]+$/.test(word))
  expect(paths.length).toBeGreaterThan(2)
  expect(paths.filter((file) => globSync(file, { cwd: root }).length === 0)).toEqual([])
})
