/**
 * Runs a whole command and says what it cost. GNU time waits for the command and reports what the kernel counted
 * for it and for every child it waited for; what processes held at the same moment is sampled from /proc, where asked.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { type MemoryPeak, MemorySampler } from './memory.ts'

const GNU_TIME = '/usr/bin/time'
/** What a command printed last is enough to say why it failed. */
const OUTPUT_CHARACTERS_MAX = 200_000

/** What a shell makes of SIGKILL. */
const KILLED = 137

export interface Command {
  readonly program: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly timeoutMs: number
}

export interface Usage {
  readonly exitCode: number
  readonly seconds: number
  /** Of the command and its children, not of the PostgreSQL server. */
  readonly cpuSeconds: number
  /** The largest single process, in KB, as the kernel counted it. */
  readonly peakRssKb: number
  readonly stdout: string
  readonly stderr: string
  readonly memory?: MemoryPeak
}

export async function measure(
  command: Command,
  options: { sample?: boolean } = {},
): Promise<Usage> {
  const folder = await mkdtemp(join(tmpdir(), 'sensei-bench-time-'))
  const report = join(folder, 'time')
  const startedMs = performance.now()
  const child = start(command, report)
  const abandon = (): void => {
    endGroupOf(child.pid)
    rmSync(folder, { recursive: true, force: true })
  }
  // A terminal's Ctrl-C reaches the bench and not the command's group.
  process.once('exit', abandon)
  const limit = setTimeout(() => endGroupOf(child.pid), command.timeoutMs)
  const sampler =
    options.sample === true && child.pid !== undefined ? new MemorySampler(child.pid) : undefined
  try {
    const output = collectOutput(child)
    const [exitCode] = (await once(child, 'close')) as [number | null]
    const seconds = (performance.now() - startedMs) / 1_000
    const memory = sampler?.stop()
    const usage = { exitCode: exitCode ?? KILLED, seconds, ...(await countedIn(report)), ...output }
    return memory === undefined ? usage : { ...usage, memory }
  } finally {
    sampler?.stop()
    clearTimeout(limit)
    process.off('exit', abandon)
    await rm(folder, { recursive: true, force: true })
  }
}

/** In a process group of its own, so that what outlives the time limit is ended as a whole. */
function start(
  { program, args, env }: Command,
  report: string,
): ChildProcessByStdio<null, Readable, Readable> {
  return spawn(GNU_TIME, ['-q', '-f', '%U %S %M', '-o', report, program, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
}

function collectOutput(child: ChildProcessByStdio<null, Readable, Readable>): {
  stdout: string
  stderr: string
} {
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] = (output[name] + text).slice(-OUTPUT_CHARACTERS_MAX)
    })
  }
  return output
}

/** The last line: a command that ends with an error has a line about that before it. */
async function countedIn(report: string): Promise<Pick<Usage, 'cpuSeconds' | 'peakRssKb'>> {
  const text = await readFile(report, 'utf8').catch(() => '')
  const [user = 0, system = 0, peakRssKb = 0] = text.trim().split(/\s+/).slice(-3).map(Number)
  return { cpuSeconds: user + system, peakRssKb }
}

function endGroupOf(leader: number | undefined): void {
  if (leader === undefined) return
  try {
    process.kill(-leader, 'SIGKILL')
  } catch {
    // It ended by itself in the meantime.
  }
}
