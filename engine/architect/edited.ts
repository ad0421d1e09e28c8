/**
 * A plan that a person edited, made into one that can be run. What may be edited is read off as wishes, the architect
 * designs again under them, and so every key, SQL text, loss and note follows from the survey and the wishes: no SQL
 * out of a plan file reaches the target, but for expressions that the source evaluates.
 */
import { displayName } from '@sensei/core/display'
import { SenseiError } from '@sensei/core/errors'
import type { ColumnMapping, Plan, TableMapping } from '@sensei/core/plan'
import { checkEditedPlan, checkPlan } from '@sensei/core/plan-check'
import type { Survey, SurveyColumn } from '@sensei/core/survey'
import { checkChosen, type Patterns } from './chosen.ts'
import { design } from './design.ts'
import { checkDerived, formerSchema, prune } from './derived.ts'
import type { ColumnOverride, Overrides, TableOverride } from './overrides.ts'

/**
 * Throws PLAN_INVALID with the place and what to do, PLAN_SOURCE_MISMATCH when the plan is of another schema, USAGE when the
 * patterns that the survey was made by leave out what the plan carries.
 */
export function applyPlan(survey: Survey, edited: unknown, patterns: Patterns = ALL): Plan {
  const plan = checkEditedPlan(edited)
  checkSource(survey, plan)
  checkChosen(plan, survey, patterns)
  const designs = redesign(survey, plan)
  const before = formerSchema(plan)
  const former =
    before === null ? [] : Object.values(redesign(survey, { ...plan, target: { schema: before } }))
  checkDerived(plan, [...Object.values(designs), ...former])
  return pruned(designs, plan)
}

const ALL: Patterns = { include: [], exclude: [] }

/**
 * A plan of ours, drawn again from what the source holds now. What follows from values (the next identity, which foreign
 * keys have orphans) may have changed since, and is for the caller to judge.
 */
export function redrawPlan(survey: Survey, plan: Plan): Plan {
  checkSource(survey, plan)
  return pruned(redesign(survey, plan), plan)
}

function checkSource(survey: Survey, plan: Plan): void {
  if (plan.source.schema_fingerprint !== survey.schemaFingerprint) {
    throw new SenseiError(
      'PLAN_SOURCE_MISMATCH',
      'The plan was made for another schema than the source has now. Make a new plan with `sensei plan` and edit that.',
    )
  }
}

interface Designs {
  /** Without any edit but that of the schema. */
  readonly own: Plan
  readonly redesigned: Plan
}

function redesign(survey: Survey, plan: Plan): Designs {
  const options = { schema: plan.target.schema, append: plan.append }
  const own = design(survey, options)
  return { own, redesigned: design(survey, options, readOverrides(survey, own, plan)) }
}

function pruned({ own, redesigned }: Designs, plan: Plan): Plan {
  return checkPlan(prune(redesigned, own, plan))
}

function readOverrides(survey: Survey, own: Plan, plan: Plan): Overrides {
  const tables = new Map<string, TableOverride>()
  for (const table of plan.tables) {
    const base = own.tables.find((candidate) => candidate.source === table.source)
    const source = survey.tables.find((candidate) => candidate.name === table.source)
    if (base === undefined || source === undefined) {
      throw invalid(
        `the source has no table ${displayName(table.source)} that this plan could carry`,
      )
    }
    tables.set(table.source, readTable(table, base, source.columns))
  }
  const views = new Map<string, string>()
  for (const view of plan.views) {
    if (!own.views.some((candidate) => candidate.source === view.source)) {
      throw invalid(
        `the view ${displayName(view.source)} cannot be carried; see the plan's list of what is skipped`,
      )
    }
    views.set(view.source, view.target)
  }
  const withoutViews = new Set(
    own.views.map((view) => view.source).filter((name) => !views.has(name)),
  )
  return { tables, views, withoutViews }
}

function readTable(
  table: TableMapping,
  base: TableMapping,
  sources: readonly SurveyColumn[],
): TableOverride {
  const columns = new Map<string, ColumnOverride>()
  for (const column of table.columns) {
    if (column.source === null) {
      const own = base.columns.some(
        (candidate) => candidate.source === null && candidate.target === column.target,
      )
      if (!own) throw invalid(`${place(table, column)} has no source; a plan cannot add columns`)
      continue
    }
    const source = sources.find((candidate) => candidate.name === column.source)
    const before = base.columns.find((candidate) => candidate.source === column.source)
    if (source === undefined || before === undefined)
      throw invalid(`the source has no column ${place(table, column)}`)
    columns.set(column.source, readColumn(table, column, before, source))
  }
  return { target: table.target, columns }
}

function readColumn(
  table: TableMapping,
  column: ColumnMapping,
  before: ColumnMapping,
  source: SurveyColumn,
): ColumnOverride {
  const nulls = source.profile.census.null
  if (!column.nullable && before.nullable && (nulls > 0 || column.expression !== undefined)) {
    throw invalid(
      `${place(table, column)} holds ${nulls} NULLs or is computed, so it cannot be made NOT NULL`,
    )
  }
  return {
    target: column.target,
    type: column.type,
    conversion: column.conversion,
    formats: column.formats,
    unfit: column.unfit,
    nullable: column.nullable,
    withoutDefault: column.default === null && before.default !== null,
    withoutIdentity: column.identity === null && before.identity !== null,
    withoutGenerated: column.generated === null && before.generated !== null,
    expression: column.expression,
  }
}

function place(table: TableMapping, column: ColumnMapping): string {
  return `${displayName(table.source)}.${displayName(column.source ?? column.target)}`
}

function invalid(problem: string): SenseiError {
  return new SenseiError('PLAN_INVALID', `This plan does not suit the source: ${problem}`)
}
