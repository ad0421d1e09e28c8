/**
 * Every row in which two sides differ. Only buckets that differ are looked at; both sides are scanned again for them, as
 * many buckets in one pass as fit into memory. Neither side's order matters.
 */
import { type BucketTable, type RowShape, rowShape } from '@sensei/core/canonical/buckets'
import type { Plan, TableMapping } from '@sensei/core/plan'
import type { Scanners } from '@sensei/core/ports/scanners'
import type { Source } from '@sensei/core/ports/source'
import type { Target } from '@sensei/core/ports/target'
import type { Witness } from '@sensei/core/ports/witness'
import type { Snapshot } from '@sensei/core/snapshot'
import { bucketsOf } from './buckets.ts'
import { comparable } from './comparable.ts'
import {
  HELD_BYTES,
  type HeldRow,
  HeldRows,
  type HeldRowTimes,
  hold,
  identityOf,
  rowsOf,
} from './held-rows.ts'

const PASS_BYTES_MAX = 64 * 1024 * 1024
const ROW_BYTES_MAX = 4096

export interface DifferingRow {
  readonly kind: 'missing' | 'extra' | 'changed'
  /** Canonical bytes of the key; of the whole row (as it is held) where there is no key. */
  readonly key: Uint8Array
  /** Null on the side that does not have it. */
  readonly source: HeldRow | null
  readonly target: HeldRow | null
  /** How often; more than once only where there is no key, or none that is unique. */
  readonly times: number
}

export interface DifferencePair {
  readonly table: TableMapping
  /** How the source is read, where that is otherwise: the same columns in the same order. */
  readonly sourceTable?: TableMapping
  readonly source: { readonly witness: Witness; readonly buckets: BucketTable }
  readonly target: { readonly witness: Witness; readonly buckets: BucketTable }
}

/** For a table whose two sides are known as buckets already. */
export async function* differences(pair: DifferencePair): AsyncGenerator<DifferingRow> {
  const { table, source, target } = pair
  const shape = rowShape(table)
  const rowBytes =
    Math.min(ROW_BYTES_MAX, Math.ceil(table.bytes / Math.max(1, table.rows)) + 8 * shape.columns) +
    HELD_BYTES
  let left = source.buckets.differing(target.buckets)
  while (left.length > 0) {
    let bytes = 0
    let count = 0
    for (const bucket of left) {
      bytes +=
        rowBytes *
        Math.max(source.buckets.counts[bucket] as number, target.buckets.counts[bucket] as number)
      if (count > 0 && bytes > PASS_BYTES_MAX) break
      count += 1
    }
    const chosen = new Uint8Array(2 ** source.buckets.bits)
    for (const bucket of left.slice(0, count)) chosen[bucket] = 1
    left = left.slice(count)
    yield* onePass(pair, chosen, shape)
  }
}

async function* onePass(
  pair: DifferencePair,
  chosen: Uint8Array,
  shape: RowShape,
): AsyncGenerator<DifferingRow> {
  const missing = new HeldRows()
  const extra = new HeldRows()
  const sourceTable = pair.sourceTable ?? pair.table
  for await (const { identity, row } of chosenRows(pair.source.witness, sourceTable, chosen, shape))
    missing.add(identity, row)
  for await (const { identity, row } of chosenRows(
    pair.target.witness,
    pair.table,
    chosen,
    shape,
  )) {
    if (!missing.remove(identity, row)) extra.add(identity, row)
  }
  for (const [identity, rows] of missing.rows) {
    yield* compared(identity, { source: rows, target: extra.rows.get(identity) ?? [] }, shape)
    extra.rows.delete(identity)
  }
  for (const [identity, rows] of extra.rows)
    yield* compared(identity, { source: [], target: rows }, shape)
}

async function* chosenRows(
  witness: Witness,
  table: TableMapping,
  chosen: Uint8Array,
  shape: RowShape,
): AsyncGenerator<{ identity: string; row: HeldRow }> {
  const bits = Math.log2(chosen.length)
  for (const range of await witness.split(table, 1)) {
    for await (const batch of witness.scan(table, range)) {
      for (const located of rowsOf(batch.bytes, shape, bits)) {
        if (chosen[located.bucket] !== 1) continue
        const row = hold(located)
        yield { identity: identityOf(row, located.keyEnd), row }
      }
    }
  }
}

interface Unmatched {
  readonly source: readonly HeldRowTimes[]
  readonly target: readonly HeldRowTimes[]
}

/** Rows of one key that have no equal on the other side: as changed as they can be paired, the rest missing or extra. */
function* compared(
  identity: string,
  { source, target }: Unmatched,
  shape: RowShape,
): Generator<DifferingRow> {
  const key = Buffer.from(identity, 'latin1')
  const [left, right] = [source.map((held) => ({ ...held })), target.map((held) => ({ ...held }))]
  while (left[0] !== undefined && right[0] !== undefined && shape.keyColumns > 0) {
    const times = Math.min(left[0].times, right[0].times)
    yield { kind: 'changed', key, source: left[0].row, target: right[0].row, times }
    for (const side of [left, right]) {
      const first = side[0] as HeldRowTimes
      first.times -= times
      if (first.times === 0) side.shift()
    }
  }
  for (const { row, times } of left)
    yield { kind: 'missing', key, source: row, target: null, times }
  for (const { row, times } of right) yield { kind: 'extra', key, source: null, target: row, times }
}

/** For the reconciler: both sides are scanned first. The target is read at one point in time throughout. */
export async function* differingRows(
  cast: { readonly source: Source; readonly target: Target; readonly scanners: Scanners },
  plan: Plan,
  snapshot: Snapshot,
  mapping: TableMapping,
): AsyncGenerator<DifferingRow> {
  const [table = mapping] = comparable({ ...plan, tables: [mapping], skipped: [] }).tables
  const source = await cast.source.openWitness(snapshot)
  const target = await cast.target.openWitness({ schema: plan.target.schema })
  try {
    const view = { schema: plan.target.schema, snapshot: target.snapshot }
    const [left, right] = await Promise.all([
      bucketsOf(cast.scanners, { witness: source, from: { side: 'source', snapshot } }, table),
      bucketsOf(cast.scanners, { witness: target, from: { side: 'target', view } }, table),
    ])
    await cast.scanners.release()
    yield* differences({
      table,
      source: { witness: source, buckets: left },
      target: { witness: target, buckets: right },
    })
  } finally {
    await cast.scanners.release()
    await target.close()
    await source.close()
  }
}
