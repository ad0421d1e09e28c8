/**
 * One connection that writes for one run. A step is one transaction: the fence, the ledger row, the work, the counts,
 * COMMIT. Its ledger row therefore says exactly whether the work is in, also when the reply to COMMIT is lost.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isSenseiError, SenseiError } from '@sensei/core/errors'
import type { Run } from '@sensei/core/ports/target'
import type { Receipt } from '@sensei/core/receipt'
import { clearing, terminate } from './backends.ts'
import { checkFence, forgetHolder, registerHolder } from './fence.ts'
import {
  type Counts,
  findStep,
  findSteps,
  finishStep,
  finishSteps,
  insertStep,
  insertSteps,
  type Step,
} from './ledger.ts'
import { sqlstate, targetError } from './refusal.ts'
import { type Backend, Session } from './session.ts'
import type { ConnectionSettings } from './settings.ts'

/** Another writer of the same step may finish it; one that is stalled is terminated. */
const sameStepGraceMs = 3_000
const settleMsMax = 30_000
const settlePauseMsMax = 1_000

export class Writer {
  private readonly settings: ConnectionSettings
  private readonly run: Run
  private readonly label: string
  private current: Session | null = null

  constructor(settings: ConnectionSettings, run: Run, label: string) {
    this.settings = settings
    this.run = run
    this.label = label
  }

  /** Connects and registers, again after a loss. Throws FENCED when another process took over. */
  async session(): Promise<Session> {
    if (this.current !== null && !this.current.lost) return this.current
    this.current = null
    const session = await Session.open(this.settings, this.label)
    try {
      await registerHolder(session, this.run, this.label)
    } catch (error) {
      await session.close()
      throw targetError(error, 'registering at the fence')
    }
    this.current = session
    return session
  }

  /** The receipt of the step: made now, or found, in which case `work` is not called. */
  async step(step: Step, work: (session: Session) => Promise<Counts>): Promise<Receipt> {
    const session = await this.session()
    let committing = false
    try {
      await session.query('begin')
      await checkFence(session, this.run)
      const options = { settings: this.settings, graceMs: sameStepGraceMs }
      const fresh = await clearing(session, options, () => insertStep(session, this.run, step))
      if (!fresh) return await this.existing(session, step)
      const counts = await work(session)
      const receipt = await finishStep(session, this.run, step, counts)
      committing = true
      await session.query('commit')
      return receipt
    } catch (error) {
      await this.rollBack(session)
      if (session.lost && committing) {
        const [receipt] = await this.settle(session.backend, [step], error)
        return receipt as Receipt
      }
      throw typed(error, session, `writing "${step.name}"`)
    }
  }

  /**
   * Small steps in one transaction: one COMMIT for all of them, all are in or none is. `work` is called with those
   * that the ledger does not have, and returns the counts of each.
   */
  async together(
    steps: readonly Step[],
    work: (session: Session, fresh: readonly Step[]) => Promise<readonly Counts[]>,
  ): Promise<readonly Receipt[]> {
    const session = await this.session()
    let committing = false
    try {
      await session.query('begin')
      await checkFence(session, this.run)
      const options = { settings: this.settings, graceMs: sameStepGraceMs }
      const missing = await clearing(session, options, () => insertSteps(session, this.run, steps))
      const fresh = steps.filter((step) => missing.has(step.name))
      if (fresh.length > 0) {
        await finishSteps(session, this.run, fresh, await work(session, fresh))
      }
      const receipts = await findSteps(session, this.run.migrationId, steps)
      if (receipts === null) throw vanished(steps)
      committing = true
      await session.query('commit')
      return receipts
    } catch (error) {
      await this.rollBack(session)
      if (session.lost && committing) return this.settle(session.backend, steps, error)
      throw typed(error, session, `writing ${named(steps)}`)
    }
  }

  /** A transaction under the fence without a ledger row, for work that may be repeated. */
  async transaction<T>(doing: string, work: (session: Session) => Promise<T>): Promise<T> {
    const session = await this.session()
    try {
      await session.query('begin')
      await checkFence(session, this.run)
      const result = await work(session)
      await session.query('commit')
      return result
    } catch (error) {
      await this.rollBack(session)
      throw typed(error, session, doing)
    }
  }

  async close(): Promise<void> {
    const session = this.current
    this.current = null
    if (session === null || session.lost) return
    await forgetHolder(session, this.run.migrationId, session.backend).catch(() => undefined)
    await session.close()
  }

  private async existing(session: Session, step: Step): Promise<Receipt> {
    await session.query('rollback')
    const receipt = await findStep(session, this.run.migrationId, step.name)
    if (receipt !== null) return receipt
    throw vanished([step])
  }

  /** After this nothing of the transaction remains: a rollback that fails costs the connection. */
  private async rollBack(session: Session): Promise<void> {
    if (!session.lost) await session.query('rollback').catch(() => undefined)
    if (session.lost) session.destroy()
  }

  /**
   * COMMIT was sent and no reply came. Once the backend is known to have ended, the ledger rows are there or they are
   * not, and that is the outcome.
   */
  private async settle(
    backend: Backend,
    steps: readonly Step[],
    cause: unknown,
  ): Promise<readonly Receipt[]> {
    const deadline = performance.now() + settleMsMax
    for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 2, settlePauseMsMax)) {
      const found = await this.outcome(backend, steps).catch((error: unknown) =>
        targetError(error, `settling ${named(steps)}`),
      )
      if (found === null) break
      if (!(found instanceof SenseiError)) return found
      if (!found.retryable || performance.now() > deadline) throw found
      await sleep(pauseMs)
    }
    const message = `The connection broke in COMMIT and ${named(steps)} is not in; try again`
    throw new SenseiError('TARGET_UNREACHABLE', message, { cause })
  }

  private async outcome(
    backend: Backend,
    steps: readonly Step[],
  ): Promise<readonly Receipt[] | null> {
    const session = await Session.open(this.settings, 'settle')
    try {
      await terminate(session, backend)
      return await findSteps(session, this.run.migrationId, steps)
    } finally {
      await session.close()
    }
  }
}

/**
 * True when steps that failed together may succeed one by one: the server refused something of one of them, or had not
 * the locks for all. False for a lost connection, a fence, an abort, and what the reader threw.
 */
export function worthOneByOne(error: unknown): boolean {
  if (!isSenseiError(error)) return false
  const { sqlstate: code } = error.details
  return typeof code === 'string' && !/^(08|57P)/.test(code)
}

function vanished(steps: readonly Step[]): SenseiError {
  const message = `The ledger row of ${named(steps)} was there and is gone; try again`
  return new SenseiError('TARGET_UNREACHABLE', message)
}

function named(steps: readonly Step[]): string {
  const more = steps.length > 1 ? ` and ${steps.length - 1} more` : ''
  return `"${steps[0]?.name}"${more}`
}

/** What the reader throws stays as it is: only the target's errors are translated here. */
function typed(error: unknown, session: Session, doing: string): unknown {
  return session.lost || sqlstate(error) !== null ? targetError(error, doing) : error
}
