/**
 * Where an installation keeps its things:
 *
 *   <data folder>/postgres/   the server's: its data and nothing of ours (0700, owned by the server's user)
 *   <data folder>/private/    ours: passwords, keys, private copies of sources (0700); never under the server's
 *   <data folder>/log         what the server says
 *
 * PostgreSQL refuses to run as root. Started as root, the server runs as a system user of its own, in a folder that
 * this user can reach.
 */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { SenseiError } from '@sensei/core/errors'

export interface ServerUser {
  readonly uid: number
  readonly gid: number
}

export interface DataFolder {
  readonly path: string
  readonly server: string
  readonly private: string
  readonly log: string
  /** Whom the server runs as; undefined: as ourselves. */
  readonly runAs: ServerUser | undefined
}

const SYSTEM_FOLDER = '/var/lib/sensei'
const SYSTEM_USERS = ['postgres', 'sensei']

/** Makes the folders that are missing. `wanted` wins over $SENSEI_DATA_DIR, that over the XDG default. */
export function openDataFolder(wanted = process.env.SENSEI_DATA_DIR): DataFolder {
  try {
    return process.getuid?.() === 0 ? folderForRoot(wanted) : foldersIn(wanted || defaultPath())
  } catch (error) {
    if (error instanceof SenseiError) throw error
    throw new SenseiError(
      'DATA_DIR_UNUSABLE',
      `the data folder cannot be used: ${(error as Error).message}; set SENSEI_DATA_DIR to a folder of your own`,
      { cause: error },
    )
  }
}

/** The secret in a 0600 file of the private folder, made on first use; two first uses agree on one. */
export function secretIn(folder: DataFolder, name: string): string {
  const path = join(folder.private, name)
  if (!existsSync(path)) {
    const draft = `${path}.${process.pid}`
    writeFileSync(draft, randomBytes(24).toString('hex'), { mode: 0o600 })
    try {
      // A link is there whole or not at all, and never replaces: nobody reads an empty secret.
      linkSync(draft, path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    } finally {
      rmSync(draft, { force: true })
    }
  }
  return readFileSync(path, 'utf8')
}

function defaultPath(): string {
  return join(process.env.XDG_DATA_HOME || join(homedir(), '.local/share'), 'sensei')
}

function folderForRoot(wanted: string | undefined): DataFolder {
  const chosen = resolve(wanted || defaultPath())
  const runAs = ownerOf(join(chosen, 'postgres')) ?? systemUser()
  if (isOurs(chosen)) chmodSync(chosen, 0o711)
  if (canReach(chosen, runAs)) return foldersIn(chosen, runAs)
  if (!wanted) return foldersIn(SYSTEM_FOLDER, ownerOf(join(SYSTEM_FOLDER, 'postgres')) ?? runAs)
  throw new SenseiError(
    'DATA_DIR_UNUSABLE',
    `PostgreSQL runs as user ${runAs.uid} here, which cannot enter ${chosen}: open the folders above it (chmod o+x) ` +
      `or set SENSEI_DATA_DIR to a folder such as ${SYSTEM_FOLDER}`,
  )
}

function foldersIn(path: string, runAs?: ServerUser): DataFolder {
  const folder = {
    path: resolve(path),
    server: resolve(path, 'postgres'),
    private: resolve(path, 'private'),
    log: resolve(path, 'log'),
    runAs,
  }
  // The server's user passes through the folder and may list nothing in it.
  mkdirSync(folder.path, { recursive: true, mode: runAs ? 0o711 : 0o700 })
  mkdirSync(folder.private, { recursive: true, mode: 0o700 })
  if (!existsSync(folder.server)) {
    mkdirSync(folder.server, { recursive: true, mode: 0o700 })
    if (runAs) chownSync(folder.server, runAs.uid, runAs.gid)
  }
  return folder
}

/** A folder with nothing else in it (fresh from mktemp, for one) may be opened to those who pass through. */
function isOurs(path: string): boolean {
  if (!existsSync(path)) return false
  const names = readdirSync(path)
  return names.length === 0 || names.includes('private')
}

function ownerOf(path: string): ServerUser | undefined {
  if (!existsSync(path)) return undefined
  const { uid, gid } = statSync(path)
  return uid === 0 ? undefined : { uid, gid }
}

function systemUser(): ServerUser {
  for (const name of SYSTEM_USERS) {
    const user = lookUp(name)
    if (user) return user
  }
  spawnSync('useradd', ['--system', '--no-create-home', '--shell', '/usr/sbin/nologin', 'sensei'])
  const made = lookUp('sensei')
  if (made) return made
  throw new SenseiError(
    'DATA_DIR_UNUSABLE',
    'PostgreSQL does not run as root and there is no system user for it: run "useradd --system sensei", or Sensei as yourself',
  )
}

function lookUp(name: string): ServerUser | undefined {
  const ask = (flag: string) => spawnSync('id', [flag, name], { encoding: 'utf8' }).stdout?.trim()
  const [uid, gid] = [ask('-u'), ask('-g')]
  return uid && gid ? { uid: Number(uid), gid: Number(gid) } : undefined
}

/** Asks the kernel, as that user, about the nearest folder that exists. */
function canReach(path: string, user: ServerUser): boolean {
  let nearest = path
  while (!existsSync(nearest)) nearest = dirname(nearest)
  const { status } = spawnSync('/bin/sh', ['-c', 'cd -- "$1"', 'sh', nearest], {
    cwd: '/',
    ...user,
  })
  return status === 0
}
