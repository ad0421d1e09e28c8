/** The command line as a process: started, watched, killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'

export const shippedRepository = path.join(import.meta.dirname, '../..')

export interface CliOptions {
  /** The repository whose command line is run: the shipped one, or a patched copy. */
  readonly repository: string
  readonly dataFolder: string
  readonly cwd: string
}

export interface CliRun {
  readonly process: ChildProcess
  /** Exit code and what stood on stdout; the code is null after a signal. */
  readonly ended: Promise<CliEnd>
}

export interface CliEnd {
  readonly code: number | null
  readonly out: string
  readonly errors: string
}

export function startCli(args: readonly string[], options: CliOptions): CliRun {
  const main = path.join(options.repository, 'apps/cli/main.ts')
  const child = spawn(process.execPath, [main, ...args], {
    cwd: options.cwd,
    env: { ...process.env, SENSEI_DATA_DIR: options.dataFolder },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  // `exit`, not `close`: workers of a killed command may hold its stderr a moment longer.
  const ended = new Promise<CliEnd>((resolve) => {
    child.once('exit', (code) => resolve({ code, out, errors }))
  })
  return { process: child, ended }
}

/** The worker processes of a command that runs now. */
export function workersOf(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    return children.split(' ').filter(Boolean).map(Number).filter(isWorker)
  } catch {
    return []
  }
}

function isWorker(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('roles/worker')
  } catch {
    return false
  }
}

export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself in the meantime.
  }
}
