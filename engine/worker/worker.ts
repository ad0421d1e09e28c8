/**
 * The worker: claims chunks, carries them, records the receipts, until it is dismissed. Everything that must not be
 * lost is in the target's ledger before the task is finished, so it may be killed at any instant.
 */
import { isSenseiError, type SenseiError } from '@sensei/core/errors'
import type { Plan, TableMapping } from '@sensei/core/plan'
import type { Doorbell } from '@sensei/core/ports/doorbell'
import type { SourceReader } from '@sensei/core/ports/source'
import type { ChunkLoader, LoadRequest } from '@sensei/core/ports/target'
import type { LeasedTask, Tasks } from '@sensei/core/ports/tasks'
import type { Receipt } from '@sensei/core/receipt'
import { patiently } from '../patience.ts'
import { listen } from './bell.ts'
import { batchesOf } from './batches.ts'
import { type ChunkTask, chunkOf } from './chunk-task.ts'
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
const CLAIM_MAX = 64
const CLAIM_MS_WANTED = 250

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
      limit = nextLimit(limit, performance.now() - begun)
    }
  } finally {
    await bell.stop()
  }
}

function nextLimit(limit: number, ms: number): number {
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
  const signals = (task: LeasedTask): Signals => ({ lost: leases.lost(task), dismissed })
  try {
    for (const batch of batchesOf(await known(tools.tasks, tasks, tables, signals))) {
      if (dismissed.aborted) break
      const together = batch.length > 1 && (await carryTogether(tools, batch, signals))
      for (const one of batch) {
        if (!together && !dismissed.aborted) await carryTask(tools, one, signals(one.task))
        if (together || !dismissed.aborted) leases.drop(one.task)
      }
    }
    // What was claimed and not begun goes back at once, and has not used up an attempt.
    if (dismissed.aborted) await tools.tasks.release(tools.migrationId, tools.owner, 'stopped')
  } finally {
    leases.stop()
    await tools.doorbell.ring(tools.migrationId)
  }
}

/** The chunks that the tasks are; a task of a table that the plan does not have fails by itself. */
async function known(
  all: Tasks,
  tasks: readonly LeasedTask[],
  tables: ReadonlyMap<string, TableMapping>,
  signals: (task: LeasedTask) => Signals,
): Promise<ChunkTask[]> {
  const chunks: ChunkTask[] = []
  for (const task of tasks) {
    try {
      chunks.push({ task, ...chunkOf(task, tables) })
    } catch (error) {
      await reportFailure(all, task, error, signals(task))
    }
  }
  return chunks
}

/**
 * Small chunks in one transaction of the target, and their receipts in one of the control plane. False when nothing of
 * them is in: whatever was the matter, it is found out one by one.
 */
async function carryTogether(
  tools: WorkerTools,
  batch: readonly ChunkTask[],
  signals: (task: LeasedTask) => Signals,
): Promise<boolean> {
  let receipts: readonly Receipt[] | null
  try {
    receipts = await tools.loader.loadTogether(
      batch.map((one) => requestFor(tools, one, signals(one.task).lost)),
    )
  } catch (error) {
    if (isSenseiError(error) && ENDING.includes(error.code)) throw error
    return false
  }
  if (receipts === null) return false
  const done = batch.map(({ task }, at) => ({ lease: task, receipt: receipts[at] as Receipt }))
  const finished = await tools.tasks.finishAll(done)
  for (const [at, { task, table }] of batch.entries()) {
    if (finished.has(task.id)) tools.onReceipt(table, receipts[at] as Receipt)
  }
  return true
}

interface Signals {
  readonly lost: AbortSignal
  readonly dismissed: AbortSignal
}

async function carryTask(
  tools: WorkerTools,
  one: ChunkTask,
  { lost, dismissed }: Signals,
): Promise<void> {
  if (lost.aborted) return
  const { task, table } = one
  try {
    const waiting = AbortSignal.any([lost, dismissed])
    // The chunk is not to blame for a target that is away: no attempt of it is used up.
    const receipt = await patiently(waiting, () => tools.loader.load(requestFor(tools, one, lost)))
    await tools.tasks.finish(task, receipt)
    tools.onReceipt(table, receipt)
  } catch (error) {
    await reportFailure(tools.tasks, task, error, { lost, dismissed })
  }
}

function requestFor(
  { plan, reader }: WorkerTools,
  { table, chunk }: ChunkTask,
  signal: AbortSignal,
): LoadRequest {
  return {
    table,
    schema: plan.target.schema,
    chunk,
    read: () => reader.read(table, chunk),
    describe: async (ordinal) => {
      const { key, cells } = await reader.raw(table, chunk, ordinal)
      return { key, raw: cells }
    },
    onRows: () => undefined,
    signal,
  }
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
