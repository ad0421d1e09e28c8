/**
 * What an `--append` has set aside of the target's own, written down where it can be read without the target: a process
 * that was killed leaves it so, and nobody may have to find out by himself.
 */
import { randomUUID } from 'node:crypto'
import type { Json } from '@sensei/core/json'
import type { Journal } from '@sensei/core/ports/journal'
import type { SetAside } from '@sensei/core/ports/target'
import type { Cast } from '../cast.ts'

/** Asks the target. What is written down already is not written again. */
export async function noteSetAside(
  { journal, target, tasks }: Pick<Cast, 'journal' | 'target' | 'tasks'>,
  migrationId: string,
): Promise<void> {
  const setAside = await target.ledger.setAside(migrationId)
  const known = await keptSetAside(journal, migrationId)
  if (JSON.stringify(known) === JSON.stringify(setAside)) return
  const [owner] = await tasks.holders(migrationId, 'conduct')
  await journal.record(migrationId, [
    {
      kind: 'agent',
      id: randomUUID(),
      role: 'conductor',
      owner: owner ?? 'unknown',
      state: { setAside } as unknown as Json,
      outcome: 'done',
    },
  ])
}

/** As it was last written down. */
export async function keptSetAside(
  journal: Journal,
  migrationId: string,
): Promise<readonly SetAside[]> {
  const agents = await journal.entries(migrationId, 'agent')
  const kept = agents
    .filter(({ role }) => role === 'conductor')
    .map(({ state }) => (state as { readonly setAside?: readonly SetAside[] } | null)?.setAside)
    .findLast((found) => found !== undefined)
  return (kept ?? []).map(({ kind, table, name }) => ({ kind, table, name }))
}
