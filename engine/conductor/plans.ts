/** Plan versions of one migration: the last one is in force. */
import { SenseiError } from '@sensei/core/errors'
import type { Plan } from '@sensei/core/plan'
import { planHash } from '@sensei/core/plan-hash'
import type { Life } from './life.ts'

export interface PlanInForce {
  readonly plan: Plan
  readonly hash: string
  readonly version: number
}

/** A plan that says the same as the last one is that one. */
export async function keepPlan(life: Life, drawn: Plan): Promise<PlanInForce> {
  const last = (await life.cast.journal.entries(life.id, 'plan')).at(-1)
  const hash = planHash(drawn)
  const version = last === undefined ? 1 : last.hash === hash ? last.version : last.version + 1
  await life.cast.journal.record(life.id, [{ kind: 'plan', version, hash, plan: drawn }])
  life.plan = { plan: drawn, hash, version }
  return life.plan
}

export async function planOf(life: Life): Promise<PlanInForce> {
  const kept = life.plan ?? (await life.cast.journal.entries(life.id, 'plan')).at(-1)
  if (kept === undefined) {
    throw new SenseiError('INTERNAL', `Migration ${life.id} has no plan.`)
  }
  life.plan = { plan: kept.plan, hash: kept.hash, version: kept.version }
  return life.plan
}
