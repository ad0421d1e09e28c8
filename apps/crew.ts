/**
 * Worker processes of this machine: forked, watched, replaced when they die. A dead worker's leases are given back
 * at once, because its death is known here; anywhere else they run out. Recruits are forked before there is work: they
 * load their code meanwhile, open nothing, and are killed when no work comes.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { hostname } from 'node:os'
import { ERROR_CODES, type ErrorCode, SenseiError } from '@sensei/core/errors'
import type { Progress } from '@sensei/core/ports/progress'
import type { Tasks } from '@sensei/core/ports/tasks'
import type { Assignment, Crew, Hands } from '@sensei/engine/cast'
import { AWAY_MS_MAX } from '@sensei/engine/patience'
import type { FromWorker, LastWords, Posting } from './roles/messages.ts'

export interface CrewParts {
  readonly tasks: Tasks
  readonly progress: Progress
  readonly posting: Omit<Posting, 'owner' | 'assignment'>
}

/** So many deaths in a row without one finished chunk mean that replacing will not help. */
const FRUITLESS_DEATHS_MAX = 20
const REPLACE_MS = 50
const REPLACE_MS_MAX = 1_000
/** The longest a dismissed worker may take to end its chunk. */
const DISMISS_MS_MAX = 60_000
const WORKER = new URL('./roles/worker.ts', import.meta.url)

/** `recruits` may have been mustered before; whoever made them disbands them. */
export function localCrew(parts: CrewParts, recruits: Recruits): Crew {
  return {
    muster: (count) => recruits.muster(count),
    start: async (assignment, count, rowsDone) => {
      const hands = new LocalHands(parts, recruits, assignment, new Map(rowsDone))
      for (let hired = 0; hired < count; hired += 1) hands.hire()
      // There is less work than was thought.
      await recruits.disband()
      return hands
    },
    disband: () => recruits.disband(),
    gone,
  }
}

export function ownerName(pid: number | undefined): string {
  return `${hostname()}/${pid}`
}

/** Only what this machine can see: a process of another host may live. */
function gone(owner: string): boolean {
  const pid = Number(owner.slice(owner.lastIndexOf('/') + 1))
  if (!Number.isInteger(pid) || pid <= 0 || owner !== ownerName(pid)) return false
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}

interface Recruit {
  readonly child: ChildProcess
  /** When it can be told what to do. */
  readonly ready: Promise<void>
}

function recruit(): Recruit {
  const child = fork(WORKER, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  // A send to a child that has just died is no fault: its exit is seen.
  child.on('error', () => undefined)
  return { child, ready: new Promise((resolve) => child.once('message', () => resolve())) }
}

/** Worker processes that wait for an assignment. */
export class Recruits {
  readonly #waiting: Recruit[] = []

  /** Has up to so many; where no process can be had now, whoever needs one asks again. */
  muster(count: number): void {
    try {
      while (this.#waiting.length < count) this.#waiting.push(recruit())
    } catch {
      // A machine without memory throws here.
    }
  }

  take(): Recruit {
    for (let first = this.#waiting.shift(); first !== undefined; first = this.#waiting.shift()) {
      if (isAlive(first.child)) return first
    }
    return recruit()
  }

  async disband(): Promise<void> {
    await Promise.all(
      this.#waiting.splice(0).map(async ({ child }) => {
        if (!isAlive(child)) return
        const gone = new Promise((resolve) => child.once('exit', resolve))
        child.kill('SIGKILL')
        await gone
      }),
    )
  }
}

function isAlive(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null
}

class LocalHands implements Hands {
  readonly trouble: Promise<never>
  readonly #reject: (error: SenseiError) => void
  readonly #parts: CrewParts
  readonly #recruits: Recruits
  readonly #assignment: Assignment
  readonly #rows: Map<string, number>
  readonly #living = new Set<ChildProcess>()
  #fruitless = 0
  #awaySince: number | null = null
  #dismissed = false

  constructor(
    parts: CrewParts,
    recruits: Recruits,
    assignment: Assignment,
    rows: Map<string, number>,
  ) {
    const { promise, reject } = Promise.withResolvers<never>()
    promise.catch(() => undefined)
    this.trouble = promise
    this.#reject = reject
    this.#parts = parts
    this.#recruits = recruits
    this.#assignment = assignment
    this.#rows = rows
  }

  hire(): void {
    if (this.#dismissed) return
    const taken = this.#take()
    if (taken === null) return
    const { child, ready } = taken
    this.#living.add(child)
    const owner = ownerName(child.pid)
    const posting: Posting = { ...this.#parts.posting, owner, assignment: this.#assignment }
    let lastWords: LastWords | null = null
    void ready.then(() => child.send(posting))
    child.on('message', (message: FromWorker) => {
      if (message.kind === 'failed') lastWords = message
      else if (message.kind === 'receipt') this.#count(message.table, message.rows, message.total)
    })
    const ended = (): void => {
      this.#living.delete(child)
      if (!this.#dismissed) void this.#replace(owner, lastWords)
    }
    child.once('exit', ended)
    if (child.pid !== undefined) return
    // What could not be started, because there are too many processes, has no exit.
    child.once('error', ({ message }) => {
      lastWords = { kind: 'failed', code: 'INTERNAL', message }
      ended()
    })
  }

  /** Null where the machine refuses: it is asked again, so long as a worker that dies is replaced. */
  #take(): Recruit | null {
    try {
      return this.#recruits.take()
    } catch (error) {
      const { message } = error as Error
      void this.#replace(ownerName(undefined), { kind: 'failed', code: 'INTERNAL', message })
      return null
    }
  }

  async dismiss(): Promise<void> {
    this.#dismissed = true
    await Promise.all([...this.#living].map(sendHome))
  }

  #count(table: string, rows: number, total: number): void {
    this.#fruitless = 0
    this.#awaySince = null
    const done = (this.#rows.get(table) ?? 0) + rows
    this.#rows.set(table, done)
    this.#parts.progress.report({
      phase: 'carry',
      table,
      unit: 'rows',
      done,
      total,
      message: null,
    })
  }

  async #replace(owner: string, lastWords: LastWords | null): Promise<void> {
    const hopeless = this.#judge(lastWords)
    if (hopeless !== null) return this.#reject(hopeless)
    await this.#parts.tasks.release(this.#assignment.run.migrationId, owner).catch(() => 0)
    const waitMs = Math.min(REPLACE_MS * 2 ** this.#fruitless, REPLACE_MS_MAX)
    setTimeout(() => this.hire(), waitMs)
  }

  /** The error with which the load ends, or null when another worker may have more luck. */
  #judge(lastWords: LastWords | null): SenseiError | null {
    this.#fruitless += 1
    const code = lastWords !== null && lastWords.code in ERROR_CODES ? lastWords.code : 'INTERNAL'
    if (lastWords === null || code === 'INTERNAL') {
      return this.#fruitless > FRUITLESS_DEATHS_MAX ? dying(lastWords) : null
    }
    // Said in so many words: another worker would meet the same, unless it passes with time.
    const error = new SenseiError(code as ErrorCode, lastWords.message)
    if (!error.retryable) return error
    this.#awaySince ??= performance.now()
    return performance.now() - this.#awaySince > AWAY_MS_MAX ? error : null
  }
}

async function sendHome(child: ChildProcess): Promise<void> {
  if (!isAlive(child)) return
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  if (child.connected) child.send({ kind: 'dismiss' })
  // One that is stopped or stuck holds nothing that the ledger does not settle.
  const stuck = setTimeout(() => child.kill('SIGKILL'), DISMISS_MS_MAX)
  await gone
  clearTimeout(stuck)
}

function dying(lastWords: LastWords | null): SenseiError {
  return new SenseiError(
    'WORKER_DIED',
    `Workers died ${FRUITLESS_DEATHS_MAX} times in a row without finishing a chunk. The last one said: ${lastWords?.message || 'nothing'}`,
  )
}
