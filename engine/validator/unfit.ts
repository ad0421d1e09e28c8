/**
 * Rows of the source that the target's types cannot represent, found by their key in the target. The scan leaves them out,
 * so a strict comparison sees only rows that the target has too many. Read again with its unfit cells empty, such a row
 * names by column what the target has instead.
 */
import type { RowDifference } from '@sensei/core/verdict'
import { type DifferencePair, type DifferingRow, differences } from './differing.ts'

const KEYS_MAX = 100_000

/** What a strict comparison found, gathered as it goes. */
export class StrictFindings {
  readonly rows: Record<RowDifference['kind'], number> = { missing: 0, extra: 0, changed: 0 }
  /** Of the rows that only the target has, as far as they are held. */
  readonly #extra = new Set<string>()

  add({ kind, key, times }: DifferingRow): void {
    this.rows[kind] += times
    if (kind === 'extra' && this.#extra.size < KEYS_MAX) this.#extra.add(keyText(key))
  }

  hadExtra(key: Uint8Array): boolean {
    return this.#extra.has(keyText(key))
  }
}

export interface UnfitRows {
  /** Unfit values against NULL: read with its cell empty, such a row looks equal. */
  readonly hidden: number
  /** All unfit rows that are told of by now. */
  readonly told: number
}

/** Finds all differences again, unfit rows among them; `add` is told which of them were left out before. */
export async function differencesWithUnfit(
  pair: DifferencePair,
  strict: StrictFindings,
  add: (row: DifferingRow, leftOut: boolean) => void,
): Promise<UnfitRows> {
  const key = pair.table.key ?? []
  const columns = pair.table.columns.map((column) =>
    key.includes(column.target) ? column : { ...column, unfit: 'null' as const },
  )
  const rows = { missing: 0, extra: 0, changed: 0 }
  for await (const row of differences({ ...pair, sourceTable: { ...pair.table, columns } })) {
    rows[row.kind] += row.times
    add(row, row.kind === 'changed' && strict.hadExtra(row.key))
  }
  const paired = strict.rows.extra - rows.extra
  return {
    hidden: paired - (rows.changed - strict.rows.changed),
    told: paired + rows.missing - strict.rows.missing,
  }
}

function keyText(key: Uint8Array): string {
  return Buffer.from(key).toString('latin1')
}
