/** What a table gets after its rows, and the views. */
import type { TableMapping } from '@sensei/core/plan'
import type { ConstraintRefusal, FinishPart } from '@sensei/core/ports/target'
import { patiently } from '../patience.ts'
import type { RefusedView, TableFailure } from '../request.ts'
import { interrupted, type Load, record } from './load.ts'

/** Null when the data satisfies the part. */
export async function finish(
  load: Load,
  table: TableMapping,
  part: FinishPart,
): Promise<TableFailure | null> {
  const { cast, plan, run, signal } = load
  if (signal.aborted) throw interrupted(run.migrationId)
  report(load, table.target, part)
  const outcome = await patiently(signal, () =>
    cast.target.builder.finishTable(run, plan, table, part),
  )
  await record(load, outcome.receipts)
  return outcome.refused.length === 0 ? null : refused(table, outcome.refused)
}

/** Views need everything. Returns those that PostgreSQL refused. */
export async function createViews(load: Load): Promise<readonly RefusedView[]> {
  const { cast, plan, run, signal } = load
  const views = await patiently(signal, () => cast.target.builder.createViews(run, plan))
  for (const view of views) {
    report(load, view.view, view.created ? 'view created' : `view refused: ${view.reason}`)
  }
  return views
    .filter(({ created }) => !created)
    .map(({ view, reason }) => ({
      name: view,
      reason: `PostgreSQL refused it: ${reason ?? 'no reason given'}`,
    }))
}

export function report({ cast }: Load, table: string, message: string): void {
  cast.progress.report({ phase: 'finish', table, unit: 'steps', done: 0, total: null, message })
}

export function refused(table: TableMapping, refusals: readonly ConstraintRefusal[]): TableFailure {
  const lines = refusals.map(
    (one) =>
      `${one.constraint}: ${one.message} (${one.rows} rows, such as ${one.examples.join('; ')})`,
  )
  return { table: table.source, code: 'CONSTRAINT_REFUSED', message: lines.join('\n') }
}
