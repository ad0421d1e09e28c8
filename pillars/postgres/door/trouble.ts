/**
 * What can be wrong with the control plane's server, as errors with a code. Whoever meets one lost nothing: the
 * transaction was rolled back, and the same call works once the trouble is over.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type ErrorCode, SenseiError } from '@sensei/core/errors'
import { isConnectionLoss } from './connection.ts'

interface Trouble {
  readonly code: ErrorCode
  readonly message: string
  /** Whether to wait for its end, or to say so at once. */
  readonly passes: boolean
}

const UNREACHABLE: Trouble = {
  code: 'CONTROL_UNREACHABLE',
  message: 'the control database does not answer: check that its server runs, then resume',
  passes: true,
}

const BUSY: Trouble = {
  code: 'CONTROL_BUSY',
  message:
    'the control database has no connection left: raise max_connections, or run fewer processes at once',
  passes: true,
}

const DISK_FULL: Trouble = {
  code: 'CONTROL_DISK_FULL',
  message: 'the disk of the control database is full: free some space and resume',
  passes: false,
}

const READ_ONLY: Trouble = {
  code: 'CONTROL_READ_ONLY',
  message:
    'the control database takes no writes: it is a standby, or was made read-only; point DATABASE_URL at the primary',
  passes: true,
}

const STATES: Readonly<Record<string, Trouble>> = {
  '53300': BUSY,
  '53100': DISK_FULL,
  '25006': READ_ONLY,
}

/** How a full pool of ours and a full PgBouncer say it, which have no SQLSTATE for it. */
const FULL =
  /timeout exceeded when trying to connect|no more connections allowed|query_wait_timeout/

/** Of an error of the driver, of the network or of PostgreSQL; null for one that is about the statement. */
export function troubleOf(error: unknown): Trouble | null {
  if (!(error instanceof Error) || error instanceof SenseiError) return null
  const { code } = error as { code?: unknown }
  const known = typeof code === 'string' ? STATES[code] : undefined
  if (known !== undefined) return known
  if (FULL.test(error.message)) return BUSY
  return isConnectionLoss(error) ? UNREACHABLE : null
}

/** True of a refusal that says so of the server, not of one statement: a new connection may meet another server. */
export function leavesServer(error: unknown): boolean {
  return troubleOf(error)?.passes === true
}

/** Runs `work` until it meets no trouble that passes, for at most `patienceMs`. */
export async function patiently<T>(patienceMs: number, work: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + patienceMs
  for (let pauseMs = 20; ; pauseMs = Math.min(pauseMs * 2, 500)) {
    try {
      return await work()
    } catch (error) {
      const trouble = troubleOf(error)
      if (trouble === null) throw error
      if (!trouble.passes || performance.now() > deadline) {
        throw new SenseiError(trouble.code, trouble.message, { cause: error })
      }
      await sleep(pauseMs)
    }
  }
}
