/** What stands against a plan before any DDL: losses that nobody accepted, and what the target says. */
import { unacceptedLosses } from '../architect/losses.ts'
import { type ErrorCode, ERROR_CODES, SenseiError } from '@sensei/core/errors'
import { lossName } from '@sensei/core/losses'
import type { Plan } from '@sensei/core/plan'
import type { Life } from './life.ts'

/** Throws LOSS_NOT_ACCEPTED, TARGET_IS_SOURCE, or the first thing that the target has against the plan. */
export async function checkPolicies(life: Life, plan: Plan): Promise<void> {
  checkLosses(plan, life.options.acceptLosses)
  const { cast } = life
  const [from, into] = [await cast.source.identity(), (await cast.target.inspect()).identity]
  if (from === into) {
    throw new SenseiError(
      'TARGET_IS_SOURCE',
      'Source and target are the same database. Name another target.',
    )
  }
  // A table that is there because this migration made it is no obstacle.
  if (life.state !== 'plan_ready') return
  const against = (await cast.target.preflight(plan)).filter((finding) => finding.code !== null)
  const [first] = against
  if (first === undefined) return
  throw new SenseiError(
    codeOf(first.code as string),
    against.map((finding) => finding.message).join('\n'),
    { details: { findings: against } },
  )
}

export function checkLosses(plan: Plan, accepted: readonly string[]): void {
  const open = unacceptedLosses(plan, accepted)
  if (open.length === 0) return
  const lines = open.map((loss) => `  --accept-loss '${lossName(loss)}'   (${loss.rows} rows)`)
  throw new SenseiError(
    'LOSS_NOT_ACCEPTED',
    `The plan loses something that nobody accepted. Accept it by adding:\n${lines.join('\n')}\nor edit the plan.`,
    { details: { losses: open.map(lossName) } },
  )
}

function codeOf(code: string): ErrorCode {
  return code in ERROR_CODES ? (code as ErrorCode) : 'TARGET_REFUSED'
}
