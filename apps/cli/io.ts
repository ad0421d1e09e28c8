/** Where a command reads and writes. Data goes to stdout, everything for eyes to stderr. */
import type { Readable, Writable } from 'node:stream'

export interface Io {
  readonly env: NodeJS.ProcessEnv
  /** What other users of the machine may see of this process. */
  readonly argv: readonly string[]
  /** Data: JSON, a plan, a certificate, a table. */
  out(text: string): void
  /** For people: progress, warnings, errors. */
  say(text: string): void
  readonly stderr: Writable
  /** Progress may be drawn over itself. */
  readonly live: boolean
  /** Colours on stdout. */
  readonly color: boolean
  /** The width of the terminal, which may change. */
  columns(): number
  /** Where a person may answer a question; null without a terminal. */
  readonly answers: Readable | null
}

export interface FaceOptions {
  readonly color: boolean
  readonly progress: 'auto' | 'plain' | 'none'
}

export function processIo(options: FaceOptions): Io {
  const { argv, env, stdin, stdout, stderr } = process
  const capable = env['TERM'] !== 'dumb'
  return {
    env,
    argv,
    out: (text) => void stdout.write(`${text}\n`),
    say: (text) => void stderr.write(`${text}\n`),
    stderr,
    live: options.progress === 'auto' && stderr.isTTY === true && capable && !env['CI'],
    color: options.color && stdout.isTTY === true && capable && !env['NO_COLOR'],
    columns: () => stderr.columns ?? 80,
    answers: stdin.isTTY === true && stderr.isTTY === true ? stdin : null,
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
