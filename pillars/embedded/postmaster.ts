/** The server process of a data folder: made, found, started, stopped. */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import {
  chownSync,
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { SenseiError } from '@sensei/core/errors'
import { MAJOR } from './binaries.ts'
import type { DataFolder } from './data-folder.ts'

const run = promisify(execFile)

export const SUPERUSER = 'postgres'

const START_TRIES_MAX = 20
/** Below those that kernels lend to clients: a server that starts again would now and then find its own port lent out. */
const PORT_MIN = 20_000
const PORT_MAX = 32_000
const PORT_TRIES_MAX = 100
const PORT_WAIT_MS = 5_000
const STOP_MS_MAX = 120_000
/** Recovery comes after the file is written, so this is for a process that hangs, on a dead disk for example. */
const LISTED_MS_MAX = 60_000
const LOG_BYTES_MAX = 8 * 1024 * 1024

/**
 * Room for loads of gigabytes without a checkpoint every few seconds; everything stays durable. The server keeps
 * away from the network: loopback only, and no socket file.
 */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '128MB',
  max_wal_size: '4GB',
  checkpoint_timeout: '15min',
  jit: 'off',
  log_min_messages: 'warning',
}

export interface Postmaster {
  readonly pid: number
  readonly port: number
}

/** The cluster's folder, made by initdb if it is not there. */
export async function ensureCluster(
  folder: DataFolder,
  binaries: () => string,
  password: string,
): Promise<string> {
  const data = join(folder.server, 'data')
  if (existsSync(join(data, 'PG_VERSION'))) {
    const major = readFileSync(join(data, 'PG_VERSION'), 'utf8').trim()
    if (major === MAJOR) return data
    throw new SenseiError(
      'CONTROL_VERSION',
      `${data} was made by PostgreSQL ${major}, and this Sensei runs ${MAJOR}: use the Sensei that made it, ` +
        'or set SENSEI_DATA_DIR to another folder',
      { details: { major } },
    )
  }
  sweep(folder)
  await initialise(folder, binaries(), password, data)
  return data
}

/** The running server of this data folder, whoever started it; a file that a dead one left is no server. */
export function findRunning(data: string): Postmaster | null {
  let lines: string[]
  try {
    lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')
  } catch {
    return null
  }
  const [pid, port] = [Number(lines[0]), Number(lines[3])]
  return pid > 0 && port > 0 && isServerOf(pid, data) ? { pid, port } : null
}

/**
 * Starts the server on a free port of loopback, the one it had before where that is free: URLs of its databases stay
 * true. It may still be recovering when this returns. `onLaunched` is called while it gets ready.
 */
export async function start(
  folder: DataFolder,
  binaries: string,
  data: string,
  onLaunched: () => void = () => undefined,
): Promise<Postmaster> {
  let wanted = lastPort(data)
  for (let tries = 1; ; tries++) {
    const port = await freePort(wanted)
    const startedAt = existsSync(folder.log) ? statSync(folder.log).size : 0
    const child = launch(folder, binaries, data, port)
    onLaunched()
    const running = await untilListed(child, data)
    if (running !== null) return running
    const said = readFileSync(folder.log, 'utf8').slice(startedAt)
    if (tries === START_TRIES_MAX || !passes(said)) throw notStarted(folder, said)
    // Once may be another process that looks whether it is free.
    if (isPortTaken(said) && tries > 1) wanted = 0
    await sleep(100 * tries)
    const other = findRunning(data)
    if (other !== null) return other
  }
}

/** Fast shutdown: transactions are rolled back, a checkpoint is written. */
export async function stop(running: Postmaster, data: string): Promise<void> {
  const deadline = performance.now() + STOP_MS_MAX
  try {
    process.kill(running.pid, 'SIGINT')
  } catch {
    return
  }
  while (isServerOf(running.pid, data) && performance.now() < deadline) await sleep(20)
}

function launch(folder: DataFolder, binaries: string, data: string, port: number): ChildProcess {
  if (existsSync(folder.log) && statSync(folder.log).size > LOG_BYTES_MAX) rmSync(folder.log)
  removeStale(data)
  const log = openSync(folder.log, 'a', 0o600)
  const settings = Object.entries({ ...SETTINGS, port: String(port) })
  const flags = settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])
  // Detached: Ctrl-C in the terminal is for the command, and a killed command leaves its server to the next.
  const child = spawn(join(binaries, 'bin/postgres'), ['-D', data, ...flags], {
    ...spawnOptions(folder),
    detached: true,
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  child.on('error', () => undefined)
  child.unref()
  return child
}

/** Waits until the server wrote its file, or left without; one that does neither in time is ended. */
export async function untilListed(
  child: ChildProcess,
  data: string,
  listedMsMax: number = LISTED_MS_MAX,
): Promise<Postmaster | null> {
  const deadline = performance.now() + listedMsMax
  while (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
    const running = findRunning(data)
    if (running?.pid === child.pid) return running
    if (performance.now() > deadline) {
      child.kill('SIGKILL')
      return null
    }
    await sleep(10)
  }
  return null
}

/** Problems that pass: a port taken meanwhile, another starter, backends of a killed server still leaving. */
function passes(log: string): boolean {
  return (
    isPortTaken(log) || /lock file "postmaster\.pid" already exists|shared memory block/.test(log)
  )
}

function isPortTaken(log: string): boolean {
  return log.includes('could not bind')
}

function notStarted(folder: DataFolder, log: string): SenseiError {
  if (log.includes('No space left on device')) return diskFull(folder)
  const reason = log.trim().split('\n').slice(-5).join('\n') || 'nothing; it was waited for in vain'
  const what = isPortTaken(log) ? 'found no free port' : 'did not start'
  return new SenseiError(
    'CONTROL_UNREACHABLE',
    `the embedded PostgreSQL ${what}; ${folder.log} says:\n${reason}`,
  )
}

function diskFull(folder: DataFolder): SenseiError {
  return new SenseiError(
    'DISK_SPACE',
    `the disk of ${folder.path} is full: free some space and try again`,
  )
}

/** Beside its place and renamed when whole, so that a killed or a second initdb leaves no half cluster. */
async function initialise(
  folder: DataFolder,
  binaries: string,
  password: string,
  data: string,
): Promise<void> {
  const fresh = join(folder.server, `new-${process.pid}`)
  const passwordFile = join(folder.server, `new-${process.pid}.password`)
  writeFileSync(passwordFile, password, { mode: 0o600 })
  if (folder.runAs) chownSync(passwordFile, folder.runAs.uid, folder.runAs.gid)
  const flags = [
    `--pgdata=${fresh}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C.UTF-8',
  ]
  try {
    await run(join(binaries, 'bin/initdb'), flags, spawnOptions(folder))
    renameSync(fresh, data)
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true })
    // Another process made it meanwhile: rename refuses a folder that is not empty.
    if (existsSync(join(data, 'PG_VERSION'))) return
    const { stderr = '' } = error as { stderr?: string }
    if (stderr.includes('No space left on device')) throw diskFull(folder)
    throw new SenseiError(
      'DATA_DIR_UNUSABLE',
      `no database could be made in ${data}: ${stderr || String(error)}`,
      {
        cause: error,
      },
    )
  } finally {
    rmSync(passwordFile, { force: true })
  }
}

/** What an initdb left that was killed. */
function sweep(folder: DataFolder): void {
  for (const name of readdirSync(folder.server)) {
    const pid = Number(/^new-(\d+)/.exec(name)?.[1] ?? Number.NaN)
    if (Number.isNaN(pid) || pid === process.pid || commandOf(pid) !== null) continue
    rmSync(join(folder.server, name), { recursive: true, force: true })
  }
}

/**
 * PostgreSQL refuses to start while a process with the number in its file lives, whichever process that is; after a
 * reboot it is often another.
 */
function removeStale(data: string): void {
  const path = join(data, 'postmaster.pid')
  if (!existsSync(path)) return
  const pid = Number(readFileSync(path, 'utf8').split('\n')[0])
  if (commandOf(pid) !== null && !isServerOf(pid, data)) rmSync(path, { force: true })
}

function isServerOf(pid: number, data: string): boolean {
  return commandOf(pid)?.includes(data) ?? false
}

/** The command line of a living process, or null. */
function commandOf(pid: number): string | null {
  if (process.platform === 'linux') {
    try {
      // A process that ended and is not yet collected has an empty line.
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ') || null
    } catch {
      return null
    }
  }
  const { stdout } = spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' })
  return stdout?.trim() || null
}

/** The port of the last start; 0 where there was none. */
function lastPort(data: string): number {
  const options = join(data, 'postmaster.opts')
  if (!existsSync(options)) return 0
  return Number(/"port=(\d+)"/.exec(readFileSync(options, 'utf8'))?.[1] ?? 0)
}

async function freePort(wanted: number): Promise<number> {
  // A server that was just killed lets go of its own when the kernel has cleared it away.
  const deadline = performance.now() + PORT_WAIT_MS
  while (wanted !== 0) {
    if (await isFree(wanted)) return wanted
    if (performance.now() > deadline) break
    await sleep(20)
  }
  for (let tries = 0; tries < PORT_TRIES_MAX; tries++) {
    const port = randomInt(PORT_MIN, PORT_MAX)
    if (await isFree(port)) return port
  }
  throw new SenseiError('CONTROL_UNREACHABLE', 'the embedded PostgreSQL found no free port')
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}

function spawnOptions(folder: DataFolder) {
  const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', TZ: 'UTC' }
  return { cwd: '/', env, ...folder.runAs }
}
