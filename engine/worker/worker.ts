/**
 * The worker: claims chunks, carries them, records the receipts, until it is dismissed. Everything that must not be
 * lost is in the target's ledger before the task is finished, so it may be killed at any instant.
 */
import { isSenseiError, type SenseiError } from '@sensei/core/errors'
import type { Plan, TableMapping } from '@sensei/core/plan'
import type { Doorbell } from '@sensei/core/ports/doorbell'
import type { Chunk, SourceReader } from '@sensei/core/ports/source'
import type { ChunkLoader } from '@sensei/core/ports/target'
import type { LeasedTask, Tasks } from '@sensei/core/ports/tasks'
import type { Receipt } from '@sensei/core/receipt'
import { patiently } from '../patience.ts'
import { listen } from './bell.ts'
import { chunkOf } from './chunk-task.ts'
import { Leases } from './leases.ts'

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

const RETRY_MS = 1_000

/** Chunks claimed at once: more where they are small, so that claiming costs less than carrying. */
const CLAIM_MAX = 32
const CLAIM_MS_WANTED = 100
/** Workers died over these: what is claimed along with them would use up its attempts too. */
const SUSPECT_ATTEMPTS = 3

/** These end the worker: what it holds is somebody else's, or it cannot say what it did. */
const ENDING: readonly string[] = ['FENCED', 'CONTROL_UNREACHABLE', 'SNAPSHOT_LOST']

/** Works until `dismissed` aborts; the chunk in hand is brought to its end first. */
export async function work(tools: WorkerTools, dismissed: AbortSignal): Promise<void> {
  const tables = new Map(tools.plan.tables.map((table) => [table.source, table]))
  const bell = await listen(tools.doorbell, tools.migrationId, dismissed)
  // One at first: a chunk that kills its worker takes no others along.
  let limit = 1
  try {
    while (!dismissed.aborted) {
      const tasks = await claim(tools, limit)
      if (tasks.length === 0) {
        await bell.rung()
        continue
      }
      const begun = performance.now()
      await carryAll(tools, tables, tasks, dismissed)
      limit = nextLimit(limit, tasks, performance.now() - begun)
    }
  } finally {
    await bell.stop()
  }
}

function nextLimit(limit: number, tasks: readonly LeasedTask[], ms: number): number {
  if (tasks.some((task) => task.attempt > SUSPECT_ATTEMPTS)) return 1
  return ms < CLAIM_MS_WANTED ? Math.min(limit * 2, CLAIM_MAX) : Math.max(1, Math.floor(limit / 2))
}

function claim(tools: WorkerTools, limit: number): Promise<readonly LeasedTask[]> {
  const { migrationId, owner } = tools
  return tools.tasks.claim({ migrationId, role: 'worker', kinds: ['chunk'], owner, limit })
}

async function carryAll(
  tools: WorkerTools,
  tables: ReadonlyMap<string, TableMapping>,
  tasks: readonly LeasedTask[],
  dismissed: AbortSignal,
): Promise<void> {
  const leases = new Leases(tools.tasks, tasks)
  try {
    for (const task of tasks) {
      if (dismissed.aborted) break
      await carryTask(tools, tables, task, { lost: leases.lost(task), dismissed })
      leases.drop(task)
    }
    // What was claimed and not begun goes back at once.
    if (dismissed.aborted) await tools.tasks.release(tools.migrationId, tools.owner)
  } finally {
    leases.stop()
    await tools.doorbell.ring(tools.migrationId)
  }
}

interface Signals {
  readonly lost: AbortSignal
  readonly dismissed: AbortSignal
}

async function carryTask(
  tools: WorkerTools,
  tables: ReadonlyMap<string, TableMapping>,
  task: LeasedTask,
  { lost, dismissed }: Signals,
): Promise<void> {
  if (lost.aborted) return
  try {
    const { table, chunk } = chunkOf(task, tables)
    const waiting = AbortSignal.any([lost, dismissed])
    // The chunk is not to blame for a target that is away: no attempt of it is used up.
    const receipt = await patiently(waiting, () => carryChunk(tools, table, chunk, lost))
    await tools.tasks.finish(task, receipt)
    tools.onReceipt(table, receipt)
  } catch (error) {
    await reportFailure(tools.tasks, task, error, { lost, dismissed })
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

/** A lost lease is somebody else's task now; what concerns every chunk ends the worker; the rest is this task's own. */
async function reportFailure(
  tasks: Tasks,
  task: LeasedTask,
  error: unknown,
  { lost, dismissed }: Signals,
): Promise<void> {
  if (lost.aborted || isSenseiError(error, 'LEASE_LOST')) return
  const known = isSenseiError(error)
  if (known && ENDING.includes(error.code)) throw error
  if (known && !dismissed.aborted && isAway(error)) throw error
  try {
    await tasks.fail(task, {
      code: known ? error.code : 'INTERNAL',
      message: error instanceof Error ? error.message : String(error),
      retry: known && error.retryable,
      delayMs: dismissed.aborted ? 0 : RETRY_MS,
    })
  } catch (refusal) {
    if (!isSenseiError(refusal, 'LEASE_LOST')) throw refusal
  }
}

/** No answer at all, for longer than patience lasts; an answer that this chunk cannot be taken concerns the chunk. */
function isAway(error: SenseiError): boolean {
  if (error.code !== 'TARGET_UNREACHABLE') return false
  const { sqlstate } = error.details
  return typeof sqlstate !== 'string' || /^(08|57P)/.test(sqlstate)
}
