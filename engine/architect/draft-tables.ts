/** Which tables are carried, under which names, and what type each column gets. */
import { displayName } from '@sensei/core/display'
import type { Survey, SurveyObject, SurveyTable } from '@sensei/core/survey'
import { decideColumn } from './columns.ts'
import type { Decision } from './decision.ts'
import type { Notes, TableDraft } from './drafts.ts'
import { isFrameworkTable } from './frameworks.ts'
import { columnId, type Decisions, harmonize } from './harmony.ts'
import { foldName, mapColumnNames, mapNames, type Namespace } from './names.ts'

export interface DraftedTables {
  readonly tables: readonly TableDraft[]
  /** The views of the source with the names that they get. */
  readonly views: readonly { readonly source: SurveyObject; readonly target: string }[]
}

export function draftTables(survey: Survey, append: boolean, relations: Namespace, notes: Notes): DraftedTables {
  const carried = carriedTables(survey, append, notes)
  const views = survey.objects.filter((object) => object.kind === 'view' && object.broken === null).sort(byName)
  const names = [...carried, ...views].map((object) => object.name)
  const targets = mapNames(names, relations)
  const targetOf = (name: string): string => targets.get(name) ?? name
  for (const name of names) noteRename(notes, 'name', name, targetOf(name))
  const decisions = decideColumns(carried)
  const tables = carried.map((table) => draftTable(table, targetOf(table.name), decisions, notes))
  return { tables, views: views.map((source) => ({ source, target: targetOf(source.name) })) }
}

function carriedTables(survey: Survey, append: boolean, notes: Notes): readonly SurveyTable[] {
  const carried = survey.tables.filter((table) => !(append && isFrameworkTable(table.name)))
  for (const table of survey.tables) {
    if (carried.includes(table)) continue
    const reason = "a framework's own record of its migrations; with --append the target's own is left alone"
    notes.skipped.push({ kind: 'table', name: table.name, table: null, reason, sql: table.sql })
  }
  return carried.sort(byName)
}

function byName(left: { readonly name: string }, right: { readonly name: string }): number {
  return left.name < right.name ? -1 : left.name > right.name ? 1 : 0
}

function decideColumns(tables: readonly SurveyTable[]): Decisions {
  const keyed = keyedColumns(tables)
  const decisions: Decisions = new Map()
  for (const table of tables) {
    const indexed = indexedColumns(table)
    for (const column of table.columns) {
      const id = columnId(table.name, column.name)
      const use = { notNull: column.notNull, inKey: keyed.has(id), indexed: indexed.has(foldName(column.name)) }
      decisions.set(id, decideColumn(column, use))
    }
  }
  harmonize(tables, decisions)
  return decisions
}

/** Columns in keys of any kind, on both sides of foreign keys and in unique indexes. */
function keyedColumns(tables: readonly SurveyTable[]): ReadonlySet<string> {
  const ids = new Set<string>()
  for (const table of tables) {
    const keys = [table.primaryKey, ...table.uniques, ...table.foreignKeys]
    for (const key of keys) for (const column of key?.columns ?? []) ids.add(columnId(table.name, column))
    for (const index of table.indexes.filter((candidate) => candidate.unique)) {
      for (const part of index.parts) if (part.column !== null) ids.add(columnId(table.name, part.column))
    }
    for (const { references } of table.foreignKeys) {
      for (const column of references.columns) ids.add(columnId(references.table, column))
    }
  }
  return ids
}

function indexedColumns(table: SurveyTable): ReadonlySet<string> {
  const parts = table.indexes.flatMap((index) => index.parts)
  return new Set(parts.flatMap((part) => (part.column === null ? [] : [foldName(part.column)])))
}

function draftTable(table: SurveyTable, target: string, decisions: Decisions, notes: Notes): TableDraft {
  const names = mapColumnNames(table.columns.map((column) => column.name))
  const columns = table.columns.map((source) => {
    const mapped = names.get(source.name) ?? source.name
    noteRename(notes, 'column', source.name, mapped, table.name)
    const decision = decisions.get(columnId(table.name, source.name))
    return { source, target: mapped, decision: noted(decision ?? decideColumn(source, FREE), table, source.name, notes) }
  })
  return { source: table, target, columns }
}

const FREE = { notNull: false, inKey: false, indexed: false }

function noted(decision: Decision, table: SurveyTable, column: string, notes: Notes): Decision {
  for (const loss of decision.losses) notes.losses.push({ ...loss, table: table.name, column })
  for (const finding of decision.findings) notes.findings.push({ ...finding, table: table.name, column })
  return decision
}

function noteRename(notes: Notes, kind: string, from: string, to: string, table?: string): void {
  if (from === to) return
  const name = table === undefined ? from : `${table}.${from}`
  notes.converted.push({ kind, name, note: `PostgreSQL cannot use the name ${displayName(from) || 'of no letters'}; it becomes ${to}` })
}
