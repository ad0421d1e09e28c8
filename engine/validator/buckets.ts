/** Both sides' tables condensed to buckets, range by range in the scanner threads. */
import { BucketTable, bucketBits } from '@sensei/core/canonical/buckets'
import type { Plan, TableMapping } from '@sensei/core/plan'
import type { Scanners, ScanView } from '@sensei/core/ports/scanners'
import type { Source } from '@sensei/core/ports/source'
import type { Witness } from '@sensei/core/ports/witness'
import type { Snapshot } from '@sensei/core/snapshot'
import { comparable } from './comparable.ts'

export interface Side {
  readonly witness: Witness
  readonly from: ScanView
}

export async function bucketsOf(scanners: Scanners, side: Side, table: TableMapping): Promise<BucketTable> {
  const bits = bucketBits(table.rows)
  const ranges = await side.witness.split(table, scanners.threads * 2)
  const scans = ranges.map((range) => scanners.scan({ from: side.from, table, range, bits }))
  const results = await Promise.allSettled(scans)
  const whole = new BucketTable(bits)
  for (const result of results) {
    if (result.status === 'rejected') throw result.reason
    whole.merge(result.value)
  }
  return whole
}

/** The source's half of a validation. It needs nothing of the target, so it may run beside the copy. */
export interface SourcePass {
  /** Buckets of a table, by its target name. */
  buckets(target: string): Promise<BucketTable>
  close(): Promise<void>
}

export async function startSourcePass(
  cast: { readonly source: Source; readonly scanners: Scanners },
  plan: Plan,
  snapshot: Snapshot,
): Promise<SourcePass> {
  const witness = await cast.source.openWitness(snapshot)
  const side: Side = { witness, from: { side: 'source', snapshot } }
  const tables = new Map<string, Promise<BucketTable>>()
  for (const table of comparable(plan).tables) {
    const buckets = bucketsOf(cast.scanners, side, table)
    // Whoever asks for the table hears of the failure; until then it is nobody's.
    buckets.catch(() => undefined)
    tables.set(table.target, buckets)
  }
  return {
    buckets: (target) => tables.get(target) as Promise<BucketTable>,
    close: async () => {
      await Promise.allSettled(tables.values())
      await witness.close()
    },
  }
}
