/**
 * A thread of the validator: scans ranges with witnesses of its own and condenses them to buckets. It keeps the witness of
 * each side open as long as it is asked about the same point in time.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { type BucketTable, rowShape, type StoredBuckets } from '@sensei/core/canonical/buckets'
import { RowSums } from '@sensei/core/canonical/row-sums'
import { isSenseiError } from '@sensei/core/errors'
import type { AggregateRequest, ScanRequest, ScanView } from '@sensei/core/ports/scanners'
import type { Aggregate, Witness } from '@sensei/core/ports/witness'
import { openSource, openTarget } from '../pillars.ts'

export interface ScannerUrls {
  readonly sourceUrl: string
  readonly targetUrl: string
}

/** A range to scan, a table to compute aggregates of, or the wish to let go of the target. */
export type ScannerTask = ScanRequest | AggregateRequest | 'release'

export interface ScanAnswer {
  readonly buckets?: StoredBuckets
  readonly aggregates?: readonly Aggregate[]
  readonly released?: true
  readonly error?: { readonly code: string; readonly message: string }
}

interface OpenWitness {
  readonly name: string
  readonly witness: Witness
  close(): Promise<void>
}

const urls = workerData as ScannerUrls
const open = new Map<ScanView['side'], OpenWitness>()

/** One task after the other, so that nothing is closed in the middle of a scan. */
let last: Promise<void> = Promise.resolve()
parentPort?.on('message', (task: ScannerTask) => {
  last = last.then(() => perform(task))
})

async function perform(task: ScannerTask): Promise<void> {
  if (task === 'release') {
    await release('target')
    parentPort?.postMessage({ released: true } satisfies ScanAnswer)
    return
  }
  try {
    if ('bits' in task) {
      const { bits, counts, sums, rows, rejected } = await scan(task)
      const stored = { bits, counts, sums, rows, rejected } as StoredBuckets
      parentPort?.postMessage({ buckets: stored } satisfies ScanAnswer, [
        stored.counts.buffer,
        stored.sums.buffer,
      ])
    } else {
      const witness = await witnessOf(task.from)
      const aggregates = await witness.aggregates(task.table)
      parentPort?.postMessage({ aggregates } satisfies ScanAnswer)
    }
  } catch (error) {
    // Its transaction may be of no use any more.
    await release(task.from.side)
    const code = isSenseiError(error) ? error.code : 'INTERNAL'
    const message = error instanceof Error ? error.message : String(error)
    parentPort?.postMessage({ error: { code, message } } satisfies ScanAnswer)
  }
}

async function release(side: ScanView['side']): Promise<void> {
  const known = open.get(side)
  open.delete(side)
  await known?.close().catch(() => undefined)
}

async function scan({ from, table, range, bits }: ScanRequest): Promise<BucketTable> {
  const witness = await witnessOf(from)
  const sums = new RowSums(bits)
  const shape = rowShape(table)
  let rejected = 0
  for await (const batch of witness.scan(table, range)) {
    sums.add(batch.bytes, shape)
    rejected += batch.rejected
  }
  const buckets = sums.finish()
  buckets.rejected = rejected
  return buckets
}

async function witnessOf(from: ScanView): Promise<Witness> {
  const name =
    from.side === 'source' ? from.snapshot.name : `${from.view.schema} ${from.view.snapshot}`
  const known = open.get(from.side)
  if (known?.name === name) return known.witness
  await release(from.side)
  const opened = await openWitness(from)
  open.set(from.side, { name, ...opened })
  return opened.witness
}

async function openWitness(from: ScanView): Promise<Omit<OpenWitness, 'name'>> {
  if (from.side === 'source') {
    const source = await openSource(urls.sourceUrl)
    const witness = await source.openWitness(from.snapshot)
    return { witness, close: () => witness.close() }
  }
  const target = await openTarget(urls.targetUrl)
  const witness = await target.openWitness(from.view)
  return {
    witness,
    close: async () => {
      await witness.close()
      await target.close()
    },
  }
}
