/** Indexes: plain, partial and over expressions. */
import type { IndexMapping } from '@sensei/core/plan'
import { displayName } from '@sensei/core/display'
import type { SurveyIndex } from '@sensei/core/survey'
import { noteCollisions } from './collisions.ts'
import { type ColumnDraft, columnOf, type Draft, type TableDraft } from './drafts.ts'
import {
  collationFinding,
  collationOf,
  foldedPart,
  INDEX_BYTES_MAX,
  isUnordered,
  widest,
} from './keys.ts'
import { tableContext } from './scope.ts'
import { attempt, refuse } from './sql/refuse.ts'
import { translateExpression } from './sql/translate.ts'
import { asBoolean } from './sql/value.ts'

export function mapIndexes(draft: Draft, table: TableDraft): readonly IndexMapping[] {
  const indexes: IndexMapping[] = []
  for (const index of table.source.indexes) {
    const { value, reason } = attempt(() => translateIndex(draft, table, index))
    if (value === null) {
      draft.notes.skipped.push({
        kind: 'index',
        name: index.name,
        table: table.source.name,
        reason,
        sql: index.sql,
      })
      continue
    }
    const name = draft.relations.claim(index.name)
    if (name !== index.name) {
      const note = `its name is taken or too long in PostgreSQL; it becomes ${name}`
      draft.notes.converted.push({ kind: 'index', name: index.name, note })
    }
    indexes.push({ name, ...value })
  }
  return indexes
}

function translateIndex(
  draft: Draft,
  table: TableDraft,
  index: SurveyIndex,
): Omit<IndexMapping, 'name'> {
  const columns = index.parts.map((part) =>
    part.column === null ? null : carried(table, part.column),
  )
  const bytes = columns.reduce((sum, column) => sum + (column === null ? 0 : widest(column)), 0)
  if (bytes > INDEX_BYTES_MAX) {
    return refuse(`its longest value has ${bytes} bytes, more than PostgreSQL can hold in an index`)
  }
  const parts = index.parts.map((part, at) => {
    const column = columns[at] ?? null
    const sql =
      column === null ? expressionPart(table, part.expression) : columnPart(column, part.collation)
    return part.descending ? `${sql} desc` : sql
  })
  const where =
    index.where === null ? null : asBoolean(translateExpression(index.where, tableContext(table)))
  noteCollations(draft, table, index, columns)
  if (index.unique) noteCollisions(draft, table, columns, `the index ${displayName(index.name)}`)
  return { unique: index.unique, parts, where }
}

function carried(table: TableDraft, name: string): ColumnDraft {
  const column = columnOf(table, name)
  if (column === null) return refuse(`its column ${displayName(name)} is not carried`)
  if (isUnordered(column))
    return refuse(`its column ${displayName(name)} becomes json, which has no order`)
  return column
}

function columnPart(column: ColumnDraft, collation: string | null): string {
  return foldedPart(column, collationOf(collation ?? column.source.collation))
}

function expressionPart(table: TableDraft, expression: string | null): string {
  if (expression === null) return refuse('a part of it is unknown')
  const { sql, literal } = translateExpression(expression, tableContext(table))
  return literal === null ? `(${sql})` : refuse('a part of it is a constant')
}

function noteCollations(
  draft: Draft,
  table: TableDraft,
  index: SurveyIndex,
  columns: readonly (ColumnDraft | null)[],
): void {
  const collations = index.parts.map((part, at) => {
    const column = columns[at] ?? null
    if (column === null || column.decision.type !== 'text') return 'BINARY'
    return collationOf(part.collation ?? column.source.collation)
  })
  if (collations.every((collation) => collation === 'BINARY')) return
  const folded = index.parts.find((_, at) => collations[at] !== 'BINARY')
  draft.notes.findings.push(collationFinding(table, folded?.column ?? null, collations))
}
