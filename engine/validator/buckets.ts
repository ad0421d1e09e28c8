/** Both sides' tables condensed to buckets, range by range in the scanner threads. */
import { BucketTable, bucketBits } from '@sensei/core/canonical/buckets'
import type { Plan, TableMapping } from '@sensei/core/plan'
import type { Scanners, ScanView } from '@sensei/core/ports/scanners'
import type { Source } from '@sensei/core/ports/source'
import type { Aggregate, Witness } from '@sensei/core/ports/witness'
import type { Snapshot } from '@sensei/core/snapshot'
import { comparable } from './comparable.ts'

export interface Side {
  readonly witness: Witness
  readonly from: ScanView
}

export async function bucketsOf(
  scanners: Scanners,
  side: Side,
  table: TableMapping,
): Promise<BucketTable> {
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

/** One side of a table, condensed: its buckets, and what the engine says about it. */
export interface Condensed {
  readonly buckets: BucketTable
  readonly aggregates: readonly Aggregate[]
}

export async function condense(
  scanners: Scanners,
  side: Side,
  table: TableMapping,
): Promise<Condensed> {
  const [buckets, aggregates] = await Promise.allSettled([
    bucketsOf(scanners, side, table),
    scanners.aggregates({ from: side.from, table }),
  ])
  if (buckets.status === 'rejected') throw buckets.reason
  if (aggregates.status === 'rejected') throw aggregates.reason
  return { buckets: buckets.value, aggregates: aggregates.value }
}

/** The source's half of a validation. It needs nothing of the target, so it may run beside the copy. */
export interface SourcePass {
  /** A table, by its target name. */
  condensed(target: string): Promise<Condensed>
  close(): Promise<void>
}

export async function startSourcePass(
  cast: { readonly source: Source; readonly scanners: Scanners },
  plan: Plan,
  snapshot: Snapshot,
): Promise<SourcePass> {
  const witness = await cast.source.openWitness(snapshot)
  const side: Side = { witness, from: { side: 'source', snapshot } }
  const tables = new Map<string, Promise<Condensed>>()
  for (const table of comparable(plan).tables) {
    const condensed = condense(cast.scanners, side, table)
    // Whoever asks for the table hears of the failure; until then it is nobody's.
    condensed.catch(() => undefined)
    tables.set(table.target, condensed)
  }
  return {
    condensed: (target) => tables.get(target) as Promise<Condensed>,
    close: async () => {
      await Promise.allSettled(tables.values())
      await witness.close()
    },
  }
}
