/** Survey and design: what is in the snapshot, and what shall become of it. */
import type { Plan } from '@sensei/core/plan'
import type { Progress } from '@sensei/core/ports/progress'
import type { Source } from '@sensei/core/ports/source'
import type { Snapshot } from '@sensei/core/snapshot'
import { design } from '../architect/design.ts'
import { applyPlan } from '../architect/edited.ts'
import type { MigrationOptions } from '../request.ts'
import { besideCheck } from '../scout/checked.ts'
import { survey } from '../scout/scout.ts'
import type { Survey } from '@sensei/core/survey'

interface Drawers {
  readonly source: Source
  readonly progress: Progress
}

/** How a plan is made of a survey. */
export type Drawing = (found: Survey) => Plan

/** `edited` is a plan file's content, or null: then the architect designs one. Throws PLAN_INVALID and the like. */
export function drawing(options: MigrationOptions, edited: unknown): Drawing {
  if (edited !== null && edited !== undefined) return (found) => applyPlan(found, edited, options)
  const { schema, append } = options
  return (found) => design(found, { schema, append })
}

export interface Drawn {
  readonly plan: Plan
  /** The one that was given, with what could not be checked among its notes. */
  readonly snapshot: Snapshot
}

/** Throws SOURCE_CORRUPT where the snapshot cannot be read reliably: there is no plan without that check. */
export async function drawPlan(
  cast: Drawers,
  snapshot: Snapshot,
  options: MigrationOptions,
  draw: Drawing,
  signal: AbortSignal,
): Promise<Drawn> {
  const checked = await besideCheck(cast.source, snapshot, signal, (either) =>
    survey(cast, snapshot, options, either),
  )
  const plan = draw(checked.found)
  await checkExpressions(cast.source, snapshot, plan)
  return { plan, snapshot: checked.snapshot }
}

async function checkExpressions(source: Source, snapshot: Snapshot, plan: Plan): Promise<void> {
  const computed = plan.tables.flatMap((table) =>
    table.columns.flatMap((column) =>
      column.expression === undefined
        ? []
        : [{ table: table.source, expression: column.expression }],
    ),
  )
  if (computed.length === 0) return
  const surveyor = await source.openSurveyor(snapshot)
  try {
    for (const one of computed) await surveyor.checkExpression(one.table, one.expression)
  } finally {
    await surveyor.close()
  }
}
