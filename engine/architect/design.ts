/**
 * Survey -> Plan, without any I/O: every object of the source ends as carried, converted or skipped with a reason,
 * and every value that would arrive other than it left is declared.
 */
import type { Plan } from '@sensei/core/plan'
import type { Survey } from '@sensei/core/survey'
import { draftTables } from './draft-tables.ts'
import type { Draft, Notes } from './drafts.ts'
import { checkSchema, Namespace } from './names.ts'
import type { Overrides } from './overrides.ts'
import { skipObjects } from './objects.ts'
import { mapTables } from './tables.ts'
import { mapViews } from './views.ts'

export interface DesignOptions {
  /** The schema asked for; `public` for SQLite unless said otherwise. */
  readonly schema: string
  /** Load into tables that exist already; a framework's own tables are then left out. */
  readonly append: boolean
}

/** `overrides` are the wishes of an edited plan (./edited.ts); without them every decision is the architect's. */
export function design(
  survey: Survey,
  options: DesignOptions,
  overrides: Overrides | null = null,
): Plan {
  const notes: Notes = { skipped: [], converted: [], losses: [], findings: [] }
  const relations = new Namespace()
  const { schema } = options
  checkSchema(schema)
  const { tables, tablesByName, views } = draftTables(
    survey,
    options.append,
    overrides,
    relations,
    notes,
  )
  const draft: Draft = { schema, tables, tablesByName, relations, notes }
  const mapped = mapTables(survey, draft)
  const mappedViews = mapViews(survey, draft, views)
  skipObjects(survey, notes)
  return {
    plan_version: 1,
    source: {
      engine: survey.engine,
      url: survey.url,
      schema_fingerprint: survey.schemaFingerprint,
    },
    target: { schema },
    append: options.append,
    tables: mapped,
    views: mappedViews,
    ...sorted(notes),
  }
}

/** One order for one content, so that equal surveys give equal plans. */
function sorted(notes: Notes): Notes {
  return {
    skipped: notes.skipped.sort(
      by((item) => [item.kind, item.table ?? '', item.name, item.sql ?? '']),
    ),
    converted: notes.converted.sort(by((item) => [item.kind, item.name, item.note])),
    losses: notes.losses.sort(by((item) => [item.rule, item.table, item.column])),
    findings: notes.findings.sort(
      by((item) => [item.table ?? '', item.column ?? '', item.code, item.message]),
    ),
  }
}

function by<T>(parts: (item: T) => readonly string[]): (left: T, right: T) => number {
  return (left, right) => {
    const [a, b] = [JSON.stringify(parts(left)), JSON.stringify(parts(right))]
    return a < b ? -1 : a > b ? 1 : 0
  }
}
