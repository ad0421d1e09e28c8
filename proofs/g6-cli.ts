/**
 * G6 from the command line: whatever is SIGKILLed at whatever instant, resuming ends with the result of an undisturbed
 * run. Each migration is killed again and again until one run of it comes to its end: the command itself, one of its
 * workers, the PostgreSQL that is the target, the embedded PostgreSQL of the control plane, or the command while it
 * takes the private copy. Then SQL counts and compares, and roots, rejects and catalogue are those of the undisturbed run.
 *
 * The negative control writes the ledger row in a transaction of its own (as g6-sigkill.ts does for the loader alone).
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Found, judge } from './cli/oracle.ts'
import { type Edit, patchedRepository } from './cli/patched-repository.ts'
import { type CliEnd, type CliRun, kill, shippedRepository, workersOf } from './cli/run-cli.ts'
import { ended, Stage } from './cli/stage.ts'
import { writeRecord } from './record.ts'
import { LEDGER_APART } from './target/patched-target.ts'
import { type Random, randomFrom } from './target/random.ts'

export interface Kills {
  /** Of the command and of workers, as it happens. */
  readonly processes: number
  /** Of the target's and the control plane's PostgreSQL in turn. */
  readonly servers: number
  /** Of the command while it takes the private copy. */
  readonly copies: number
}

export interface Options extends Kills {
  readonly seed: number
  readonly repository?: string
  /** Told after each migration. */
  readonly say?: (text: string) => void
}

interface Result {
  readonly seed: number
  readonly commandKills: number
  readonly workerKills: number
  readonly targetKills: number
  readonly controlKills: number
  readonly copyKills: number
  readonly migrations: number
  readonly resumes: number
  readonly expected: Expected
  readonly failures: readonly string[]
}

interface Expected {
  readonly verdict: string
  readonly roots: string
  readonly catalogue: string
  readonly found: Found
}

const ROWS = 400
const CHUNK_ROWS = 20
const BALLAST_MB = 40
/** A migration that is killed more often than this makes no progress. */
const KILLS_A_MIGRATION_MAX = 60
/** Of an undisturbed run's length. */
const STRIKE_WITHIN = 0.7
/** How many of the kills among processes are meant for workers; those come soon after one is there. */
const WORKER_SHARE = 0.7
const WORK_MS = 900
const COPY_MS = 60
const HANG_MS = 240_000

type Victim = 'process' | 'server' | 'copy'

export async function run(options: Options): Promise<Result> {
  const first = await act(options, { ...options, copies: 0 })
  if (options.copies === 0 || first.failures.length > 0) return first
  const none = { processes: 0, servers: 0, copies: options.copies }
  const second = await act(options, none, BALLAST_MB)
  return {
    ...first,
    copyKills: second.copyKills,
    migrations: first.migrations + second.migrations,
    resumes: first.resumes + second.resumes,
    failures: [...first.failures, ...second.failures],
  }
}

async function act(options: Options, kills: Kills, ballastMB?: number): Promise<Result> {
  const repository = options.repository ?? shippedRepository
  const stage = await Stage.set({ repository, rows: ROWS, ...(ballastMB && { ballastMB }) })
  try {
    return await new Play(stage, options).perform(kills)
  } finally {
    await stage.close()
  }
}

class Play {
  readonly #stage: Stage
  readonly #random: Random
  readonly #seed: number
  readonly #say: (text: string) => void
  readonly #left: { process: number; server: number; copy: number }
  readonly #counts = { command: 0, worker: 0, target: 0, control: 0, copy: 0 }
  readonly #failures: string[] = []
  #migrations = 0
  #resumes = 0
  #plan = ''
  #lifeMs = 0

  constructor(stage: Stage, { seed, say }: Options) {
    this.#stage = stage
    this.#seed = seed
    this.#say = say ?? (() => undefined)
    this.#random = randomFrom(seed)
    this.#left = { process: 0, server: 0, copy: 0 }
  }

  async perform(kills: Kills): Promise<Result> {
    Object.assign(this.#left, {
      process: kills.processes,
      server: kills.servers,
      copy: kills.copies,
    })
    const expected = await this.#undisturbed()
    while (this.#next() !== null && this.#failures.length === 0) {
      await this.#migrate(expected)
      const told = [JSON.stringify(this.#counts), ...this.#failures].join('\n')
      this.#say(`migration ${this.#migrations}: ${told}`)
    }
    const { command, worker, target, control, copy } = this.#counts
    return {
      seed: this.#seed,
      commandKills: command,
      workerKills: worker,
      targetKills: target,
      controlKills: control,
      copyKills: copy,
      migrations: this.#migrations,
      resumes: this.#resumes,
      expected,
      failures: this.#failures,
    }
  }

  /** Which kill is due; servers are spread among the processes. */
  #next(): Victim | null {
    const { process, server, copy } = this.#left
    if (copy > 0) return 'copy'
    const all = process + server
    if (all === 0) return null
    return this.#random() * all < server ? 'server' : 'process'
  }

  async #undisturbed(): Promise<Expected> {
    const target = await this.#stage.database()
    this.#plan = await this.#stage.plan(target)
    const begun = performance.now()
    const out = ended(await this.#start(target, null).ended)
    this.#lifeMs = performance.now() - begun
    const expected = await this.#result(target, out)
    if (expected.found.wrong.length > 0) this.#failures.push('the undisturbed run is wrong')
    await this.#stage.drop(target)
    return expected
  }

  #start(target: string, resume: string | null): CliRun {
    const certificate = ['--certificate', path.join(this.#stage.source.folder, 'certificate.json')]
    if (resume !== null) {
      return this.#stage.run([
        'migrate',
        '--resume',
        resume,
        '--target',
        target,
        '--yes',
        ...certificate,
      ])
    }
    const ends = ['--source', this.#stage.source.url, '--target', target]
    const how = ['--plan', this.#plan, '--chunk-rows', String(CHUNK_ROWS), '--max-rejects', '1000']
    return this.#stage.run(['migrate', ...ends, ...how, '--yes', ...certificate])
  }

  async #migrate(expected: Expected): Promise<void> {
    const target = await this.#stage.database()
    this.#migrations += 1
    for (let kills = 0; ; ) {
      const id = await this.#idOf(target)
      if (id !== null) this.#resumes += 1
      const command = this.#start(target, id)
      kills += await this.#strikes(command, target, KILLS_A_MIGRATION_MAX - kills)
      const end = await within(command)
      if (end === 'hangs') return this.#fail(`a command hangs: ${id}`)
      if (end.code === 0) return this.#compare(target, expected, end.out)
      // Killed, or told that a server went away or that workers die: all of it is to be resumed.
      if (end.code !== null && !/UNREACHABLE|WORKER_DIED|workers died/.test(end.errors)) {
        return this.#fail(`a command ended with ${end.code}: ${end.errors}`)
      }
      if (end.code !== null && kills >= KILLS_A_MIGRATION_MAX) {
        return this.#fail(`no progress: ${end.errors}`)
      }
    }
  }

  /** Strikes until the command is killed, or ends by itself; says how often. */
  async #strikes(command: CliRun, target: string, max: number): Promise<number> {
    for (let kills = 0; kills < max; kills += 1) {
      const victim = this.#next()
      if (victim === null || !(await this.#strike(victim, command, target))) return kills
    }
    return max
  }

  async #compare(target: string, expected: Expected, out: string): Promise<void> {
    const result = await this.#result(target, out)
    for (const what of ['verdict', 'roots', 'catalogue', 'found'] as const) {
      const [is, should] = [JSON.stringify(result[what]), JSON.stringify(expected[what])]
      if (is !== should) this.#fail(`${what}: ${is} instead of ${should}`)
    }
    await this.#stage.drop(target)
  }

  #fail(text: string): void {
    this.#failures.push(`migration ${this.#migrations}: ${text}`)
  }

  async #result(target: string, out: string): Promise<Expected> {
    const told = JSON.parse(out) as {
      verdict: string
      tables: { target: string; digest: string; rows_rejected: number }[]
    }
    const roots = told.tables.map(({ target: name, digest, rows_rejected: rejected }) => {
      return `${name} ${digest} ${rejected}`
    })
    return {
      verdict: told.verdict,
      roots: roots.toSorted().join(', '),
      catalogue: await this.#stage.catalogue(target),
      found: await judge(this.#stage.source.path, target),
    }
  }

  async #idOf(target: string): Promise<string | null> {
    const name = new URL(target).pathname
    const known = await this.#stage.session.journal.list({ limit: 1_000 })
    return known.find((one) => new URL(one.target.url).pathname === name)?.id ?? null
  }

  /** True when something was killed: the command may have been quicker. */
  async #strike(victim: Victim, command: CliRun, target: string): Promise<boolean> {
    const done = { now: false }
    void command.ended.then(() => (done.now = true))
    const pid = command.process.pid as number
    const worker = victim === 'process' && this.#random() < WORKER_SHARE
    if (victim === 'copy') await this.#untilCopying(target, done)
    if (worker) await untilWorking(pid, done)
    const withinMs = victim === 'copy' ? COPY_MS : worker ? WORK_MS : this.#lifeMs * STRIKE_WITHIN
    await Promise.race([sleep(this.#random() * withinMs), command.ended])
    if (done.now) return false
    this.#left[victim] -= 1
    if (victim === 'server') await this.#strikeServer()
    else this.#strikeProcess(victim, pid, worker)
    return true
  }

  #strikeProcess(victim: Victim, pid: number, worker: boolean): void {
    const workers = worker ? workersOf(pid) : []
    const hand = workers[Math.floor(this.#random() * workers.length)]
    if (hand !== undefined) this.#counts.worker += 1
    else this.#counts[victim === 'copy' ? 'copy' : 'command'] += 1
    kill(hand ?? pid)
  }

  async #strikeServer(): Promise<void> {
    const { server } = this.#stage
    if ((this.#counts.target + this.#counts.control) % 2 === 0) {
      this.#counts.target += 1
      await server.kill9()
      await sleep(this.#random() * 500)
      await server.start()
      return
    }
    this.#counts.control += 1
    const file = path.join(this.#stage.dataFolder, 'postgres/data/postmaster.pid')
    const postmaster = Number(readFileSync(file, 'utf8').split('\n')[0])
    process.kill(postmaster, 'SIGSTOP')
    const backends = childrenOf(postmaster)
    for (const pid of [postmaster, ...backends]) kill(pid)
  }

  /** Until a half-made copy stands in the migration's folder. */
  async #untilCopying(target: string, done: { readonly now: boolean }): Promise<void> {
    const copies = path.join(this.#stage.session.privateFolder, 'copies')
    let id: string | null = null
    while (!done.now) {
      id ??= await this.#idOf(target)
      const folder = path.join(copies, id ?? 'none')
      const names = existsSync(folder) ? readdirSync(folder) : []
      if (names.some((name) => name.endsWith('.partial'))) return
      await sleep(2)
    }
  }
}

/** Until the command has workers. */
async function untilWorking(pid: number, done: { readonly now: boolean }): Promise<void> {
  while (!done.now && workersOf(pid).length === 0) await sleep(10)
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .split(' ')
    .filter(Boolean)
    .map(Number)
}

async function within(command: CliRun): Promise<CliEnd | 'hangs'> {
  const timer = new AbortController()
  const late = sleep(HANG_MS, 'hangs' as const, { signal: timer.signal }).catch(
    () => 'hangs' as const,
  )
  const end = await Promise.race([command.ended, late])
  timer.abort()
  if (end === 'hangs') command.process.kill('SIGKILL')
  return end
}

/** The same kills with the ledger row committed apart, until rows are there twice. */
export async function control(options: Options): Promise<Result> {
  const edits: Edit[] = LEDGER_APART.map((edit) => ({ ...edit, file: `target/${edit.file}` }))
  const patched = patchedRepository(edits)
  try {
    return await run({ ...options, repository: patched.folder })
  } finally {
    patched.remove()
  }
}

async function main(): Promise<void> {
  const seed = Number(process.env['SENSEI_SEED'] ?? 66)
  const processes = Number(process.env['SENSEI_PROOF_KILLS'] ?? 500)
  const tenth = Math.ceil(processes / 10)
  process.stdout.write(`G6, the CLI: ${processes} kills, ${tenth} and ${tenth}, seed ${seed}\n`)
  const startedAt = performance.now()
  const say = (text: string): void => void process.stdout.write(`${text}\n`)
  // A copy, so that work on the repository does not disturb hours of proof.
  const shipped = patchedRepository([])
  const repository = shipped.folder
  const result = await run({ seed, repository, processes, servers: tenth, copies: tenth, say })
  const without = await control({ seed, processes: 100, servers: 0, copies: 0 })
  shipped.remove()
  const wrong = [...result.failures]
  if (without.failures.length === 0) wrong.push('nothing was doubled without the mechanism')
  writeRecord('g6-cli', startedAt, {
    guarantee: 'G6',
    run: result,
    ledger_apart: { ...without, expected: undefined },
    failures: wrong,
  })
  process.exitCode = wrong.length === 0 ? 0 : 1
}

if (import.meta.main) await main()
