/** Where the CLI's proofs play: a control plane of their own, a target server of their own, one source, its plan. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { openSession, type Session } from '@sensei/apps/session'
import { runFolder } from '@sensei/contracts/run-folder'
import { type OwnServer, startPostgres, urlOf } from '@sensei/contracts/servers'
import { SenseiError } from '@sensei/core/errors'
import { Client } from 'pg'
import { type CliEnd, type CliRun, startCli } from './run-cli.ts'
import { type ProofSource, proofSource } from './source.ts'

export interface StageOptions {
  readonly repository: string
  readonly rows: number
  readonly ballastMB?: number
}

export class Stage {
  readonly session: Session
  readonly server: OwnServer
  readonly source: ProofSource
  readonly #folder: string
  readonly #repository: string
  #databases = 0

  private constructor(
    session: Session,
    server: OwnServer,
    source: ProofSource,
    folder: string,
    repository: string,
  ) {
    this.session = session
    this.server = server
    this.source = source
    this.#folder = folder
    this.#repository = repository
  }

  static async set(options: StageOptions): Promise<Stage> {
    const folder = mkdtempSync(path.join(runFolder(), 'stage-'))
    // The embedded server's own user passes through it.
    chmodSync(folder, 0o711)
    mkdirSync(path.join(folder, 'private'), { mode: 0o700 })
    const session = await openSession({ ...process.env, SENSEI_DATA_DIR: folder })
    const server = await startPostgres({ version: 18 })
    const source = proofSource(options)
    return new Stage(session, server, source, folder, options.repository)
  }

  get dataFolder(): string {
    return this.#folder
  }

  run(args: readonly string[]): CliRun {
    const { dataFolder } = this
    const options = { repository: this.#repository, dataFolder, cwd: this.source.folder }
    return startCli([...args, '--output', 'json', '--progress', 'none'], options)
  }

  async database(): Promise<string> {
    this.#databases += 1
    const name = `proof_${this.#databases}`
    await this.#admin(`create database ${name} template template0`)
    return urlOf(this.server, name)
  }

  async drop(url: string): Promise<void> {
    await this.#admin(`drop database if exists ${new URL(url).pathname.slice(1)} with (force)`)
  }

  /** A plan in which amounts are numbers, which some are not: those rows become rejects. */
  async plan(targetUrl: string): Promise<string> {
    const file = path.join(this.source.folder, 'plan.json')
    const ends = ['--source', this.source.url, '--target', targetUrl]
    const { dataFolder } = this
    const options = { repository: this.#repository, dataFolder, cwd: this.source.folder }
    const { code, errors } = await startCli(['plan', ...ends, '--out', file], options).ended
    // 4: as it is designed, the plan has a loss that nobody accepted.
    if (code !== 4 && code !== 0) throw new SenseiError('INTERNAL', `plan: ${errors}`)
    const plan = JSON.parse(readFileSync(file, 'utf8')) as {
      tables: {
        source: string
        columns: { source: string; type: string; conversion: string; unfit: string }[]
      }[]
    }
    const keyed = plan.tables.find((table) => table.source === 'keyed')
    const amount = keyed?.columns.find((column) => column.source === 'amount')
    if (amount === undefined) throw new SenseiError('INTERNAL', 'there is no keyed.amount')
    Object.assign(amount, { type: 'bigint', conversion: 'integer', unfit: 'reject' })
    writeFileSync(file, JSON.stringify(plan))
    return file
  }

  async catalogue(url: string): Promise<string> {
    const target = await this.session.openTarget(url)
    try {
      return await target.builder.catalogueDigest()
    } finally {
      await target.close()
    }
  }

  async close(): Promise<void> {
    // A server of the tests keeps no process alive, not even one that waits for its end.
    const alive = setInterval(() => undefined, 1_000)
    try {
      await this.session.close()
      await this.server.remove()
    } finally {
      clearInterval(alive)
      this.source.remove()
      rmSync(this.#folder, { recursive: true, force: true })
    }
  }

  async #admin(sql: string): Promise<void> {
    const client = new Client({ connectionString: urlOf(this.server, 'postgres') })
    await client.connect()
    try {
      await client.query(sql)
    } finally {
      await client.end()
    }
  }
}

/** What a command that was not killed said; throws when it failed. */
export function ended(end: CliEnd): string {
  if (end.code === 0) return end.out
  throw new SenseiError('INTERNAL', `the command ended with ${end.code}: ${end.errors}${end.out}`)
}
