/**
 * THE MAIN FLOW. A migration is walked from state to state; each step is idempotent and leaves its proof in the
 * journal or in the target's ledger, so that a conductor killed anywhere is followed by one that goes on.
 *
 *   pending -> planning -> plan_ready -> approved -> running -> validating -> completed
 *               survey       approve      start      carry      certify
 *               design
 */
import { isSenseiError, SenseiError } from '@sensei/core/errors'
import type { State } from '@sensei/core/lifecycle'
import type { Cast } from './cast.ts'
import { type HeldMigration, holdMigration } from './conductor/lease.ts'
import { Life } from './conductor/life.ts'
import { outcomeOf } from './conductor/outcome.ts'
import { settle } from './conductor/settle.ts'
import { letGoOfSnapshot } from './conductor/snapshot.ts'
import { approve, carry, certify, endSourcePass, plan, resume, start } from './conductor/steps.ts'
import { pause } from './patience.ts'
import type { MigrationRequest, Outcome } from './request.ts'

/** What is done in each state; a state that is absent has nothing left to do. */
const STEPS: Partial<Record<State, (life: Life) => Promise<void>>> = {
  pending: (life) => life.enter('planning_started', {}),
  planning: plan,
  plan_ready: approve,
  approved: start,
  running: carry,
  pausing: (life) => life.enter('paused', {}),
  paused: resume,
  validating: certify,
  failed: resume,
}

/** Longer than a chunk or a statement takes that is told to stop. */
const STOP_MS_MAX = 30_000

/**
 * Runs or resumes one migration to its end, a failure, or the abort of `signal`, and says what came of it. What a
 * person can mend comes back in `outcome.error`; it throws only for what is no fault of the migration.
 */
export async function conduct(
  cast: Cast,
  request: MigrationRequest,
  signal: AbortSignal,
): Promise<Outcome> {
  const life = await Life.begin(cast, request, signal)
  const lease = await holdMigration(cast, request, signal)
  try {
    await life.takeUp()
    await walkWhileHeld(life, lease)
    await letGoOfSnapshot(life)
    return await outcomeOf(life, null)
  } catch (thrown) {
    const error = inOurWords(thrown, life.id, signal)
    await settle(life, error)
    return await outcomeOf(life, error)
  } finally {
    await cast.crew.disband()
    await endSourcePass(life)
    await lease.release()
  }
}

/** When this returns or throws, nothing of the walk goes on behind the back of a successor. */
async function walkWhileHeld(life: Life, lease: HeldMigration): Promise<void> {
  const walking = walk(life)
  try {
    await Promise.race([walking, lease.lost])
  } catch (error) {
    life.stop()
    const ended = new AbortController()
    const walked = walking.catch(() => undefined).finally(() => ended.abort())
    await Promise.race([walked, pause(STOP_MS_MAX, ended.signal)])
    throw error
  }
}

async function walk(life: Life): Promise<void> {
  for (let step = STEPS[life.state]; step !== undefined; step = STEPS[life.state]) {
    const before = life.version
    await step(life)
    if (life.version === before) throw stuck(life)
  }
}

/**
 * What an aborted signal threw is an interruption; what nobody knows is thrown as it is. `signal` is the caller's: the
 * one of the life is aborted after any error, so by that one a fault would pass for an interruption.
 */
function inOurWords(error: unknown, id: string, signal: AbortSignal): SenseiError {
  if (isSenseiError(error)) return error
  if (!signal.aborted) throw error
  return new SenseiError(
    'INTERRUPTED',
    `Stopped; nothing is lost. Go on with: sensei migrate --resume ${id}`,
    { cause: error },
  )
}

function stuck(life: Life): SenseiError {
  return new SenseiError('INTERNAL', `The step of state ${life.state} did not leave a trace.`)
}
