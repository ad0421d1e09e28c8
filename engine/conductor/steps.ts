/** The steps of the main flow, one function for each state that has work to do. */
import { SenseiError } from '@sensei/core/errors'
import type { Plan } from '@sensei/core/plan'
import { planHash } from '@sensei/core/plan-hash'
import type { Run } from '@sensei/core/ports/target'
import type { Snapshot } from '@sensei/core/snapshot'
import { checkPolicies } from './approval.ts'
import { certifyLoad } from './certify.ts'
import { drawPlan } from './draw.ts'
import type { Life } from './life.ts'
import { knownSnapshot, takeSnapshot } from '../scout/scout.ts'
import { startSourcePass } from '../validator/buckets.ts'
import { carry as carryLoad, type Load } from './carry.ts'

/** planning: one snapshot, what is in it, and what shall become of it. */
export async function plan(life: Life): Promise<void> {
  const snapshot =
    (await knownLiving(life)) ??
    (await takeSnapshot(life.cast, life.id, life.request.owner, life.signal))
  life.snapshot = snapshot
  const drawn = await draw(life, snapshot)
  const { version, hash } = await keepPlan(life, drawn)
  await life.enter('planned', { planVersion: version, planHash: hash })
}

/** plan_ready: what policies forbid is refused with what to add; the rest is for a person, or --yes. */
export async function approve(life: Life): Promise<void> {
  if ((await knownLiving(life)) === null) return life.enter('planning_started', {})
  const { plan: drawn, hash, version } = await planOf(life)
  await checkPolicies(life, drawn)
  if (!(await life.request.approve(drawn))) {
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
  const snapshot = await knownLiving(life)
  if (snapshot === null) {
    await endSourcePass(life)
    return void (await replaceSnapshot(life))
  }
  const { verdict } = await certifyLoad(life, await planOf(life), snapshot)
  life.sourcePass = null
  await life.enter('completed', { verdict })
}

/** Nobody will ask for its buckets any more: its threads are ended where they are. */
export async function endSourcePass(life: Life): Promise<void> {
  if (life.sourcePass === null) return
  await life.cast.scanners.close()
  await life.sourcePass.close()
  life.sourcePass = null
}

/** A retry wants what was mended in the source since: it gives up the old snapshot, and all is brought to a new one. */
export async function resume(life: Life): Promise<void> {
  const known = await knownSnapshot(life.cast.journal, life.id)
  if (life.request.retry && known !== null) await life.cast.source.dropSnapshot(known)
  life.snapshot = null
  await life.enter('resumed', { owner: life.request.owner })
}

/** The identity under which this process writes: whoever wrote before is fenced off first. */
async function loadOf(life: Life): Promise<Load> {
  const snapshot = (await knownLiving(life)) ?? (await replaceSnapshot(life))
  const epoch = await life.cast.target.takeOver(life.id)
  const run: Run = { migrationId: life.id, epoch, snapshot: snapshot.name }
  return {
    cast: life.cast,
    plan: (await planOf(life)).plan,
    run,
    snapshot,
    options: life.options,
    signal: life.signal,
  }
}

async function knownLiving(life: Life): Promise<Snapshot | null> {
  const known = life.snapshot ?? (await knownSnapshot(life.cast.journal, life.id))
  life.snapshot = known !== null && (await life.cast.source.snapshotLives(known)) ? known : null
  return life.snapshot
}

/**
 * A new point in time for what is already half carried. The plan must still fit it: the same tables, the same types,
 * no loss that nobody accepted.
 */
async function replaceSnapshot(life: Life): Promise<Snapshot> {
  const fresh = await takeSnapshot(life.cast, life.id, life.request.owner, life.signal)
  const before = await planOf(life)
  const after = await draw(life, fresh)
  if (shapeOf(before.plan) !== shapeOf(after)) throw schemaChanged(life)
  await checkPolicies(life, after)
  await keepPlan(life, after)
  await life.enter('snapshot_replaced', { snapshot: fresh.name, reason: 'the former one is gone' })
  life.snapshot = fresh
  return fresh
}

async function draw(life: Life, snapshot: Snapshot): Promise<Plan> {
  const edited = life.request.plan ?? (await editedPlan(life))
  return await drawPlan(life.cast, snapshot, life.options, edited, life.signal)
}

/** The plan file of the first run: a resumed one goes on with it. */
async function editedPlan(life: Life): Promise<Plan | null> {
  if (life.request.resume === false) return null
  const kept = await life.cast.journal.entries(life.id, 'plan')
  return kept.at(-1)?.plan ?? null
}

async function keepPlan(life: Life, drawn: Plan): Promise<{ version: number; hash: string }> {
  const kept = await life.cast.journal.entries(life.id, 'plan')
  const hash = planHash(drawn)
  const last = kept.at(-1)
  const version = last === undefined ? 1 : last.hash === hash ? last.version : last.version + 1
  await life.cast.journal.record(life.id, [{ kind: 'plan', version, hash, plan: drawn }])
  life.plan = { plan: drawn, hash, version }
  return { version, hash }
}

async function planOf(life: Life): Promise<NonNullable<Life['plan']>> {
  const kept = life.plan ?? (await life.cast.journal.entries(life.id, 'plan')).at(-1)
  if (kept === undefined || kept === null) {
    throw new SenseiError('INTERNAL', `Migration ${life.id} has no plan.`)
  }
  life.plan = { plan: kept.plan, hash: kept.hash, version: kept.version }
  return life.plan
}

/** What of a plan must not change under a load: all but counts and examples. */
function shapeOf(drawn: Plan): string {
  const counted = new Set(['rows', 'bytes', 'bytes_max', 'examples', 'losses', 'findings', 'identity', 'converted'])
  return JSON.stringify(drawn, (key, value: unknown) => (counted.has(key) ? undefined : value))
}

function schemaChanged(life: Life): SenseiError {
  return new SenseiError(
    'SOURCE_SCHEMA_CHANGED',
    `The snapshot of migration ${life.id} is gone, and the source now needs another plan: its schema or the types of its values have changed. Start a new migration.`,
  )
}

function tablesFailed(life: Life): SenseiError {
  const [first] = life.failures
  const names = life.failures.map((failure) => failure.table).join(', ')
  return new SenseiError(
    first?.code === 'TOO_MANY_REJECTS' ? 'TOO_MANY_REJECTS' : 'TABLE_FAILED',
    `${life.failures.length} of the tables failed: ${names}. The others are complete. Mend the cause, then: sensei migrations retry ${life.id}`,
    { details: { failures: life.failures } },
  )
}
