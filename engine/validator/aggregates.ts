/** What each engine computed by itself, side by side. */
import { wantedAggregates } from '@sensei/core/canonical/aggregates'
import type { Aggregate } from '@sensei/core/ports/witness'
import type { AggregateComparison } from '@sensei/core/verdict'
import type { TablePair } from './table.ts'

/** Where rows were rejected, the engines see different rows: then only the number of rows can be compared. */
export function compareAggregates(pair: TablePair, rowsSource: number): AggregateComparison[] {
  const { table, source, target, rejects } = pair
  const rejected = rejects.length > 0 || source.buckets.rejected > 0
  return wantedAggregates(table).flatMap(({ column, name }): AggregateComparison[] => {
    const of = (aggregates: readonly Aggregate[]): Aggregate | undefined =>
      aggregates.find((one) => one.column === (column?.target ?? null) && one.name === name)
    const [one, other] = [of(source.aggregates), of(target.aggregates)]
    if (one === undefined || other === undefined || (rejected && name !== 'rows')) return []
    const value = name === 'rows' ? lessRejects(one.value, rejects.length, rowsSource) : one.value
    return [
      {
        column: column?.target ?? null,
        name,
        source: value,
        target: other.value,
        equal: value === other.value,
      },
    ]
  })
}

/** The engine counted by itself what the scan must have seen. */
function lessRejects(rows: string | null, rejects: number, scanned: number): string {
  return Number(rows) === scanned
    ? String(scanned - rejects)
    : `${rows} (but ${scanned} were scanned)`
}
