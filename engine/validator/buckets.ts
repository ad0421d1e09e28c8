/** Both sides' tables condensed to buckets, range by range in the scanner threads. */
import { BucketTable, bucketBits } from '@sensei/core/canonical/buckets'
import type { Plan, TableMapping } from '@sensei/core/plan'
import type { Scanners, ScanView } from '@sensei/core/ports/scanners'
import type { Source } from '@sensei/core/ports/source'
import type { Aggregate, Witness } from '@sensei/core/ports/witness'
import type { Snapshot } from '@sensei/core/snapshot'
import { workAhead } from './ahead.ts'
import { comparable } from './comparable.ts'

export interface Side {
  readonly witness: Witness
  readonly from: ScanView
}

/** So many ranges for each thread: the last ones end at about the same time, whatever their rows cost. */
const RANGES_PER_THREAD = 4

export async function bucketsOf(
  scanners: Scanners,
  side: Side,
  table: TableMapping,
): Promise<BucketTable> {
  const bits = bucketBits(table.rows)
  const ranges = await side.witness.split(table, scanners.threads * RANGES_PER_THREAD)
  let whole: BucketTable | null = null
  // Added as they come: no more than one range's buckets wait, and none of a table that is not begun.
  const scans = ranges.map(async (range) => {
    const scanned = await scanners.scan({ from: side.from, table, range, bits })
    if (whole === null) whole = scanned
    else whole.merge(scanned)
  })
  for (const result of await Promise.allSettled(scans)) {
    if (result.status === 'rejected') throw result.reason
  }
  return whole ?? new BucketTable(bits)
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
  const tables = new Map(comparable(plan).tables.map((table) => [table.target, table]))
  const witness = await cast.source.openWitness(snapshot)
  const side: Side = { witness, from: { side: 'source', snapshot } }
  const ahead = workAhead(tables, tablesAhead(cast.scanners), (table) =>
    condense(cast.scanners, side, table),
  )
  return {
    condensed: (target) => ahead.result(target),
    close: async () => {
      await ahead.stop()
      await witness.close()
    },
  }
}

/** Enough to keep the threads busy; the ranges of thousands of tables are not all asked for at once. */
export function tablesAhead(scanners: Scanners): number {
  return 4 * scanners.threads
}
