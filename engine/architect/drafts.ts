/** What the rooms of the architect share while one plan is made. */
import type { DeclaredLoss } from '@sensei/core/losses'
import type { ConvertedObject, Finding, SkippedObject } from '@sensei/core/plan'
import type { SurveyColumn, SurveyTable } from '@sensei/core/survey'
import type { Decision } from './decision.ts'
import { foldName, type Namespace } from './names.ts'
import type { ColumnOverride } from './overrides.ts'

export interface ColumnDraft {
  readonly source: SurveyColumn
  readonly target: string
  /** Its part in the names of constraints: the target name before any edit. */
  readonly namedAfter: string
  readonly decision: Decision
  /** What an edited plan wants; null for a plan of our own. */
  readonly override: ColumnOverride | null
}

export interface TableDraft {
  readonly source: SurveyTable
  readonly target: string
  /** From which its constraints get their names: the target name before any edit, so that an edit renames no other. */
  readonly namedAfter: string
  readonly columns: readonly ColumnDraft[]
  /** By folded source name. */
  readonly columnsByName: ReadonlyMap<string, ColumnDraft>
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
  /** By folded source name. */
  readonly tablesByName: ReadonlyMap<string, TableDraft>
  /** Tables, views, indexes, primary keys, unique constraints: PostgreSQL keeps one namespace for them. */
  readonly relations: Namespace
  readonly notes: Notes
}

export function columnOf(table: TableDraft, name: string): ColumnDraft | null {
  return table.columnsByName.get(foldName(name)) ?? null
}

/** All columns, or null when one of them is not carried. */
export function columnsOf(
  table: TableDraft,
  names: readonly string[],
): readonly ColumnDraft[] | null {
  const columns = names.map((name) => columnOf(table, name))
  return columns.every((column) => column !== null) ? columns : null
}

export function tableOf(draft: Pick<Draft, 'tablesByName'>, name: string): TableDraft | null {
  return draft.tablesByName.get(foldName(name)) ?? null
}
