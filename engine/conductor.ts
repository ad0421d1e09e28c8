/**
 * THE MAIN FLOW. A migration is walked from state to state; each step is idempotent and leaves its proof in the
 * journal or in the target's ledger, so that a conductor killed anywhere is followed by one that goes on.
 *
 *   pending -> planning -> plan_ready -> approved -> running -> validating -> completed
 *               survey       approve      start      carry      certify
 *               design
 */
import { isSenseiError, SenseiError } from '@sensei/core/errors'
import type { State, Transition } from '@sensei/core/lifecycle'
import type { Cast } from './cast.ts'
import { Life } from './conductor/life.ts'
import { holdMigration } from './conductor/lease.ts'
import { outcomeOf } from './conductor/outcome.ts'
import type { MigrationRequest, Outcome } from './request.ts'
import { approve, carry, certify, endSourcePass, plan, resume, start } from './conductor/steps.ts'

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
  const lease = await holdMigration(cast.tasks, request)
  try {
    await life.takeUp()
    await Promise.race([walk(life), lease.lost])
    return await outcomeOf(life, null)
  } catch (error) {
    if (!isSenseiError(error)) throw error
    await settle(life, error)
    return await outcomeOf(life, error)
  } finally {
    await endSourcePass(life)
    await lease.release()
  }
}

async function walk(life: Life): Promise<void> {
  for (let step = STEPS[life.state]; step !== undefined; step = STEPS[life.state]) {
    const before = life.version
    await step(life)
    if (life.version === before) throw stuck(life)
  }
}

/** Writes the failure down where the lifecycle has a place for it; a plan that waits for a person just waits. */
async function settle(life: Life, error: SenseiError): Promise<void> {
  if (error.code === 'INTERRUPTED' && life.state === 'running') {
    await life.enter('pause_requested', {})
    await life.enter('paused', {})
    return
  }
  const failing: readonly State[] = ['planning', 'running', 'validating']
  const outside: readonly string[] = ['INTERRUPTED', 'FENCED', 'LEASE_LOST', 'CONTROL_UNREACHABLE']
  if (!failing.includes(life.state) || outside.includes(error.code)) return
  await life.enter('failed' satisfies Transition, { code: error.code, message: error.message })
}

function stuck(life: Life): SenseiError {
  return new SenseiError('INTERNAL', `The step of state ${life.state} did not leave a trace.`)
}
