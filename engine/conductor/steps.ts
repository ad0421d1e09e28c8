/** The steps of the main flow, one function for each state that has work to do. */
import { SenseiError } from '@sensei/core/errors'
import type { Run } from '@sensei/core/ports/target'
import { patiently } from '../patience.ts'
import { startSourcePass } from '../validator/buckets.ts'
import { checkPolicies } from './approval.ts'
import { carry as carryLoad } from './carry.ts'
import { certifyLoad } from './certify.ts'
import { drawing } from './draw.ts'
import type { Life } from './life.ts'
import type { Load } from './load.ts'
import { keepPlan, planOf } from './plans.ts'
import { drawFrom, dropSnapshots, freshSnapshot, knownLiving, loadedSnapshot } from './snapshot.ts'

/** planning: one snapshot, what is in it, and what shall become of it. */
export async function plan(life: Life): Promise<void> {
  const snapshot = (await knownLiving(life)) ?? (await freshSnapshot(life))
  const drawn = await drawFrom(life, snapshot, drawing(life.options, life.editedPlan))
  const { version, hash } = await keepPlan(life, drawn)
  await life.enter('planned', { planVersion: version, planHash: hash })
}

/** plan_ready: what policies forbid is refused with what to add; the rest is for a person, or --yes. */
export async function approve(life: Life): Promise<void> {
  if ((await knownLiving(life)) === null) return life.enter('planning_started', {})
  const { plan: drawn, hash, version } = await planOf(life)
  await checkPolicies(life, drawn)
  if (!(await life.request.approve(drawn))) {
    if (life.signal.aborted) throw new SenseiError('INTERRUPTED', 'Stopped before the approval.')
    throw new SenseiError(
      'PLAN_NEEDS_APPROVAL',
      `The plan of migration ${life.id} waits for approval. Read it, then add --yes: sensei migrate --resume ${life.id} --yes`,
    )
  }
  const accepted = life.options.acceptLosses
  await life.enter('approved', { planVersion: version, planHash: hash, acceptedLosses: accepted })
}

/** approved: the load begins on the very snapshot that the plan was drawn from, or there is a new plan to approve. */
export async function start(life: Life): Promise<void> {
  const snapshot = await knownLiving(life)
  if (snapshot !== null) return life.enter('started', { snapshot: snapshot.name })
  const { hash, version } = await planOf(life)
  await life.enter('plan_revised', { planVersion: version, planHash: hash })
}

/** running: rows, keys, indexes, foreign keys. A table that fails does not keep the others from finishing. */
export async function carry(life: Life): Promise<void> {
  const load = await loadOf(life)
  if (life.options.validate) {
    life.sourcePass = await startSourcePass(life.cast, load.plan, load.snapshot)
  }
  life.failures = await carryLoad(load)
  if (life.failures.length > 0) throw tablesFailed(life)
  if (life.options.validate) await life.enter('validation_started', {})
  else await life.enter('completed', { verdict: 'not_validated' })
}

/** validating: both sides compared on the snapshot that was carried; a pass is signed. */
export async function certify(life: Life): Promise<void> {
  const before = life.version
  const snapshot = await loadedSnapshot(life)
  // It was replaced: the load is running again, to be brought to the new one.
  if (life.version !== before) return endSourcePass(life)
  const inForce = await planOf(life)
  const { verdict } = await patiently(life.signal, async () => {
    try {
      return await certifyLoad(life, inForce, snapshot)
    } finally {
      await endSourcePass(life)
    }
  })
  await life.enter('completed', { verdict })
}

/** Nobody will ask for its buckets any more: its threads are ended where they are. */
export async function endSourcePass(life: Life): Promise<void> {
  if (life.sourcePass === null) return
  const { sourcePass } = life
  life.sourcePass = null
  await life.cast.scanners.close()
  // The validator may have closed it already.
  await sourcePass.close().catch(() => undefined)
}

/** A retry wants what was mended in the source since: it gives up the old snapshot, and all is brought to a new one. */
export async function resume(life: Life): Promise<void> {
  if (life.request.retry) await dropSnapshots(life)
  await life.enter('resumed', { owner: life.request.owner })
}

/** The identity under which this process writes: whoever wrote before is fenced off first. */
async function loadOf(life: Life): Promise<Load> {
  const { cast, id, options, signal } = life
  const snapshot = await loadedSnapshot(life)
  const epoch = await patiently(signal, () => cast.target.takeOver(id))
  const run: Run = { migrationId: id, epoch, snapshot: snapshot.name }
  return { cast, plan: (await planOf(life)).plan, run, snapshot, options, signal }
}

function tablesFailed(life: Life): SenseiError {
  const [first] = life.failures
  const names = life.failures.map((failure) => failure.table).join(', ')
  return new SenseiError(
    first?.code === 'TOO_MANY_REJECTS' ? 'TOO_MANY_REJECTS' : 'TABLE_FAILED',
    `${life.failures.length} of the tables failed: ${names}. The others are complete. The first one: ${first?.message} Mend the cause, then: sensei migrations retry ${life.id}`,
    { details: { failures: life.failures } },
  )
}
