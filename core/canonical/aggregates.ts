/**
 * Which aggregates both engines are asked for: only those that each computes exactly by itself, so that they can be
 * compared as strings. No sums of floats, no minima in the order of a collation.
 */
import { comparedColumns, type ColumnMapping, type TableMapping } from '../plan.ts'
import { canonicalType } from './types.ts'

export type AggregateName = 'rows' | 'not null' | 'sum' | 'min' | 'max' | 'true' | 'bytes'

export interface WantedAggregate {
  /** null: of the table itself. */
  readonly column: ColumnMapping | null
  readonly name: AggregateName
}

export function wantedAggregates(table: TableMapping): WantedAggregate[] {
  const columns = comparedColumns(table).flatMap((column) =>
    namesFor(column).map((name): WantedAggregate => ({ column, name })),
  )
  return [{ column: null, name: 'rows' }, ...columns]
}

function namesFor(column: ColumnMapping): AggregateName[] {
  // Where a conversion may turn a cell into NULL, the engines count different things.
  if (column.unfit === 'null') return []
  const type = canonicalType(column.type)
  switch (column.conversion) {
    case 'integer':
      return type?.tag === 'i' || type?.tag === 'd'
        ? ['not null', 'sum', 'min', 'max']
        : ['not null']
    case 'boolean':
      return ['not null', 'true']
    case 'bytes':
      return ['not null', 'bytes']
    case 'text':
      // char(n) loses the blanks at its end.
      return type?.name === 'text' || type?.name === 'varchar'
        ? ['not null', 'bytes']
        : ['not null']
    case 'json':
      return ['not null', 'bytes']
    default:
      return ['not null']
  }
}
