/**
 * A worker process that loads numbered chunks until it is killed or has them all. It says `ready` when its loader is
 * registered, then goes on by itself; a target that is down is waited for.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isSenseiError } from '@sensei/core/errors'
import type { ChunkLoader, Run, Target } from '@sensei/core/ports/target'
import { loadRequest } from './rows.ts'

export interface WorkerOrder {
  readonly module: string
  readonly url: string
  readonly run: Run
  /** Chunks `from`, `from + step`, … up to `through`. */
  readonly from: number
  readonly step: number
  readonly through: number
  readonly rows: number
}

const order = JSON.parse(process.argv[2] ?? '') as WorkerOrder
const { openTarget } = (await import(order.module)) as { openTarget(url: string): Promise<Target> }
const target = await insist(() => openTarget(order.url))
const done = new Set<string>()
await insist(async () => {
  for await (const receipt of target.ledger.receipts(order.run.migrationId)) done.add(receipt.step)
})
const loader: ChunkLoader = await insist(() =>
  target.openLoader(order.run, `worker-${process.pid}`),
)
process.send?.('ready')
for (let number = order.from; number <= order.through; number += order.step) {
  if (done.has(`chunk ${number} of numbered`)) continue
  const first = (number - 1) * order.rows + 1
  await insist(() => loader.load(loadRequest({ number, first, rows: order.rows, batches: 8 })))
}
await loader.close()
await target.close()
process.disconnect?.()

async function insist<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!isSenseiError(error, 'TARGET_UNREACHABLE')) throw error
      await sleep(50)
    }
  }
}
