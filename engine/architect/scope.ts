/** The columns of one table, as its checks, indexes and generated columns see them. */
import { displayName } from '@sensei/core/display'
import { quoteIdent } from '@sensei/core/sql'
import type { ColumnProfile } from '@sensei/core/survey'
import { type ColumnDraft, columnOf, type TableDraft } from './drafts.ts'
import { collationOf } from './keys.ts'
import { refuse } from './sql/refuse.ts'
import type { Context, Kind, Value } from './sql/value.ts'

/** What a column's value is to the translator: anything whose text the migration may change is `other`. */
export function kindOf(column: Pick<ColumnDraft, 'source' | 'decision' | 'override'>): Kind {
  const { conversion, formats, losses } = column.decision
  if (column.override?.expression !== undefined) return 'other'
  switch (conversion) {
    case 'integer':
      return 'integer'
    case 'boolean':
      return 'boolean'
    case 'real':
      return 'float'
    case 'decimal':
      return losses.length > 0 ? 'other' : 'numeric'
    case 'text':
      return 'text'
    case 'bytes':
      return 'bytes'
    case 'uuid':
      return 'uuid'
    case 'json':
      return 'json'
    case 'date':
      return formats?.length === 1 && formats[0] === 'date-iso' && losses.length === 0
        ? 'date'
        : 'other'
    case 'timestamp':
      return losses.length === 0 && isPlain(column.source.profile) ? 'timestamp' : 'other'
    default:
      return 'other'
  }
}

/** Every moment is written as PostgreSQL writes it, so that texts and moments are equal and in order alike. */
function isPlain(profile: ColumnProfile): boolean {
  return (profile.text?.timestampsPlain ?? 0) === profile.census.text
}

/** For expressions that belong to a table: no aggregate, no second table, no guess. */
export function tableContext(table: TableDraft): Context {
  return {
    strict: true,
    aggregates: false,
    column: (qualifier, name, doubtful) => {
      if (qualifier !== null && qualifier.toLowerCase() !== table.source.name.toLowerCase()) {
        return refuse(`it names another table, ${qualifier}`)
      }
      const column = columnOf(table, name)
      if (column !== null) return columnValue(column, quoteIdent(column.target))
      return refuse(
        doubtful
          ? `"${name}" is no column, so SQLite takes it for a text`
          : `it names ${name}, which is no column that is carried`,
      )
    },
  }
}

export function columnValue(column: ColumnDraft, sql: string): Value {
  if (column.decision.unfit === 'null') {
    return refuse(`it reads ${displayName(column.source.name)}, some of whose values become NULL`)
  }
  const collation = collationOf(column.source.collation)
  return { sql, kind: kindOf(column), collation, collated: false, literal: null, aggregated: false }
}
