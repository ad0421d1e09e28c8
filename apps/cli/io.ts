/** Where a command reads and writes. Data goes to stdout, everything for eyes to stderr. */
import type { Writable } from 'node:stream'

export interface Io {
  readonly env: NodeJS.ProcessEnv
  /** Data: JSON, a plan, a certificate, a table. */
  out(text: string): void
  /** For people: progress, warnings, errors. */
  say(text: string): void
  readonly stderr: Writable
  /** Progress may be drawn over itself. */
  readonly live: boolean
  readonly color: boolean
  readonly columns: number
}

export interface FaceOptions {
  readonly color: boolean
  readonly progress: 'auto' | 'plain' | 'none'
}

export function processIo(options: FaceOptions): Io {
  const { env, stdout, stderr } = process
  const terminal = stderr.isTTY === true && env['TERM'] !== 'dumb' && !env['CI']
  return {
    env,
    out: (text) => void stdout.write(`${text}\n`),
    say: (text) => void stderr.write(`${text}\n`),
    stderr,
    live: options.progress === 'auto' && terminal,
    color: options.color && terminal && !env['NO_COLOR'],
    columns: stderr.columns ?? 80,
  }
}

/** `sensei … | head` closes our output early: that is no fault of ours. */
export function tolerateClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  }
}
