/** Looks after each table while the workers load: as soon as its chunks are in, it gets its keys and indexes. */
import { SenseiError } from '@sensei/core/errors'
import type { TableMapping } from '@sensei/core/plan'
import type { TargetTally } from '@sensei/core/ports/tasks'
import { pause } from '../patience.ts'
import type { TableFailure } from '../request.ts'
import { eachLimited } from './each-limited.ts'
import { finish } from './finish.ts'
import { batched, finishMany, isSmall } from './finish-many.ts'
import { type Holdings, holdingsOf, NOTHING_HELD } from './holdings.ts'
import { type Failures, failureOf, type Load } from './load.ts'
import { reconcile } from './reconcile.ts'
import { loadAgain } from './prepare.ts'
import { largestFirst, splitTables } from './split.ts'

const FINISHED_AT_ONCE = 2
const LOOK_EVERY_MS = 500
/** Small chunks ring faster than it is worth looking. */
const LOOK_APART_MS = 50
/** Chunks are claimed in the order of the tables, so the next ones to be settled are among the first open ones. */
const LOOKED_AT = 500

/** Returns when every table is settled or the signal aborts. Notes failures by table; throws what stops them all. */
export async function followTables(
  load: Load,
  stale: Set<string>,
  failures: Failures,
): Promise<void> {
  const { cast, plan, run, signal } = load
  const open = new Map(plan.tables.toSorted(largestFirst).map((table) => [table.source, table]))
  const looks = await looker(load)
  let apartMs = 0
  try {
    while (open.size > 0 && !signal.aborted) {
      await looks.next(apartMs)
      const begun = performance.now()
      const watched = [...open.keys().take(LOOKED_AT)]
      const tallies = await cast.tasks.byTarget(run.migrationId, 'chunk', watched)
      refuseForgotten(watched, tallies)
      const settled = tallies.filter((tally) => tally.waiting === 0)
      // What a look costs is no more than a third of the time, however many tables there are.
      apartMs = Math.max(LOOK_APART_MS, 2 * (performance.now() - begun))
      if (settled.length === 0) continue
      const names = settled.map(({ target }) => (open.get(target) as TableMapping).target)
      const follow = { load, stale, failures, held: await holdingsOf(load, names) }
      for (const source of await settleAll(follow, open, settled)) open.delete(source)
      // A whole window of settled tables has another one behind it.
      if (settled.length === watched.length) looks.again()
    }
    if (!signal.aborted) await noteFailedChunks(load, failures)
  } finally {
    await looks.stop()
  }
}

/** A table without tasks would be waited for without end. */
function refuseForgotten(watched: readonly string[], tallies: readonly TargetTally[]): void {
  const known = new Set(tallies.map((tally) => tally.target))
  for (const source of watched) {
    if (!known.has(source)) throw new SenseiError('INTERNAL', `Table ${source} was given no tasks.`)
  }
}

interface Follow {
  readonly load: Load
  readonly stale: Set<string>
  readonly failures: Failures
  readonly held: Holdings
}

/** Small tables that nothing is the matter with get their keys and indexes together. Returns what needs no more looks. */
async function settleAll(
  follow: Follow,
  open: ReadonlyMap<string, TableMapping>,
  tallies: readonly TargetTally[],
): Promise<readonly string[]> {
  const { load } = follow
  const done: string[] = []
  const plain: TableMapping[] = []
  const others: { table: TableMapping; tally: TargetTally }[] = []
  for (const tally of tallies) {
    const table = open.get(tally.target) as TableMapping
    if (isPlain(follow, table, tally)) plain.push(table)
    else others.push({ table, tally })
  }
  await eachLimited(batched(plain), FINISHED_AT_ONCE, async (tables) => {
    if (load.signal.aborted) return
    await finishPlain(follow, tables)
    done.push(...tables.map((table) => table.source))
  })
  await eachLimited(others, FINISHED_AT_ONCE, async ({ table, tally }) => {
    if (load.signal.aborted) return
    if (await settle(follow, table, tally)) done.push(table.source)
  })
  return done
}

function isPlain(follow: Follow, table: TableMapping, tally: TargetTally): boolean {
  const held = follow.held.get(table.target) ?? NOTHING_HELD
  return (
    isSmall(table) &&
    tally.failed === 0 &&
    held.chunks >= tally.done &&
    held.rowsRejected <= follow.load.options.maxRejects &&
    !follow.stale.has(table.source)
  )
}

async function finishPlain(
  { load, failures }: Follow,
  tables: readonly TableMapping[],
): Promise<void> {
  for (const part of ['keys', 'indexes'] as const) {
    for (const [source, failure] of await finishMany(load, tables, part)) {
      failures.set(source, failures.get(source) ?? failure)
    }
  }
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
  /** The next look waits for no ring. */
  again(): void
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
    again: () => {
      rung = true
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
