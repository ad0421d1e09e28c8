/** Views: those whose SQL means the same are carried; the others are listed with their text. */
import type { ViewMapping } from '@sensei/core/plan'
import { quoteQualified } from '@sensei/core/sql'
import type { Survey, SurveyObject } from '@sensei/core/survey'
import type { DraftedTables } from './draft-tables.ts'
import { columnsOf, type Draft, type TableDraft, tableOf } from './drafts.ts'
import { foldName, mapNames, Namespace } from './names.ts'
import { columnValue } from './scope.ts'
import type { Relation } from './sql/from.ts'
import { parseView } from './sql/parse-select.ts'
import { attempt, refuse } from './sql/refuse.ts'
import { selectList, translateSelect } from './sql/translate-select.ts'

/** Views that read views come behind them. */
export function mapViews(
  survey: Survey,
  draft: Draft,
  views: DraftedTables['views'],
): readonly ViewMapping[] {
  const done = new Map<string, Relation>()
  const mapped: ViewMapping[] = []
  const byName = new Map(survey.objects.map((object) => [foldName(object.name), object]))
  for (const { source, target } of inReadingOrder(views)) {
    const { value, reason } = attempt(() => mapView(survey, draft, done, source, target))
    if (value === null) {
      draft.notes.skipped.push({
        kind: 'view',
        name: source.name,
        table: null,
        reason,
        sql: source.sql,
      })
      continue
    }
    mapped.push({ ...value.mapping, reads: tablesRead(source, byName) })
    done.set(foldName(source.name), value.relation)
  }
  return mapped
}

/** Through the views that it reads; those that read in a circle were refused by the source. */
function tablesRead(
  view: SurveyObject,
  objects: ReadonlyMap<string, SurveyObject>,
): readonly string[] {
  const tables = (view.reads ?? []).flatMap((name) => {
    const read = objects.get(foldName(name))
    return read?.kind === 'view' ? tablesRead(read, objects) : [name]
  })
  return [...new Set(tables)].toSorted()
}

function mapView(
  survey: Survey,
  draft: Draft,
  done: ReadonlyMap<string, Relation>,
  source: SurveyObject,
  target: string,
) {
  if (source.sql === null) return refuse('its text is not known')
  const { select, body } = parseView(source.sql)
  const lookUp = (name: string): Relation | null =>
    done.get(foldName(name)) ?? tableRelation(survey, draft, name)
  const { columns, tail, distinct } = translateSelect(select, lookUp)
  const names = mapNames(
    columns.map((column) => column.name),
    new Namespace(),
  )
  const named = columns.map(({ name, value }) => ({ name, target: names.get(name) ?? name, value }))
  for (const column of named.filter((each) => each.name !== each.target)) {
    const note = `PostgreSQL cannot use this name; it becomes ${column.target}`
    draft.notes.converted.push({ kind: 'column', name: `${source.name}.${column.name}`, note })
  }
  const relation: Relation = {
    sql: quoteQualified(draft.schema, target),
    columns: named.map(({ name, target: column, value }) => ({
      name,
      target: column,
      read: (sql) => ({ ...value, sql, literal: null, aggregated: false }),
    })),
    key: null,
  }
  const target_sql = `select ${distinct ? 'distinct ' : ''}${selectList(named)} ${tail}`.trim()
  return { relation, mapping: { source: source.name, target, source_sql: body, target_sql } }
}

function tableRelation(survey: Survey, draft: Draft, name: string): Relation | null {
  const table = tableOf(draft, name)
  if (
    table === null ||
    survey.objects.some(
      (object) => object.kind === 'view' && foldName(object.name) === foldName(name),
    )
  ) {
    return null
  }
  return {
    sql: quoteQualified(draft.schema, table.target),
    columns: table.columns.map((column) => ({
      name: column.source.name,
      target: column.target,
      read: (sql) => columnValue(column, sql),
    })),
    key: keyOf(table),
  }
}

/** SQLite lets NULL into a primary key, more than once. */
function keyOf(table: TableDraft): readonly string[] | null {
  const columns = columnsOf(table, table.source.primaryKey?.columns ?? [])
  if (columns === null || columns.length === 0) return null
  if (columns.some(({ source }) => source.profile.census.null > 0)) return null
  return columns.map(({ source }) => source.name)
}

/** Depth first over what each view reads; a circle cannot loop, since no view is visited twice. */
function inReadingOrder(views: DraftedTables['views']): DraftedTables['views'] {
  const byName = new Map(views.map((view) => [foldName(view.source.name), view]))
  const visited = new Set<string>()
  const ordered: DraftedTables['views'][number][] = []
  const visit = (name: string): void => {
    const view = byName.get(name)
    if (view === undefined || visited.has(name)) return
    visited.add(name)
    for (const read of view.source.reads ?? []) visit(foldName(read))
    ordered.push(view)
  }
  for (const name of byName.keys()) visit(name)
  return ordered
}
