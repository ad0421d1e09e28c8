/** The views that PostgreSQL did not take, written down: without a validation nothing else says so afterwards. */
import { randomUUID } from 'node:crypto'
import type { Json } from '@sensei/core/json'
import type { Journal } from '@sensei/core/ports/journal'
import type { RefusedView } from '../request.ts'
import type { Load } from './load.ts'

/** Also when there are none: an earlier attempt may have had some. */
export async function keepRefusedViews(
  { cast, plan, run }: Load,
  viewsRefused: readonly RefusedView[],
): Promise<void> {
  if (plan.views.length === 0) return
  const [owner] = await cast.tasks.holders(run.migrationId, 'conduct')
  await cast.journal.record(run.migrationId, [
    {
      kind: 'agent',
      id: randomUUID(),
      role: 'conductor',
      owner: owner ?? 'unknown',
      state: { viewsRefused } as unknown as Json,
      outcome: 'done',
    },
  ])
}

/** Those of the last load. */
export async function keptRefusedViews(
  journal: Journal,
  migrationId: string,
): Promise<readonly RefusedView[]> {
  const agents = await journal.entries(migrationId, 'agent')
  const kept = agents
    .filter(({ role }) => role === 'conductor')
    .map(({ state }) => (state as { viewsRefused?: readonly RefusedView[] } | null)?.viewsRefused)
    .findLast((found) => found !== undefined)
  return kept ?? []
}
