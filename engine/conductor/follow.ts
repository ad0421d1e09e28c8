/** Looks after each table while the workers load: as soon as its chunks are in, it gets its keys and indexes. */
import { SenseiError } from '@sensei/core/errors'
import type { TableMapping } from '@sensei/core/plan'
import type { TargetTally } from '@sensei/core/ports/tasks'
import { pause } from '../patience.ts'
import type { TableFailure } from '../request.ts'
import { eachLimited } from './each-limited.ts'
import { finish } from './finish.ts'
import { type Holdings, holdingsOf, NOTHING_HELD } from './holdings.ts'
import { type Failures, failureOf, type Load } from './load.ts'
import { reconcile } from './reconcile.ts'
import { loadAgain } from './prepare.ts'
import { splitTables } from './split.ts'

const FINISHED_AT_ONCE = 2
const LOOK_EVERY_MS = 500
/** Small chunks ring faster than it is worth looking. */
const LOOK_APART_MS = 50

/** Returns when every table is settled or the signal aborts. Notes failures by table; throws what stops them all. */
export async function followTables(
  load: Load,
  stale: Set<string>,
  failures: Failures,
): Promise<void> {
  const { cast, plan, run, signal } = load
  const open = new Map(plan.tables.map((table) => [table.source, table]))
  const looks = await looker(load)
  let apartMs = 0
  try {
    while (open.size > 0 && !signal.aborted) {
      await looks.next(apartMs)
      const tallies = await cast.tasks.byTarget(run.migrationId, 'chunk')
      apartMs = LOOK_APART_MS
      refuseForgotten(open, tallies)
      const settled = tallies.filter((tally) => tally.waiting === 0 && open.has(tally.target))
      if (settled.length === 0) continue
      const begun = performance.now()
      const follow = { load, stale, failures, held: await holdingsOf(load) }
      // The ledger of thousands of tables is not read for each of them.
      apartMs = Math.max(LOOK_APART_MS, 2 * (performance.now() - begun))
      await eachLimited(settled, FINISHED_AT_ONCE, async (tally) => {
        if (signal.aborted) return
        const table = open.get(tally.target) as TableMapping
        if (await settle(follow, table, tally)) open.delete(tally.target)
      })
    }
    if (!signal.aborted) await noteFailedChunks(load, failures)
  } finally {
    await looks.stop()
  }
}

/** A table without tasks would be waited for without end. */
function refuseForgotten(
  open: ReadonlyMap<string, TableMapping>,
  tallies: readonly TargetTally[],
): void {
  const known = new Set(tallies.map((tally) => tally.target))
  for (const source of open.keys()) {
    if (!known.has(source)) throw new SenseiError('INTERNAL', `Table ${source} was given no tasks.`)
  }
}

interface Follow {
  readonly load: Load
  readonly stale: Set<string>
  readonly failures: Failures
  readonly held: Holdings
}

/** What one table gets once its chunks are done; false when it had to be emptied and is carried again. */
async function settle(follow: Follow, table: TableMapping, tally: TargetTally): Promise<boolean> {
  const { load, stale, failures } = follow
  if (tally.failed > 0) return true
  const held = follow.held.get(table.target) ?? NOTHING_HELD
  try {
    // A target that does not sync its commits forgets some when it is killed.
    if (held.chunks < tally.done) return await carryAgain(follow, table)
    if (held.rowsRejected > load.options.maxRejects) {
      failures.set(table.source, tooManyRejects(table, held.rowsRejected, load.options.maxRejects))
      return true
    }
    const keys = await finish(load, table, 'keys')
    if (stale.has(table.source)) {
      // Rows that moved between snapshots can be there twice: then comparing row by row cannot work.
      const exact = keys === null && (await reconcile(load, table))
      if (!exact) return await carryAgain(follow, table)
      stale.delete(table.source)
    }
    const indexes = await finish(load, table, 'indexes')
    const failure = keys ?? indexes
    if (failure !== null) failures.set(table.source, failure)
  } catch (error) {
    failures.set(table.source, failureOf(load, table, error))
  }
  return true
}

async function carryAgain({ load, stale }: Follow, table: TableMapping): Promise<false> {
  // Whatever it holds after this is of the present snapshot.
  stale.delete(table.source)
  await loadAgain(load, table)
  await splitTables(load)
  await load.cast.doorbell.ring(load.run.migrationId)
  return false
}

async function noteFailedChunks(load: Load, failures: Failures): Promise<void> {
  const { failures: failed } = await load.cast.tasks.outstanding(load.run.migrationId)
  for (const task of failed) {
    if (task.target === null || failures.has(task.target)) continue
    failures.set(task.target, { table: task.target, code: task.code, message: task.message })
  }
}

interface Looks {
  /** At least so long after the call, at the next ring. */
  next(apartMs: number): Promise<void>
  stop(): Promise<void>
}

/** Wakes at every ring of the migration's bell, and now and then without one. */
async function looker({ cast, run, signal }: Load): Promise<Looks> {
  let rung = true
  let wake = (): void => undefined
  const ring = (): Promise<void> => {
    rung = true
    wake()
    return Promise.resolve()
  }
  const stop = await cast.doorbell.listen(run.migrationId, ring, LOOK_EVERY_MS)
  const onAbort = (): void => void ring()
  signal.addEventListener('abort', onAbort)
  return {
    next: async (apartMs) => {
      if (apartMs > 0) await pause(apartMs, signal)
      if (!rung && !signal.aborted) await new Promise<void>((resolve) => (wake = resolve))
      rung = false
    },
    stop: async () => {
      signal.removeEventListener('abort', onAbort)
      await stop()
    },
  }
}

function tooManyRejects(table: TableMapping, rejected: number, allowed: number): TableFailure {
  return {
    table: table.source,
    code: 'TOO_MANY_REJECTS',
    message: `${rejected} rows of ${table.source} were refused and ${allowed} are allowed. They are kept: sensei migrations rejects. Mend them or raise --max-rejects.`,
  }
}
