/** The point in time that a migration is of: found again, replaced when it is lost, let go when nobody needs it. */
import { rm } from 'node:fs/promises'
import { canonicalJson } from '@sensei/core/canonical-json'
import { isSenseiError, SenseiError } from '@sensei/core/errors'
import type { Plan } from '@sensei/core/plan'
import type { Snapshot } from '@sensei/core/snapshot'
import { MUSTER_BYTES } from '../cast.ts'
import { redrawPlan } from '../architect/edited.ts'
import { copiesOf, knownSnapshot, recordScouted, scouted, takeSnapshot } from '../scout/scout.ts'
import { checkPolicies } from './approval.ts'
import { type Drawing, drawPlan } from './draw.ts'
import type { Life } from './life.ts'
import { keepPlan, planOf } from './plans.ts'

/** Proved once by each process: what vanishes later is noticed by whoever opens it. */
export async function knownLiving(life: Life): Promise<Snapshot | null> {
  if (life.snapshot !== null) return life.snapshot
  const known = await knownSnapshot(life.cast.journal, life.id)
  if (known !== null && (await life.cast.source.snapshotLives(known))) life.snapshot = known
  return life.snapshot
}

export async function freshSnapshot(life: Life): Promise<Snapshot> {
  const { cast, id, request, options, signal } = life
  const onBytes = (total: number): void => {
    if (total >= MUSTER_BYTES) cast.crew.muster(options.workers)
  }
  life.snapshot = await takeSnapshot(cast, id, request.owner, { signal, onBytes })
  return life.snapshot
}

/** A copy that is damaged is given up: the source may be mended before the next attempt. */
export async function drawFrom(life: Life, snapshot: Snapshot, draw: Drawing): Promise<Plan> {
  const { cast, options, signal } = life
  try {
    const drawn = await drawPlan(cast, snapshot, options, draw, signal)
    await keepNotes(life, drawn.snapshot)
    return drawn.plan
  } catch (error) {
    if (isSenseiError(error, 'SOURCE_CORRUPT')) await dropSnapshots(life)
    throw error
  }
}

/** What could not be checked stands in the certificate, also in one that a later process writes. */
async function keepNotes(life: Life, snapshot: Snapshot): Promise<void> {
  const known = await scouted(life.cast.journal, life.id)
  life.snapshot = snapshot
  if (known === null || known.snapshot.notes.length === snapshot.notes.length) return
  await recordScouted(life.cast.journal, life.id, life.request.owner, { ...known, snapshot })
}

/**
 * The snapshot that the load is of. Where it is gone, a new one takes its place; also one that a process took and did
 * not live to draw a plan from.
 */
export async function loadedSnapshot(life: Life): Promise<Snapshot> {
  const living = await knownLiving(life)
  if (living !== null && living.name === (await nameInForce(life))) return living
  return replaceSnapshot(life, living ?? (await freshSnapshot(life)))
}

/** What the last event says that names a snapshot. */
async function nameInForce(life: Life): Promise<string | null> {
  const events = await life.cast.journal.events(life.id)
  const last = events.findLast(
    ({ type }) => type === 'migration.started' || type === 'migration.snapshot_replaced',
  )
  return (last?.payload as { snapshot?: string | null } | undefined)?.snapshot ?? null
}

/**
 * A new point in time for what is already half carried. The plan must still fit it: the same tables, the same types,
 * no loss that nobody accepted.
 */
async function replaceSnapshot(life: Life, fresh: Snapshot): Promise<Snapshot> {
  const { plan } = await planOf(life)
  const redrawn = await redraw(life, fresh, plan)
  if (redrawn === null || shapeOf(plan) !== shapeOf(redrawn)) {
    // What was changed may be changed back: the next attempt looks at the source again.
    await dropSnapshots(life)
    throw schemaChanged(life)
  }
  await checkPolicies(life, redrawn)
  await keepPlan(life, redrawn)
  const reason = 'the former one is gone'
  await life.enter('snapshot_replaced', { snapshot: fresh.name, reason })
  return life.snapshot ?? fresh
}

/** The plan in force, drawn again from what the source holds now; null where it does not suit any more. */
async function redraw(life: Life, fresh: Snapshot, plan: Plan): Promise<Plan | null> {
  try {
    const draw: Drawing = (found) => redrawPlan(found, plan)
    return await drawFrom(life, fresh, draw)
  } catch (error) {
    if (isSenseiError(error, 'PLAN_SOURCE_MISMATCH') || isSenseiError(error, 'PLAN_INVALID')) {
      return null
    }
    throw error
  }
}

/**
 * What of a plan must not change under a load: the tables and views that stand in the target. Counts may, and so may
 * what is decided again for each load (how rows are read, which foreign keys have orphans).
 */
export function shapeOf({ target, append, tables, views }: Plan): string {
  const free = new Set([
    'rows',
    'bytes',
    'bytes_max',
    'identity',
    'hostile',
    'not_valid',
    'fidelity',
  ])
  const kept = JSON.stringify({ target, append, tables, views }, (key, value: unknown) =>
    free.has(key) ? undefined : value,
  )
  // A plan that was stored has its keys in another order.
  return canonicalJson(JSON.parse(kept))
}

/** After a pass nothing is left to name; after a difference the rows of the snapshot still have to be looked at. */
export async function letGoOfSnapshot(life: Life): Promise<void> {
  if (life.state !== 'completed') return
  const last = (await life.cast.journal.events(life.id)).at(-1)
  if (last?.type !== 'migration.completed') return
  const { verdict } = last.payload
  if (verdict === 'different' || verdict === 'inconclusive') return
  await dropSnapshots(life)
}

/** Whatever private copies there are of this migration. */
export async function dropSnapshots(life: Life): Promise<void> {
  const known = await knownSnapshot(life.cast.journal, life.id)
  if (known !== null) await life.cast.source.dropSnapshot(known)
  await rm(copiesOf(life.cast, life.id), { recursive: true, force: true })
  life.snapshot = null
}

function schemaChanged(life: Life): SenseiError {
  return new SenseiError(
    'SOURCE_SCHEMA_CHANGED',
    `The snapshot of migration ${life.id} is gone, and the source now needs another plan: its schema or the types of its values have changed. Change it back and resume, or start a new migration.`,
  )
}
