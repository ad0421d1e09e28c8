/**
 * The load as the conductor sees it: tables, then chunks by the workers, then keys and indexes table by table as
 * each is complete, then what spans tables. Every step has its ledger row, so any of it may be run again.
 */
import { isSenseiError, SenseiError } from '@sensei/core/errors'
import type { Plan, TableMapping } from '@sensei/core/plan'
import type { ConstraintRefusal, FinishPart, Run } from '@sensei/core/ports/target'
import type { TargetTally } from '@sensei/core/ports/tasks'
import type { Receipt } from '@sensei/core/receipt'
import type { Snapshot } from '@sensei/core/snapshot'
import type { Cast } from '../cast.ts'
import type { MigrationOptions, TableFailure } from '../request.ts'
import { eachLimited } from './each-limited.ts'
import { loadAgain, prepareStale, reconcile } from './reconcile.ts'
import { splitTables } from './split.ts'

export interface Load {
  readonly cast: Cast
  readonly plan: Plan
  readonly run: Run
  readonly snapshot: Snapshot
  readonly options: MigrationOptions
  /** Aborts at the first Ctrl-C: workers end after the chunk in hand. */
  readonly signal: AbortSignal
}

/** By source table. */
type Failures = Map<string, TableFailure>

const FINISHED_AT_ONCE = 2
const LOOK_EVERY_MS = 500

/** Returns the tables that failed; throws only for what stops every table. */
export async function carry(load: Load): Promise<readonly TableFailure[]> {
  const { cast, plan, run } = load
  await record(cast, run, await cast.target.builder.createTables(run, plan))
  const failures: Failures = new Map()
  const stale = await prepareStale(load)
  await splitTables(load)
  await loadAndFinish(load, stale, failures)
  await finishWhole(load, failures)
  return [...failures.values()]
}

/** Workers carry; each table whose chunks are all in is given its keys and indexes while others still load. */
async function loadAndFinish(
  load: Load,
  stale: ReadonlySet<string>,
  failures: Failures,
): Promise<void> {
  const { cast, run } = load
  const assignment = { run, snapshot: load.snapshot }
  const done = bySource(load.plan, await ledgerSums(load, (receipt) => receipt.rowsRead))
  const hands = await cast.crew.start(assignment, load.options.workers, done)
  try {
    await Promise.race([hands.trouble, followTables(load, stale, failures)])
  } finally {
    await hands.dismiss()
  }
  if (load.signal.aborted) throw interrupted(run.migrationId)
}

async function followTables(
  load: Load,
  stale: ReadonlySet<string>,
  failures: Failures,
): Promise<void> {
  const { cast, plan, run, signal } = load
  const open = new Map(plan.tables.map((table) => [table.source, table]))
  const looks = await looker(load)
  try {
    while (open.size > 0 && !signal.aborted) {
      await looks.next()
      const tallies = await cast.tasks.byTarget(run.migrationId, 'chunk')
      const settled = tallies.filter((tally) => tally.waiting === 0 && open.has(tally.target))
      if (settled.length === 0) continue
      const rejected = await ledgerSums(load, (receipt) => receipt.rowsRejected)
      await eachLimited(settled, FINISHED_AT_ONCE, async (tally) => {
        const table = open.get(tally.target) as TableMapping
        const again = await settle(load, table, tally, rejected, stale, failures)
        if (!again) open.delete(tally.target)
      })
    }
    await noteFailedChunks(load, failures)
  } finally {
    await looks.stop()
  }
}

/** What one table gets once its chunks are done; true when it had to be emptied and is carried again. */
async function settle(
  load: Load,
  table: TableMapping,
  tally: TargetTally,
  rejected: ReadonlyMap<string, number>,
  stale: ReadonlySet<string>,
  failures: Failures,
): Promise<boolean> {
  const refusedRows = rejected.get(table.target) ?? 0
  if (tally.failed > 0) return false
  if (refusedRows > load.options.maxRejects) {
    failures.set(table.source, tooManyRejects(table, refusedRows, load.options.maxRejects))
    return false
  }
  try {
    const keys = await finish(load, table, 'keys')
    const reconciling = stale.has(table.source)
    // Rows that moved between snapshots can be there twice: then comparing row by row cannot work.
    if (keys !== null && reconciling) return await carryAgain(load, table)
    if (keys !== null) failures.set(table.source, keys)
    else if (reconciling) await reconcile(load, table)
    const indexes = await finish(load, table, 'indexes')
    if (indexes !== null) failures.set(table.source, indexes)
  } catch (error) {
    failures.set(table.source, failureOf(table, error))
  }
  return false
}

async function carryAgain(load: Load, table: TableMapping): Promise<boolean> {
  await loadAgain(load, table)
  await splitTables(load)
  await load.cast.doorbell.ring(load.run.migrationId)
  return true
}

/** Foreign keys need their parents' keys; sequences, views and statistics need everything. */
async function finishWhole(load: Load, failures: Failures): Promise<void> {
  const { cast, plan, run } = load
  const sound = plan.tables.filter((table) => !failures.has(table.source))
  for (const part of ['foreign keys', 'sequences', 'analyze'] as const) {
    await eachLimited(sound, FINISHED_AT_ONCE, async (table) => {
      try {
        const failure = await finish(load, table, part)
        if (failure !== null) failures.set(table.source, failure)
      } catch (error) {
        failures.set(table.source, failureOf(table, error))
      }
    })
  }
  if (failures.size === 0) await createViews(cast, run, plan)
}

async function createViews(cast: Cast, run: Run, plan: Plan): Promise<void> {
  for (const view of await cast.target.builder.createViews(run, plan)) {
    report(cast, view.view, view.created ? 'view created' : `view refused: ${view.reason}`)
  }
}

async function finish(
  load: Load,
  table: TableMapping,
  part: FinishPart,
): Promise<TableFailure | null> {
  const { cast, plan, run } = load
  report(cast, table.target, part)
  const outcome = await cast.target.builder.finishTable(run, plan, table, part)
  await record(cast, run, outcome.receipts)
  return outcome.refused.length === 0 ? null : refused(table, outcome.refused)
}

async function record(cast: Cast, run: Run, receipts: readonly Receipt[]): Promise<void> {
  if (receipts.length === 0) return
  await cast.journal.record(
    run.migrationId,
    receipts.map((receipt) => ({ kind: 'receipt', receipt })),
  )
}

/** A sum over the chunks of each target table, from the ledger: the truth about what is in. */
async function ledgerSums(
  load: Load,
  count: (receipt: Receipt) => number,
): Promise<ReadonlyMap<string, number>> {
  const sums = new Map<string, number>()
  for await (const receipt of load.cast.target.ledger.receipts(load.run.migrationId)) {
    if (receipt.table === null || receipt.kind !== 'chunk') continue
    sums.set(receipt.table, (sums.get(receipt.table) ?? 0) + count(receipt))
  }
  return sums
}

function bySource(plan: Plan, sums: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  return new Map(plan.tables.map((table) => [table.source, sums.get(table.target) ?? 0]))
}

async function noteFailedChunks(load: Load, failures: Failures): Promise<void> {
  const { failures: failed } = await load.cast.tasks.outstanding(load.run.migrationId)
  for (const task of failed) {
    if (task.target === null || failures.has(task.target)) continue
    failures.set(task.target, { table: task.target, code: task.code, message: task.message })
  }
}

interface Looks {
  next(): Promise<void>
  stop(): Promise<void>
}

/** Wakes at every ring of the migration's bell, and now and then without one. */
async function looker(load: Load): Promise<Looks> {
  let rung = true
  let wake = (): void => undefined
  const ring = (): Promise<void> => {
    rung = true
    wake()
    return Promise.resolve()
  }
  const stop = await load.cast.doorbell.listen(load.run.migrationId, ring, LOOK_EVERY_MS)
  const onAbort = (): void => void ring()
  load.signal.addEventListener('abort', onAbort)
  return {
    next: async () => {
      if (!rung) await new Promise<void>((resolve) => (wake = resolve))
      rung = false
    },
    stop: async () => {
      load.signal.removeEventListener('abort', onAbort)
      await stop()
    },
  }
}

function report(cast: Cast, table: string, message: string): void {
  cast.progress.report({ phase: 'finish', table, unit: 'steps', done: 0, total: null, message })
}

function interrupted(migrationId: string): SenseiError {
  return new SenseiError(
    'INTERRUPTED',
    `Stopped at a chunk boundary; nothing is lost. Go on with: sensei migrate --resume ${migrationId}`,
  )
}

function tooManyRejects(table: TableMapping, rejected: number, allowed: number): TableFailure {
  return {
    table: table.source,
    code: 'TOO_MANY_REJECTS',
    message: `${rejected} rows of ${table.source} were refused and ${allowed} are allowed. They are kept: sensei migrations rejects. Mend them or raise --max-rejects.`,
  }
}

function refused(table: TableMapping, refusals: readonly ConstraintRefusal[]): TableFailure {
  const lines = refusals.map(
    (one) => `${one.constraint}: ${one.message} (${one.rows} rows, such as ${one.examples.join('; ')})`,
  )
  return { table: table.source, code: 'CONSTRAINT_REFUSED', message: lines.join('\n') }
}

function failureOf(table: TableMapping, error: unknown): TableFailure {
  if (isSenseiError(error) && error.code === 'FENCED') throw error
  return {
    table: table.source,
    code: isSenseiError(error) ? error.code : 'INTERNAL',
    message: error instanceof Error ? error.message : String(error),
  }
}
