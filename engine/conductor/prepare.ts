/**
 * Before the workers start: what an earlier process left in the tables is judged. The ledger in the target is the
 * truth; a table whose tasks tell otherwise is emptied and carried whole, and so is one that failed.
 */
import type { TableMapping } from '@sensei/core/plan'
import type { SourceReader } from '@sensei/core/ports/source'
import type { TargetTally } from '@sensei/core/ports/tasks'
import { patiently } from '../patience.ts'
import { type Holding, holdingsOf, NOTHING_HELD } from './holdings.ts'
import type { Load } from './load.ts'

/** Returns the source names of the tables that hold chunks of another snapshot and will be reconciled. */
export async function prepareTables(load: Load): Promise<Set<string>> {
  const { cast, plan, run } = load
  const holdings = await holdingsOf(load)
  const known = await cast.tasks.byTarget(run.migrationId, 'chunk')
  const tallies = new Map(known.map((tally) => [tally.target, tally]))
  const stale = new Set<string>()
  const reader = await cast.source.openReader(load.snapshot)
  try {
    for (const table of plan.tables) {
      const held = holdings.get(table.target) ?? NOTHING_HELD
      const fate = fateOf(table, held, tallies.get(table.source) ?? null, { run, reader })
      if (fate === 'load again') await loadAgain(load, table)
      else if (fate === 'reconcile') stale.add(table.source)
    }
  } finally {
    await reader.close()
  }
  await openForPatches(load, stale)
  return stale
}

/**
 * Foreign keys around stale tables are dropped before anybody reads the target to compare: a reader's transaction holds
 * locks that the drop would wait for.
 */
async function openForPatches(load: Load, stale: ReadonlySet<string>): Promise<void> {
  const { cast, plan, run, signal } = load
  const tables = plan.tables.filter((table) => stale.has(table.source))
  if (tables.length === 0) return
  const loader = await patiently(signal, () => cast.target.openLoader(run, 'reconcile'))
  try {
    for (const table of tables) {
      const step = `reconcile ${table.target} ${run.epoch}.begin`
      const { schema } = plan.target
      const patch = { table, schema, step, deletes: [], inserts: nothing }
      await patiently(signal, () => loader.patch(patch))
    }
  } finally {
    await loader.close()
  }
}

async function* nothing(): AsyncGenerator<never> {
  // A patch without rows.
}

type Fate = 'go on' | 'reconcile' | 'load again'

function fateOf(
  table: TableMapping,
  held: Holding,
  tally: TargetTally | null,
  { run, reader }: { readonly run: Load['run']; readonly reader: SourceReader },
): Fate {
  if (tally === null) return held.chunks > 0 ? 'load again' : 'go on'
  // A process died between emptying the table and forgetting its tasks, or the target forgot commits.
  if (tally.failed > 0 || held.chunks < tally.done) return 'load again'
  const moved = [...held.snapshots].some((snapshot) => snapshot !== run.snapshot)
  if (!moved || held.reconciledTo.has(run.snapshot)) return 'go on'
  const findable = table.key !== null && reader.pickable(table)
  return findable && held.rowsRejected === 0 ? 'reconcile' : 'load again'
}

/** Forgets what is in: the table is split and carried from its start. */
export async function loadAgain(load: Load, table: TableMapping): Promise<void> {
  const { cast, plan, run, signal } = load
  // In this order: what is killed between the two is found by `fateOf`.
  await patiently(signal, () => cast.target.builder.resetTable(run, plan, table))
  await cast.tasks.discard(run.migrationId, [table.source])
}
