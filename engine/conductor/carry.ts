/**
 * The load as the conductor sees it: tables, then chunks by the workers, then keys and indexes table by table as
 * each is complete, then what spans tables. Every step has its ledger row, so any of it may be run again.
 */
import type { Hands } from '../cast.ts'
import { patiently } from '../patience.ts'
import type { TableFailure } from '../request.ts'
import { createTables } from './create.ts'
import { createViews } from './finish.ts'
import { finishParts } from './finish-many.ts'
import { followTables } from './follow.ts'
import { holdingsOf } from './holdings.ts'
import { type Failures, interrupted, type Load } from './load.ts'
import { prepareTables } from './prepare.ts'
import { keepRefusedViews } from './refused-views.ts'
import { noteSetAside } from './set-aside.ts'
import { splitTables } from './split.ts'

/** Returns what failed; throws only for what stops every table. */
export async function carry(load: Load): Promise<readonly TableFailure[]> {
  await takeBackLeases(load)
  await createTables(load)
  await note(load)
  const failures: Failures = new Map()
  const stale = await prepareTables(load)
  await splitTables(load)
  await loadAndFinish(load, stale, failures)
  await finishParts(load, failures)
  await note(load)
  if (failures.size === 0) await keepRefusedViews(load, await createViews(load))
  return [...failures.values()]
}

/** Before the load, for whom it is killed under; and what of it is back after the load. */
async function note({ cast, plan, run, signal }: Load): Promise<void> {
  if (plan.append) await patiently(signal, () => noteSetAside(cast, run.migrationId))
}

/**
 * The fence is raised: whoever holds a lease from before can write nothing under it, so nobody waits for its end. Those
 * workers ended with their conductor, not over their chunks.
 */
async function takeBackLeases({ cast, run }: Load): Promise<void> {
  for (const owner of await cast.tasks.holders(run.migrationId, 'chunk')) {
    await cast.tasks.release(run.migrationId, owner, 'stopped')
  }
}

/** Workers carry; each table whose chunks are all in is given its keys and indexes while others still load. */
async function loadAndFinish(load: Load, stale: Set<string>, failures: Failures): Promise<void> {
  const hands = await startHands(load)
  const stop = new AbortController()
  const followed = { ...load, signal: AbortSignal.any([load.signal, stop.signal]) }
  const following = followTables(followed, stale, failures)
  try {
    await Promise.race([hands.trouble, following])
  } finally {
    stop.abort()
    // Its own error is thrown by the race; after a worker's trouble it only has to end.
    await following.catch(() => undefined)
    await hands.dismiss()
  }
  if (load.signal.aborted) throw interrupted(load.run.migrationId)
}

async function startHands(load: Load): Promise<Hands> {
  const { cast, plan, run, snapshot, options } = load
  const held = await holdingsOf(load)
  const done = plan.tables.map((table) => {
    return [table.source, held.get(table.target)?.rowsRead ?? 0] as const
  })
  const tallies = await cast.tasks.byTarget(run.migrationId, 'chunk')
  const waiting = tallies.reduce((sum, tally) => sum + tally.waiting, 0)
  const count = Math.max(1, Math.min(options.workers, waiting))
  return cast.crew.start({ run, plan, snapshot }, count, new Map(done))
}
