/** A temporary copy of all that the command line runs, with one mechanism cut out: the negative controls of G6 and G8. */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { runFolder } from '@sensei/contracts/run-folder'
import { SenseiError } from '@sensei/core/errors'
import { shippedRepository } from './run-cli.ts'

export interface Edit {
  readonly file: string
  readonly from: string
  readonly to: string
}

const ROOMS = {
  core: '@sensei/core',
  engine: '@sensei/engine',
  apps: '@sensei/apps',
  'pillars/postgres': '@sensei/postgres',
  'pillars/embedded': '@sensei/embedded',
  'sources/sqlite': '@sensei/sqlite',
  target: '@sensei/target',
} as const

export interface PatchedRepository {
  readonly folder: string
  remove(): void
}

export function patchedRepository(edits: readonly Edit[]): PatchedRepository {
  const folder = mkdtempSync(path.join(runFolder(), 'patched-'))
  mkdirSync(path.join(folder, 'node_modules/@sensei'), { recursive: true })
  const libraries = path.join(shippedRepository, 'node_modules')
  for (const name of readdirSync(libraries).filter((entry) => entry !== '@sensei')) {
    symlinkSync(path.join(libraries, name), path.join(folder, 'node_modules', name))
  }
  for (const [room, name] of Object.entries(ROOMS)) {
    cpSync(path.join(shippedRepository, room), path.join(folder, room), {
      recursive: true,
      filter: (from) => !/\/(node_modules|test)$/.test(from),
    })
    symlinkSync(path.join(folder, room), path.join(folder, 'node_modules', name))
  }
  for (const edit of edits) apply(path.join(folder, edit.file), edit)
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

function apply(file: string, { from, to }: Edit): void {
  const text = readFileSync(file, 'utf8')
  if (text.split(from).length !== 2) {
    throw new SenseiError('INTERNAL', `the negative control no longer fits ${file}: ${from}`)
  }
  writeFileSync(file, text.replace(from, to))
}
