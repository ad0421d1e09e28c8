/**
 * One folder under the temporary directory per test run; everything a run starts lives in it.
 * Its name carries the run's process, so that the next run can tell a live folder from one that was
 * left behind by `kill -9`, stop the servers in it and remove it.
 */
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

const folderVariable = 'SENSEI_TEST_RUN_FOLDER'
const folderName = /^sensei-test-(?<pid>\d+)-(?<started>\d+)-/
const serverExitMsMax = 10_000

let own: string | undefined

/** The folder of this run. A forked test process inherits its parent's; otherwise the first call makes it. */
export function runFolder(): string {
  const inherited = process.env[folderVariable]
  if (inherited !== undefined && existsSync(inherited)) return inherited
  sweep()
  const started = startTime(process.pid) ?? '0'
  own = mkdtempSync(path.join(tmpdir(), `sensei-test-${process.pid}-${started}-`))
  // Servers of a run by root belong to another user, who has to reach his own folder in here.
  chmodSync(own, 0o711)
  process.env[folderVariable] = own
  process.once('exit', removeOwn)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    if (process.listenerCount(signal) === 0) process.once(signal, () => process.exit(130))
  }
  return own
}

/** Stops what still runs in this process's folder and removes it; a folder of another process stays. */
export function removeOwn(): void {
  if (own === undefined) return
  removeFolder(own)
  own = undefined
  delete process.env[folderVariable]
}

/** A zombie has ended: whether init reaps it soon is no concern of the tests. */
export function isAlive(pid: number): boolean {
  if (statFields(pid)?.[0] === 'Z') return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function sleepSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

function sweep(): void {
  for (const name of readdirSync(tmpdir())) {
    const match = folderName.exec(name)?.groups
    if (match?.['pid'] === undefined) continue
    const folder = path.join(tmpdir(), name)
    const pid = Number(match['pid'])
    // A process id is used again; together with its start time it is not.
    const live = isAlive(pid) && (startTime(pid) ?? '0') === match['started']
    if (!live && isOurs(folder)) removeFolder(folder)
  }
}

function isOurs(folder: string): boolean {
  try {
    return statSync(folder).uid === process.getuid?.()
  } catch {
    return false
  }
}

/** Synchronous, because it also runs while the process exits. The data is worthless: immediate shutdown. */
function removeFolder(folder: string): void {
  const pids = readdirSync(folder).flatMap((name) => postmasterOf(path.join(folder, name)))
  for (const pid of pids) kill(pid, 'SIGQUIT')
  const deadline = Date.now() + serverExitMsMax
  while (pids.some(isAlive) && Date.now() < deadline) sleepSync(20)
  for (const pid of pids.filter(isAlive)) kill(pid, 'SIGKILL')
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
}

/** The live postmaster of a server folder: its pid file can be stale and its number somebody else's. */
function postmasterOf(serverFolder: string): number[] {
  const data = path.join(serverFolder, 'data')
  try {
    const pid = Number(readFileSync(path.join(data, 'postmaster.pid'), 'utf8').split('\n')[0])
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    return command.includes(data) ? [pid] : []
  } catch {
    return []
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // Gone in the meantime, which is what was wanted.
  }
}

function startTime(pid: number): string | undefined {
  return statFields(pid)?.[19]
}

/** The fields of /proc/PID/stat after the command name: state first, start time 20th. */
function statFields(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}
