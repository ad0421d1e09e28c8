/**
 * Cuts a chunk into batches. Where the rowids lie close together their numbers alone make the cuts; otherwise each cut is
 * looked for, which walks over the keys of the batch once more.
 */
import type { KeyRange } from './key-space.ts'

/** Numbers per row up to which counting is cheaper than looking; a batch may then have as many times its usual rows. */
const SPARSE = 4

export interface RowidBounds {
  readonly min: bigint
  readonly max: bigint
}

export function* countedParts(
  range: KeyRange,
  bounds: RowidBounds,
  rowsEstimated: number,
  rowsMax: number,
): Generator<KeyRange> {
  const numbersPerRow = Number(bounds.max - bounds.min + 1n) / rowsEstimated
  const step = BigInt(Math.floor(rowsMax * Math.max(1, numbersPerRow)))
  let after = range.after
  for (let last = bounds.min + step - 1n; last < bounds.max; last += step) {
    const through = [['i', String(last)]]
    yield { after, through }
    after = through
  }
  yield { after, through: range.through }
}

export function liesClose({ min, max }: RowidBounds, rowsEstimated: number): boolean {
  return rowsEstimated > 0 && Number(max - min + 1n) <= rowsEstimated * SPARSE
}

/** `keyAt` finds the key of the last row of the next batch, or null when there are not as many. */
export function* soughtParts(
  range: KeyRange,
  keyAt: (rest: KeyRange) => KeyRange['after'],
): Generator<KeyRange> {
  let after = range.after
  for (;;) {
    const through = keyAt({ after, through: range.through })
    yield { after, through: through ?? range.through }
    if (through === null) return
    after = through
  }
}
