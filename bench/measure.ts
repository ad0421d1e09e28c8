/**
 * Runs a whole command and says what it cost. GNU time waits for the command and reports what the kernel counted
 * for it and for every child it waited for; what processes held at the same moment is sampled from /proc, where asked.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type MemoryPeak, MemorySampler } from './memory.ts'

const GNU_TIME = '/usr/bin/time'
/** What a command printed last is enough to say why it failed. */
const OUTPUT_CHARACTERS_MAX = 200_000

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
  try {
    const timed = ['-q', '-f', '%U %S %M', '-o', report, command.program, ...command.args]
    const startedMs = performance.now()
    // Its own process group: what outlives the time limit is ended as a whole.
    const child = spawn(GNU_TIME, timed, {
      env: { ...process.env, ...command.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    const group = child.pid
    const endGroup = (): void => endGroupOf(group)
    const limit = setTimeout(endGroup, command.timeoutMs)
    const abandon = (): void => {
      endGroup()
      rmSync(folder, { recursive: true, force: true })
    }
    // A terminal's Ctrl-C reaches the bench and not this group.
    process.once('exit', abandon)
    const sampler =
      options.sample === true && group !== undefined ? new MemorySampler(group) : undefined
    const output = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        output[name] = (output[name] + text).slice(-OUTPUT_CHARACTERS_MAX)
      })
    }
    const [exitCode] = (await once(child, 'close')) as [number | null]
    const seconds = (performance.now() - startedMs) / 1_000
    clearTimeout(limit)
    process.off('exit', abandon)
    const memory = sampler?.stop()
    const counted = await readFile(report, 'utf8').catch(() => '0 0 0')
    const [user = 0, system = 0, peakRssKb = 0] = counted.trim().split(/\s+/).slice(-3).map(Number)
    const usage = { exitCode: exitCode ?? 137, seconds, cpuSeconds: user + system, peakRssKb }
    return { ...usage, ...output, ...(memory === undefined ? {} : { memory }) }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function endGroupOf(leader: number | undefined): void {
  if (leader === undefined) return
  try {
    process.kill(-leader, 'SIGKILL')
  } catch {
    // It ended by itself in the meantime.
  }
}
