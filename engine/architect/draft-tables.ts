/** Which tables are carried, under which names, and what type each column gets. */
import { displayName } from '@sensei/core/display'
import type { Survey, SurveyColumn, SurveyObject, SurveyTable } from '@sensei/core/survey'
import { decideColumn } from './columns.ts'
import type { Decision } from './decision.ts'
import type { ColumnDraft, Notes, TableDraft } from './drafts.ts'
import { isFrameworkTable } from './frameworks.ts'
import { columnId, type Decisions, harmonize } from './harmony.ts'
import { judgeOverride } from './judge.ts'
import { isRowidAlias } from './keys.ts'
import { foldName, mapColumnNames, mapNames, Namespace } from './names.ts'
import { type ColumnOverride, LEFT_OUT, type Overrides } from './overrides.ts'

export interface DraftedTables {
  readonly tables: readonly TableDraft[]
  readonly tablesByName: ReadonlyMap<string, TableDraft>
  /** The views of the source with the names that they get. */
  readonly views: readonly { readonly source: SurveyObject; readonly target: string }[]
}

export function draftTables(
  survey: Survey,
  append: boolean,
  overrides: Overrides | null,
  relations: Namespace,
  notes: Notes,
): DraftedTables {
  const found = carriedTables(survey, append, notes)
  const usable = survey.objects
    .filter((object) => object.kind === 'view' && object.broken === null)
    .sort(byName)
  const own = mapNames(
    [...found, ...usable].map((object) => object.name),
    new Namespace(),
  )
  const carried = keepWanted(
    found,
    'table',
    (name) => overrides === null || overrides.tables.has(name),
    notes,
  )
  const views = keepWanted(
    usable,
    'view',
    (name) => overrides?.withoutViews.has(name) !== true,
    notes,
  )
  const targetOf = (name: string): string =>
    overrides?.tables.get(name)?.target ?? overrides?.views.get(name) ?? own.get(name) ?? name
  for (const { name } of [...carried, ...views]) {
    relations.reserve(targetOf(name))
    noteRename(notes, 'name', name, targetOf(name), name)
  }
  const decisions = decideColumns(carried, overrides)
  const tables = carried.map((source) =>
    draftTable(
      { source, target: targetOf(source.name), namedAfter: own.get(source.name) ?? source.name },
      overrides,
      decisions,
      notes,
    ),
  )
  reserveSequences(tables, relations)
  return {
    tables,
    tablesByName: new Map(tables.map((table) => [foldName(table.source.name), table])),
    views: views.map((source) => ({ source, target: targetOf(source.name) })),
  }
}

/** PostgreSQL names the sequence of an identity column by itself, in the namespace of the tables. */
function reserveSequences(tables: readonly TableDraft[], relations: Namespace): void {
  for (const table of tables) {
    for (const column of table.columns) {
      if (isRowidAlias(table, column)) relations.reserve(`${table.target}_${column.target}_seq`)
    }
  }
}

function carriedTables(survey: Survey, append: boolean, notes: Notes): readonly SurveyTable[] {
  const leaves = (table: SurveyTable): boolean => append && isFrameworkTable(table.name)
  for (const table of survey.tables.filter(leaves)) {
    const reason =
      "a framework's own record of its migrations; with --append the target's own is left alone"
    notes.skipped.push({ kind: 'table', name: table.name, table: null, reason, sql: table.sql })
  }
  return survey.tables.filter((table) => !leaves(table)).sort(byName)
}

function keepWanted<T extends { readonly name: string; readonly sql: string | null }>(
  objects: readonly T[],
  kind: string,
  wanted: (name: string) => boolean,
  notes: Notes,
): readonly T[] {
  for (const { name, sql } of objects.filter((object) => !wanted(object.name))) {
    notes.skipped.push({ kind, name, table: null, reason: LEFT_OUT, sql })
  }
  return objects.filter((object) => wanted(object.name))
}

function byName(left: { readonly name: string }, right: { readonly name: string }): number {
  return left.name < right.name ? -1 : left.name > right.name ? 1 : 0
}

/** The architect's own decisions, which foreign keys then reconcile; a person's wish stands above them. */
function decideColumns(tables: readonly SurveyTable[], overrides: Overrides | null): Decisions {
  const keyed = keyedColumns(tables)
  const decisions: Decisions = new Map()
  for (const table of tables) {
    const indexed = indexedColumns(table)
    for (const column of table.columns) {
      const id = columnId(table.name, column.name)
      const use = {
        notNull: column.notNull,
        inKey: keyed.has(id),
        indexed: indexed.has(foldName(column.name)),
      }
      decisions.set(id, decideColumn(column, use))
    }
  }
  harmonize(tables, decisions)
  for (const table of overrides === null ? [] : tables) {
    for (const column of table.columns) {
      const wanted = overrides?.tables.get(table.name)?.columns.get(column.name)
      const id = columnId(table.name, column.name)
      const own = decisions.get(id)
      if (wanted !== undefined && own !== undefined && !isSame(own, wanted)) {
        decisions.set(id, judgeOverride(table.name, column, wanted))
      }
    }
  }
  return decisions
}

function isSame(own: Decision, wanted: ColumnOverride): boolean {
  return (
    wanted.expression === undefined &&
    own.type === wanted.type &&
    own.conversion === wanted.conversion &&
    own.unfit === wanted.unfit &&
    JSON.stringify(own.formats) === JSON.stringify(wanted.formats)
  )
}

/** Columns in keys of any kind, on both sides of foreign keys and in unique indexes. */
function keyedColumns(tables: readonly SurveyTable[]): ReadonlySet<string> {
  const ids = new Set<string>()
  for (const table of tables) {
    const keys = [table.primaryKey, ...table.uniques, ...table.foreignKeys]
    for (const key of keys)
      for (const column of key?.columns ?? []) ids.add(columnId(table.name, column))
    for (const index of table.indexes.filter((candidate) => candidate.unique)) {
      for (const part of index.parts)
        if (part.column !== null) ids.add(columnId(table.name, part.column))
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

function draftTable(
  base: Pick<TableDraft, 'source' | 'target' | 'namedAfter'>,
  overrides: Overrides | null,
  decisions: Decisions,
  notes: Notes,
): TableDraft {
  const { source: table } = base
  const wishes = overrides?.tables.get(table.name)?.columns ?? null
  const names = mapColumnNames(table.columns.map((column) => column.name))
  const columns: ColumnDraft[] = []
  for (const source of inWantedOrder(table, wishes)) {
    const override = wishes?.get(source.name) ?? null
    const namedAfter = names.get(source.name) ?? source.name
    const target = override?.target ?? namedAfter
    const decision = decisions.get(columnId(table.name, source.name)) ?? decideColumn(source, FREE)
    noteRename(notes, 'column', source.name, target, `${table.name}.${source.name}`)
    noteDecision(notes, table, source.name, decision, override)
    columns.push({ source, target, namedAfter, decision, override })
  }
  for (const column of table.columns.filter((each) => wishes !== null && !wishes.has(each.name))) {
    notes.skipped.push({
      kind: 'column',
      name: column.name,
      table: table.name,
      reason: LEFT_OUT,
      sql: column.declared,
    })
  }
  return {
    ...base,
    columns,
    columnsByName: new Map(columns.map((column) => [foldName(column.source.name), column])),
  }
}

const FREE = { notNull: false, inKey: false, indexed: false }

function inWantedOrder(
  table: SurveyTable,
  wishes: ReadonlyMap<string, ColumnOverride> | null,
): readonly SurveyColumn[] {
  if (wishes === null) return table.columns
  const byName = new Map(table.columns.map((column) => [column.name, column]))
  return [...wishes.keys()].flatMap((name) => byName.get(name) ?? [])
}

function noteDecision(
  notes: Notes,
  table: SurveyTable,
  column: string,
  decision: Decision,
  override: ColumnOverride | null,
): void {
  for (const loss of decision.losses) notes.losses.push({ ...loss, table: table.name, column })
  for (const finding of decision.findings)
    notes.findings.push({ ...finding, table: table.name, column })
  if (override?.expression !== undefined) {
    const note = `computed by the source: ${override.expression}`
    notes.converted.push({ kind: 'computed column', name: `${table.name}.${column}`, note })
  }
}

function noteRename(notes: Notes, kind: string, from: string, to: string, name: string): void {
  if (from === to) return
  notes.converted.push({ kind, name, note: `its name becomes ${displayName(to)}` })
}
