/**
 * The worker: claims a chunk, carries it, records the receipt, until it is dismissed. Everything that must not be
 * lost is in the target's ledger before the task is finished, so it may be killed at any instant.
 */
import { isSenseiError } from '@sensei/core/errors'
import type { Plan, TableMapping } from '@sensei/core/plan'
import type { Doorbell } from '@sensei/core/ports/doorbell'
import type { Chunk, SourceReader } from '@sensei/core/ports/source'
import type { ChunkLoader } from '@sensei/core/ports/target'
import { type LeasedTask, RENEW_MS, type Tasks } from '@sensei/core/ports/tasks'
import type { Receipt } from '@sensei/core/receipt'
import { chunkOf } from './chunk-task.ts'

export interface WorkerTools {
  readonly migrationId: string
  /** Host and pid: whose leases these are. */
  readonly owner: string
  readonly plan: Plan
  readonly tasks: Tasks
  readonly doorbell: Doorbell
  readonly reader: SourceReader
  readonly loader: ChunkLoader
  readonly onReceipt: (table: TableMapping, receipt: Receipt) => void
}

const IDLE_MS = 500
const RETRY_MS = 1_000

/** Works until `dismissed` aborts; the chunk in hand is brought to its end first. */
export async function work(tools: WorkerTools, dismissed: AbortSignal): Promise<void> {
  const tables = new Map(tools.plan.tables.map((table) => [table.source, table]))
  const bell = await listen(tools, dismissed)
  try {
    while (!dismissed.aborted) {
      const [task] = await tools.tasks.claim({
        migrationId: tools.migrationId,
        role: 'worker',
        kinds: ['chunk'],
        owner: tools.owner,
        limit: 1,
      })
      if (task === undefined) await bell.rung()
      else await carryTask(tools, tables, task)
    }
  } finally {
    await bell.stop()
  }
}

async function carryTask(
  tools: WorkerTools,
  tables: ReadonlyMap<string, TableMapping>,
  task: LeasedTask,
): Promise<void> {
  const { table, chunk } = chunkOf(task, tables)
  const lost = new AbortController()
  const renewal = keepLease(tools.tasks, task, lost)
  try {
    const receipt = await carryChunk(tools, table, chunk, lost.signal)
    await tools.tasks.finish(task, receipt)
    tools.onReceipt(table, receipt)
  } catch (error) {
    await reportFailure(tools.tasks, task, error)
  } finally {
    clearInterval(renewal)
    await tools.doorbell.ring(tools.migrationId)
  }
}

function carryChunk(
  tools: WorkerTools,
  table: TableMapping,
  chunk: Chunk,
  signal: AbortSignal,
): Promise<Receipt> {
  return tools.loader.load({
    table,
    schema: tools.plan.target.schema,
    chunk,
    read: () => tools.reader.read(table, chunk),
    describe: async (ordinal) => {
      const { key, cells } = await tools.reader.raw(table, chunk, ordinal)
      return { key, raw: cells }
    },
    onRows: () => undefined,
    signal,
  })
}

function keepLease(tasks: Tasks, task: LeasedTask, lost: AbortController): NodeJS.Timeout {
  return setInterval(() => {
    tasks.renew([task]).catch((error: unknown) => {
      // A control plane that is away for a moment costs nothing: the lease outlives two renewals.
      if (isSenseiError(error, 'LEASE_LOST')) lost.abort(error)
    })
  }, RENEW_MS)
}

/** A lost lease or a raised fence belongs to somebody else now; anything else is this task's own failure. */
async function reportFailure(tasks: Tasks, task: LeasedTask, error: unknown): Promise<void> {
  if (isSenseiError(error, 'FENCED') || isSenseiError(error, 'LEASE_LOST')) throw error
  const known = isSenseiError(error)
  await tasks.fail(task, {
    code: known ? error.code : 'INTERNAL',
    message: error instanceof Error ? error.message : String(error),
    retry: known && error.retryable,
    delayMs: RETRY_MS,
  })
}

interface Bell {
  /** Settles at the next ring, after a while without one, or when the worker is dismissed. */
  rung(): Promise<void>
  stop(): Promise<void>
}

async function listen(tools: WorkerTools, dismissed: AbortSignal): Promise<Bell> {
  let wake = (): void => undefined
  const onRing = (): Promise<void> => {
    wake()
    return Promise.resolve()
  }
  const stop = await tools.doorbell.listen(tools.migrationId, onRing, IDLE_MS)
  const onDismissed = (): void => wake()
  dismissed.addEventListener('abort', onDismissed)
  return {
    rung: () =>
      new Promise((resolve) => {
        wake = resolve
        if (dismissed.aborted) resolve()
      }),
    stop: async () => {
      dismissed.removeEventListener('abort', onDismissed)
      await stop()
    },
  }
}
