/** The views of the plan, asked on both sides; where their answers cannot be compared, that is said. */
import type { Plan, ViewMapping } from '@sensei/core/plan'
import type { TargetWitness } from '@sensei/core/ports/target'
import type { SourceWitness } from '@sensei/core/ports/witness'
import type { NotChecked, QueryVerification, TableVerification } from '@sensei/core/verdict'
import { compareView, CUT, queryOfView } from './queries.ts'

export interface ViewParts {
  readonly plan: Plan
  readonly source: SourceWitness
  readonly target: TargetWitness
}

export interface ComparedViews {
  readonly compared: readonly QueryVerification[]
  readonly left: readonly NotChecked[]
}

export async function compareViews(
  { plan, source, target }: ViewParts,
  tables: readonly TableVerification[],
): Promise<ComparedViews> {
  const compared: QueryVerification[] = []
  const left: NotChecked[] = []
  for (const view of plan.views) {
    const found = await compareView(source, target, queryOfView(plan.target.schema, view))
    const short = shortOf(view, plan, tables)
    if (found === null) left.push(counted(view))
    else if (found.equal === false && short.length > 0) left.push(readsLess(view, short))
    else compared.push(found)
  }
  return { compared, left }
}

/** Tables of which the view sees fewer rows in the target, by rejects that were found to be just those. */
function shortOf(
  view: ViewMapping,
  plan: Plan,
  tables: readonly TableVerification[],
): readonly string[] {
  const targets = plan.tables
    .filter(({ source }) => view.reads.includes(source))
    .map((table) => table.target)
  return tables
    .filter(({ target, rowsRejected }) => rowsRejected > 0 && targets.includes(target))
    .map(({ target }) => target)
}

function counted(view: ViewMapping): NotChecked {
  return { what: `values of view ${view.target}`, reason: `${CUT}; they were counted` }
}

function readsLess(view: ViewMapping, tables: readonly string[]): NotChecked {
  const reason = `it reads ${tables.join(', ')}, of which rows were rejected; every row of that was compared`
  return { what: `view ${view.target}`, reason }
}
