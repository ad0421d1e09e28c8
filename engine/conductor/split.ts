/** Splits tables into chunks and makes tasks of them, once: the ranges then hold for any later snapshot too. */
import type { TableMapping } from '@sensei/core/plan'
import type { SourceReader } from '@sensei/core/ports/source'
import type { NewTask } from '@sensei/core/ports/tasks'
import type { Load } from './load.ts'
import { chunkTask } from '../worker/chunk-task.ts'

const TASKS_AT_ONCE = 2_000
/** The largest tables start first, so that the last ones to finish are small. */
export const largestFirst = (a: TableMapping, b: TableMapping): number => b.bytes - a.bytes

/** Tables that have tasks already are left as they are. A table's tasks are added together or not at all. */
export async function splitTables(load: Load): Promise<void> {
  const { cast, plan, run } = load
  const known = new Set(
    (await cast.tasks.byTarget(run.migrationId, 'chunk')).map((one) => one.target),
  )
  const fresh = plan.tables.filter((table) => !known.has(table.source)).toSorted(largestFirst)
  const reader = await cast.source.openReader(load.snapshot)
  try {
    let batch: NewTask[] = []
    for (const [rank, table] of fresh.entries()) {
      batch.push(...(await tasksOf(load, reader, table, rank)))
      if (batch.length < TASKS_AT_ONCE) continue
      await cast.tasks.add(batch)
      batch = []
    }
    if (batch.length > 0) await cast.tasks.add(batch)
  } finally {
    await reader.close()
  }
}

/** Every table has at least one chunk, an empty one too: its ledger row says that it was looked at. */
async function tasksOf(
  load: Load,
  reader: SourceReader,
  table: TableMapping,
  rank: number,
): Promise<NewTask[]> {
  const limits = { rowsMax: load.options.chunkRows, bytesMax: load.options.chunkBytes }
  const tasks: NewTask[] = []
  for await (const chunk of reader.chunks(table, limits)) {
    tasks.push(chunkTask(load.run.migrationId, table, chunk, rank))
  }
  return tasks
}
