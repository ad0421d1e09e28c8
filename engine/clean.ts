/** Cleaning up after a migration: what the target's ledger alone knew is kept in the control plane first. */
import { rm } from 'node:fs/promises'
import { SenseiError } from '@sensei/core/errors'
import { KeptRejects } from '@sensei/core/kept-rejects'
import type { Cast } from './cast.ts'
import { copiesOf, knownSnapshot } from './scout/scout.ts'

export interface Cleaned {
  readonly rejects: number
  /** Beyond the bounds of core/kept-rejects.ts only the count is left of them. */
  readonly rejectsKept: number
}

export async function cleanUp(cast: Cast, migrationId: string): Promise<Cleaned> {
  const { state } = await cast.journal.get(migrationId)
  if (['planning', 'running', 'pausing', 'validating'].includes(state)) {
    throw new SenseiError(
      'MIGRATION_BUSY',
      `Migration ${migrationId} is ${state}. Let it end first, or resume it: sensei migrate --resume ${migrationId}`,
    )
  }
  const rejects = new KeptRejects()
  for await (const reject of cast.target.ledger.rejects(migrationId)) rejects.add(reject)
  const manifest = await cast.target.ledger.manifest(migrationId)
  await cast.journal.record(migrationId, [
    { kind: 'archive', manifest, rejects: rejects.kept, rejectsTotal: rejects.total },
  ])
  await cast.target.ledger.clean(migrationId)
  const snapshot = await knownSnapshot(cast.journal, migrationId)
  if (snapshot !== null) await cast.source.dropSnapshot(snapshot)
  await rm(copiesOf(cast, migrationId), { recursive: true, force: true })
  return { rejects: rejects.total, rejectsKept: rejects.kept.length }
}
