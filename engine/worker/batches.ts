/** Which claimed chunks are carried in one transaction: neighbours that are so small that their COMMITs would cost more. */
import type { TableMapping } from '@sensei/core/plan'
import { type LeasedTask, SUSPECT_ATTEMPTS } from '@sensei/core/ports/tasks'
import type { ChunkTask } from './chunk-task.ts'

const SMALL_ROWS = 1_000
const SMALL_BYTES = 256 * 1024
/** What one transaction may hold; each chunk locks its table until the COMMIT. */
const CHUNKS_MAX = 32
const ROWS_MAX = 10_000
const BYTES_MAX = 2 * 1024 * 1024

export function* batchesOf(chunks: readonly ChunkTask[]): Generator<readonly ChunkTask[]> {
  let batch: ChunkTask[] = []
  let [rows, bytes] = [0, 0]
  for (const one of chunks) {
    const small = isSmall(one)
    const [more, heavier] = [one.chunk.rowsEstimated, bytesOf(one)]
    const full =
      batch.length === CHUNKS_MAX || rows + more > ROWS_MAX || bytes + heavier > BYTES_MAX
    if (batch.length > 0 && (full || !small)) {
      yield batch
      batch = []
      rows = 0
      bytes = 0
    }
    if (!small) {
      yield [one]
      continue
    }
    batch.push(one)
    rows += more
    bytes += heavier
  }
  if (batch.length > 0) yield batch
}

/** What failed before, and a table with a large value in it, is carried alone. */
function isSmall(one: ChunkTask): boolean {
  return (
    isUntried(one.task) &&
    one.chunk.rowsEstimated <= SMALL_ROWS &&
    bytesOf(one) <= SMALL_BYTES &&
    one.table.bytes_max <= SMALL_BYTES
  )
}

function isUntried({ attempt }: LeasedTask): boolean {
  return attempt <= SUSPECT_ATTEMPTS
}

function bytesOf({ table, chunk }: { table: TableMapping; chunk: ChunkTask['chunk'] }): number {
  return table.rows === 0 ? 0 : (table.bytes / table.rows) * chunk.rowsEstimated
}
