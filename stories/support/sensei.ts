/**
 * Sensei as a person runs it: processes of its own, with a data folder of their own. The control plane of a story is held
 * open by the test, so that not every command starts and stops a server.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import path from 'node:path'
import { openControlPlane } from '@sensei/apps/pillars'
import { runFolder } from '@sensei/contracts/run-folder'
import { type FreshDatabase, freshDatabase, server } from '@sensei/contracts/servers'
import { Client } from 'pg'

const MAIN = path.resolve(import.meta.dirname, '../../apps/cli/main.ts')

export interface Run {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

/** What `--output json` prints; a story looks at the fields that it is about. */
export interface Told {
  readonly migration_id: string
  readonly status: string
  readonly verdict: string | null
  readonly tables: readonly {
    readonly source: string
    readonly target: string
    readonly rows_source: number
    readonly rows_target: number
    readonly rows_rejected: number
    readonly digest: string | null
    readonly error?: { readonly code: string; readonly message: string }
  }[]
  readonly declared_losses: readonly { readonly loss: string }[]
  readonly skipped_objects: readonly { readonly kind: string; readonly name: string }[]
  readonly set_aside: readonly {
    readonly kind: string
    readonly table: string
    readonly name: string
  }[]
  readonly not_checked: readonly { readonly what: string; readonly reason: string }[]
  readonly problems: readonly {
    readonly kind: string
    readonly object: string
    readonly problem: string
  }[]
  readonly differences: readonly {
    readonly table: string
    readonly key: string
    readonly kind: string
    readonly column: string | null
    readonly source: string | null
    readonly target: string | null
  }[]
  readonly certificate: string | null
  readonly seconds: number
  readonly error: { readonly code: string; readonly message: string } | null
}

export interface Started {
  readonly child: ChildProcess
  readonly ended: Promise<Run>
  /** Resolves once stderr has said so. */
  said(words: string | RegExp): Promise<void>
}

export class Story {
  /** Where commands run and leave their files. */
  readonly folder: string
  readonly #env: Record<string, string>
  readonly #close: () => Promise<void>
  readonly #databases: FreshDatabase[] = []

  private constructor(folder: string, env: Record<string, string>, close: () => Promise<void>) {
    this.folder = folder
    this.#env = env
    this.#close = close
  }

  static async open(): Promise<Story> {
    const folder = mkdtempSync(path.join(runFolder(), 'story-'))
    const env = { SENSEI_DATA_DIR: mkdtempSync(path.join(runFolder(), 'data-')) }
    const plane = await openControlPlane(env)
    return new Story(folder, env, () => plane.close())
  }

  /** For a story that brings its own control plane. */
  static without(): Story {
    return new Story(mkdtempSync(path.join(runFolder(), 'story-')), {}, () => Promise.resolve())
  }

  get dataFolder(): string {
    return this.#env['SENSEI_DATA_DIR'] ?? ''
  }

  /** A new, empty target on the run's PostgreSQL 18. */
  async target(): Promise<string> {
    const database = await freshDatabase(await server(18))
    this.#databases.push(database)
    return database.url
  }

  file(name: string): string {
    return path.join(this.folder, name)
  }

  /** Runs a command to its end. `target` is what --target env:TARGET names. */
  run(args: readonly string[], env: Record<string, string> = {}): Promise<Run> {
    return this.start(args, env).ended
  }

  /** Runs it with `--output json`, and reads the one object that it must print, whatever became of it. */
  async json(
    args: readonly string[],
    env: Record<string, string> = {},
  ): Promise<Told & Pick<Run, 'exit'>> {
    const { exit, stdout, stderr } = await this.run([...args, '--output', 'json'], env)
    const lines = stdout.trimEnd().split('\n')
    if (lines.length !== 1)
      throw new TypeError(`expected one line of JSON, got ${JSON.stringify(stdout)}\n${stderr}`)
    return { ...(JSON.parse(stdout) as Told), exit }
  }

  start(args: readonly string[], env: Record<string, string> = {}): Started {
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd: this.folder,
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: this.folder,
        NO_COLOR: '1',
        ...this.#env,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const text = { stdout: '', stderr: '' }
    const waiting = new Set<() => void>()
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.setEncoding('utf8').on('data', (part: string) => {
        text[name] += part
        for (const look of waiting) look()
      })
    }
    const ended = once(child, 'close').then(([code, signal]): Run => {
      for (const look of waiting) look()
      return {
        exit: code === null ? -1 : Number(code),
        ...text,
        ...(signal === null ? {} : { signal: String(signal) }),
      }
    })
    const said = (words: string | RegExp): Promise<void> =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found =
            typeof words === 'string' ? text.stderr.includes(words) : words.test(text.stderr)
          if (!found && child.exitCode === null && child.signalCode === null) return
          waiting.delete(look)
          if (found) resolve()
          else reject(new TypeError(`it ended without saying ${String(words)}:\n${text.stderr}`))
        }
        waiting.add(look)
        look()
      })
    return { child, ended, said }
  }

  async close(): Promise<void> {
    await Promise.all(this.#databases.map((database) => database.drop()))
    await this.#close()
  }
}

export async function rowsOf<R extends object = Record<string, unknown>>(
  url: string,
  sql: string,
): Promise<R[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<R>(sql)).rows
  } finally {
    await client.end()
  }
}

/** What was compared, by table: equal maps mean equal contents. */
export function digestsOf(told: Told): Record<string, string | null> {
  return Object.fromEntries(told.tables.map(({ target, digest }) => [target, digest]))
}
