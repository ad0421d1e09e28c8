/** A chunk as a task of the control plane, and back. */
import { SenseiError } from '@sensei/core/errors'
import type { Json } from '@sensei/core/json'
import type { TableMapping } from '@sensei/core/plan'
import type { Chunk } from '@sensei/core/ports/source'
import type { LeasedTask, NewTask } from '@sensei/core/ports/tasks'

export function chunkTask(
  migrationId: string,
  table: TableMapping,
  chunk: Chunk,
  sequence: number,
): NewTask {
  return {
    migrationId,
    role: 'worker',
    kind: 'chunk',
    target: table.source,
    sequence,
    payload: { number: chunk.number, range: chunk.range, rowsEstimated: chunk.rowsEstimated },
  }
}

export interface ChunkTask {
  readonly task: LeasedTask
  readonly table: TableMapping
  readonly chunk: Chunk
}

export function chunkOf(
  task: LeasedTask,
  tables: ReadonlyMap<string, TableMapping>,
): Omit<ChunkTask, 'task'> {
  const table = task.target === null ? undefined : tables.get(task.target)
  if (table === undefined) {
    throw new SenseiError('INTERNAL', `Task ${task.id} names a table that the plan does not have.`)
  }
  const { number, range, rowsEstimated } = task.payload as {
    number: number
    range: Json
    rowsEstimated: number
  }
  return { table, chunk: { number, range, rowsEstimated } }
}
