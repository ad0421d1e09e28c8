import { readFileSync } from 'node:fs'
import { ERROR_CODES, EXIT } from '@sensei/core/errors'
import type { Command, Option } from 'commander'
import { expect, test } from 'vitest'
import { errorJson } from '../output-json.ts'
import { configSchema } from '../config.ts'
import { SenseiError } from '@sensei/core/errors'
import { program } from '../program.ts'

const read = (name: string): string =>
  readFileSync(new URL(`../../../docs/${name}`, import.meta.url), 'utf8')
const cli = read('cli.md')
const root = program(() => undefined)

function commandsOf(
  command: Command,
  path: readonly string[] = [],
): { name: string; command: Command }[] {
  if (command.commands.length === 0) return [{ name: path.join(' '), command }]
  return command.commands.flatMap((child) => commandsOf(child, [...path, child.name()]))
}

const commands = commandsOf(root)

/** The cells of the rows of a table under a heading. */
function table(page: string, heading: string): string[][] {
  const [, after = ''] = page.split(`\n## ${heading}\n`)
  const [section = ''] = after.split('\n## ')
  const lines = section.split('\n').filter((line) => line.startsWith('|'))
  return lines.slice(2).map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

const words = (cell: string): string[] =>
  Array.from(cell.matchAll(/`([^`]+)`/g), ([, word = '']) => word)

test('docs/errors.md has every code once, with its exit code, and no other', () => {
  const rows = read('errors.md')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .map(([, code = '', exit = '', again = '']) => [
      code.replaceAll('`', ''),
      Number(exit),
      again === 'yes',
    ])
  const known = Object.entries(ERROR_CODES).map(([code, { exit, retryable }]) => [
    code,
    exit,
    retryable,
  ])
  expect(rows).toEqual(known)
})

test('docs/cli.md lists every command, and no other', () => {
  const documented = table(cli, 'Commands').map(([cell = '']) =>
    (words(cell)[0] ?? '').replace(/^sensei /, '').replace(/ (FILE|ID)$/, ''),
  )
  expect(documented.toSorted()).toEqual(commands.map(({ name }) => name).toSorted())
})

test('docs/cli.md lists the flags of every command, and no other', () => {
  const documented = table(cli, 'Flags by command').flatMap(([flag = '', of = '']) =>
    words(of).map((command) => `${command} ${(words(flag)[0] ?? '').split(' ')[0]}`),
  )
  const real = commands.flatMap(({ name, command }) =>
    command.options.map(({ long }) => `${name} ${long}`),
  )
  expect(documented.toSorted()).toEqual(real.toSorted())
})

test('docs/cli.md lists the flags of all commands', () => {
  const documented = table(cli, 'Flags of every command').map(
    ([flag = '']) => (words(flag)[0] ?? '').split(' ')[0],
  )
  const real = [...root.options.map(({ long }) => long), '--help']
  expect(new Set(documented)).toEqual(new Set(real))
  expect(documented).toHaveLength(real.length)
})
test('docs/cli.md lists every variable that stands for a flag', () => {
  const variables = [root, ...commands.map(({ command }) => command)]
    .flatMap((command) => command.options)
    .flatMap((option: Option) => option.envVar ?? [])
  const documented = new Set(words(table(cli, 'Where a setting comes from').flat().join(' ')))
  for (const name of variables) expect(documented).toContain(name)
})

test('docs/cli.md lists every exit code', () => {
  expect(table(cli, 'Exit codes').map(([code]) => Number(code))).toEqual(Object.values(EXIT))
})

test('docs/cli.md lists every field of the object, in its order, and errors have them all', () => {
  const fields = table(cli, '`--output json`').map(([cell = '']) => words(cell)[0])
  expect(Object.keys(errorJson(new SenseiError('USAGE', 'x')))).toEqual(fields)
})

test('sensei.yaml takes every flag of every command', () => {
  const flags = [root, ...commands.map(({ command }) => command)]
    .flatMap((command) => command.options)
    .map((option) => option.name().replace(/^no-/, ''))
    .filter((name) => !['version', 'config', 'key'].includes(name))
  expect([...new Set(flags)].toSorted()).toEqual(Object.keys(configSchema.shape).toSorted())
})
