/**
 * Other backends of the target: is one still there, and make it go. A lock alone does not stop a COPY that is open,
 * and no timeout does; only pg_terminate_backend ends it, and only with a wait is it known to have ended.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { SenseiError } from '@sensei/core/errors'
import { sqlstate, targetError } from './refusal.ts'
import { type Backend, Session } from './session.ts'
import type { ConnectionSettings } from './settings.ts'

const terminateMsMax = 30_000
const terminateWaitMs = 2_000
const lookMs = 100

/** What a look at pg_stat_activity says; `unknown` is never taken for `gone`. */
export type Presence = 'gone' | 'there' | 'unknown'

interface Activity {
  readonly role: string | null
  readonly start: string | null
}

export async function presenceOf(session: Session, backend: Backend): Promise<Presence> {
  const { rows } = await session.query<Activity>(
    `select usename::text as role, backend_start::text as start
     from pg_stat_activity where pid = $1`,
    [backend.pid],
  )
  const found = rows[0]
  if (found === undefined) return 'gone'
  // The role is always shown, the start only of roles that ours is a member of.
  if (found.role !== backend.role) return 'gone'
  if (found.start === null) return 'unknown'
  return found.start === backend.start ? 'there' : 'gone'
}

/** When this returns, the backend has ended and its transaction with it. */
export async function terminate(session: Session, backend: Backend): Promise<void> {
  const deadline = performance.now() + terminateMsMax
  for (;;) {
    const presence = await presenceOf(session, backend)
    if (presence === 'gone') return
    if (presence === 'unknown' || performance.now() > deadline)
      throw holderUnknown(session, backend)
    await signal(session, backend)
  }
}

async function signal(session: Session, backend: Backend): Promise<void> {
  try {
    await session.query('select pg_terminate_backend($1, $2)', [backend.pid, terminateWaitMs])
  } catch (error) {
    if (sqlstate(error) === '42501') throw holderUnknown(session, backend)
    throw error
  }
}

export function holderUnknown(session: Session, backend: Backend): SenseiError {
  const own = session.backend.role
  return new SenseiError(
    'HOLDER_UNKNOWN',
    `Backend ${backend.pid} of role "${backend.role}" still writes for this migration, or may; "${own}" can ` +
      `neither see nor end it. Run: GRANT pg_signal_backend TO "${own}"; GRANT pg_read_all_stats TO "${own}"; ` +
      `or resume as "${backend.role}"`,
    { details: { pid: backend.pid, role: backend.role } },
  )
}

export interface Clearing {
  readonly settings: ConnectionSettings
  /** How long a blocker may finish what it does before it is terminated. */
  readonly graceMs: number
}

/**
 * Runs a statement that may wait for a lock, and terminates whoever blocks it for longer than the grace. The watch
 * is kept from a second connection, because the first one waits.
 */
export async function clearing<T>(
  session: Session,
  options: Clearing,
  statement: () => Promise<T>,
): Promise<T> {
  const done = new AbortController()
  const running = statement().finally(() => done.abort())
  const watching = watch(session, options, done.signal)
  const [outcome, watched] = await Promise.allSettled([running, watching])
  if (watched.status === 'rejected') throw watched.reason
  if (outcome.status === 'rejected') throw outcome.reason
  return outcome.value
}

async function watch(session: Session, options: Clearing, done: AbortSignal): Promise<void> {
  if (!(await pause(options.graceMs, done))) return
  const side = await Session.open(options.settings, 'watch')
  try {
    do {
      await terminateBlockers(side, session.backend.pid)
    } while (await pause(lookMs, done))
  } catch (error) {
    // Whoever waits has to stop waiting: the blocker stays.
    await side.query('select pg_cancel_backend($1)', [session.backend.pid]).catch(() => undefined)
    throw targetError(error, 'waiting for another writer')
  } finally {
    await side.close()
  }
}

async function terminateBlockers(side: Session, waiter: number): Promise<void> {
  const { rows } = await side.query<{ pid: number; role: string; start: string | null }>(
    `select pid, usename::text as role, backend_start::text as start from pg_stat_activity
     where pid = any(pg_blocking_pids($1))
       and coalesce(backend_type, 'client backend') = 'client backend'`,
    [waiter],
  )
  for (const { pid, role, start } of rows) {
    const backend = { pid, role, start: start ?? '' }
    if (start === null) throw holderUnknown(side, backend)
    await terminate(side, backend)
  }
}

/** False when the signal came first. */
async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false
  return sleep(ms, true, { signal }).catch(() => false)
}
