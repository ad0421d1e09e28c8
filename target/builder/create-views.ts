/** Views, each in a transaction of its own: created and run, or reported with PostgreSQL's reason. */
import { SenseiError } from '@sensei/core/errors'
import type { Plan, ViewMapping } from '@sensei/core/plan'
import type { Run, ViewOutcome } from '@sensei/core/ports/target'
import { quoteQualified } from '@sensei/core/sql'
import { addToManifest, type Counts, NO_ROWS } from '../ledger.ts'
import { sqlstate } from '../refusal.ts'
import type { Session } from '../session.ts'
import type { Writer } from '../writer.ts'
import { useSearchPath } from './create-tables.ts'

/** A view may stand before the one that it reads: those that fail are tried again as long as others succeed. */
export async function createViews(
  writer: Writer,
  run: Run,
  plan: Plan,
): Promise<readonly ViewOutcome[]> {
  const outcomes = new Map<string, ViewOutcome>()
  let left = plan.views
  let created: boolean
  do {
    created = false
    const failed: ViewMapping[] = []
    for (const view of left) {
      const reason = await createOne(writer, run, plan.target.schema, view)
      outcomes.set(view.target, { view: view.target, created: reason === null, reason })
      if (reason === null) created = true
      else failed.push(view)
    }
    left = failed
  } while (created && left.length > 0)
  return plan.views.flatMap((view) => outcomes.get(view.target) ?? [])
}

/** Null, or why PostgreSQL does not take it. */
async function createOne(
  writer: Writer,
  run: Run,
  schema: string,
  view: ViewMapping,
): Promise<string | null> {
  const step = { name: `view ${view.target}`, kind: 'view', table: null } as const
  try {
    await writer.step(step, (session) => createAndRun(session, run, schema, view))
    return null
  } catch (error) {
    const cause = error instanceof SenseiError ? error.cause : error
    const code = sqlstate(cause)
    if (code === null || /^(08|53|57|58)/.test(code)) throw error
    return `${code}: ${cause instanceof Error ? cause.message : String(cause)}`
  }
}

async function createAndRun(
  session: Session,
  run: Run,
  schema: string,
  view: ViewMapping,
): Promise<Counts> {
  const name = quoteQualified(schema, view.target)
  await session.query(`set local lock_timeout = '30s'`)
  await useSearchPath(session, schema)
  await session.statement(`create view ${name} as ${view.target_sql}`)
  await session.query(`select * from ${name} limit 0`)
  const { rows } = await session.query<{ oid: string }>(
    'select $1::regclass::oid::bigint::text as oid',
    [name],
  )
  await addToManifest(session, run, { oid: Number(rows[0]?.oid), kind: 'view', name })
  return NO_ROWS
}
