/** Cleaning up after a migration: what the target's ledger alone knew is kept in the control plane first. */
import { rm } from 'node:fs/promises'
import { SenseiError } from '@sensei/core/errors'
import type { Reject } from '@sensei/core/receipt'
import type { Cast } from './cast.ts'
import { copiesOf, knownSnapshot } from './scout/scout.ts'

/** Kept whole up to here; beyond it the count says how many there were. */
const REJECTS_KEPT_MAX = 100_000

export async function cleanUp(cast: Cast, migrationId: string): Promise<void> {
  const { state } = await cast.journal.get(migrationId)
  if (['planning', 'running', 'pausing', 'validating'].includes(state)) {
    throw new SenseiError(
      'MIGRATION_BUSY',
      `Migration ${migrationId} is ${state}. Let it end first, or resume it: sensei migrate --resume ${migrationId}`,
    )
  }
  const rejects: Reject[] = []
  let count = 0
  for await (const reject of cast.target.ledger.rejects(migrationId)) {
    count += 1
    if (rejects.length < REJECTS_KEPT_MAX) rejects.push(reject)
  }
  const manifest = await cast.target.ledger.manifest(migrationId)
  await cast.journal.record(migrationId, [
    { kind: 'archive', manifest, rejects, rejectsTotal: count },
  ])
  await cast.target.ledger.clean(migrationId)
  const snapshot = await knownSnapshot(cast.journal, migrationId)
  if (snapshot !== null) await cast.source.dropSnapshot(snapshot)
  await rm(copiesOf(cast, migrationId), { recursive: true, force: true })
}
