/** What the rooms of the architect share while one plan is made. */
import type { DeclaredLoss } from '@sensei/core/losses'
import type { ConvertedObject, Finding, SkippedObject } from '@sensei/core/plan'
import type { SurveyColumn, SurveyTable } from '@sensei/core/survey'
import type { Decision } from './decision.ts'
import { foldName, type Namespace } from './names.ts'

export interface ColumnDraft {
  readonly source: SurveyColumn
  readonly target: string
  readonly decision: Decision
}

export interface TableDraft {
  readonly source: SurveyTable
  readonly target: string
  readonly columns: readonly ColumnDraft[]
}

/** Everything that a plan says beside its mappings, gathered while they are made. */
export interface Notes {
  readonly skipped: SkippedObject[]
  readonly converted: ConvertedObject[]
  readonly losses: DeclaredLoss[]
  readonly findings: Finding[]
}

/** The whole under construction. */
export interface Draft {
  readonly schema: string
  readonly tables: readonly TableDraft[]
  /** Tables, views, indexes, primary keys, unique constraints: PostgreSQL keeps one namespace for them. */
  readonly relations: Namespace
  readonly notes: Notes
}

export function columnOf(table: TableDraft, name: string): ColumnDraft | null {
  const folded = foldName(name)
  return table.columns.find((column) => foldName(column.source.name) === folded) ?? null
}

/** All columns, or null when one of them is not carried. */
export function columnsOf(table: TableDraft, names: readonly string[]): readonly ColumnDraft[] | null {
  const columns = names.map((name) => columnOf(table, name))
  return columns.every((column) => column !== null) ? columns : null
}

export function tableOf(draft: Pick<Draft, 'tables'>, name: string): TableDraft | null {
  const folded = foldName(name)
  return draft.tables.find((table) => foldName(table.source.name) === folded) ?? null
}
