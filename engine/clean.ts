/**
 * Cleaning up after a migration: what the target's ledger alone knew is kept in the control plane first. One that is not
 * completed is given up by it, for nothing of what is left could be resumed: it ends as cancelled.
 */
import { rm } from 'node:fs/promises'
import { KeptRejects } from '@sensei/core/kept-rejects'
import { advance } from '@sensei/core/lifecycle'
import type { MigrationRecord } from '@sensei/core/ports/journal'
import type { SetAside } from '@sensei/core/ports/target'
import type { Cast } from './cast.ts'
import { holdMigration } from './conductor/lease.ts'
import { noteSetAside } from './conductor/set-aside.ts'
import { copiesOf, knownSnapshot } from './scout/scout.ts'

export interface CleanRequest {
  readonly migrationId: string
  readonly actor: string
  /** Host and pid of this process. */
  readonly owner: string
}

export interface Cleaned {
  readonly rejects: number
  /** Beyond the bounds of core/kept-rejects.ts only the count is left of them. */
  readonly rejectsKept: number
  /** It had not ended, and now cannot go on. */
  readonly givenUp: boolean
  /** What `--append` had set aside and is back now. */
  readonly restored: readonly SetAside[]
  /** Those of them that the loaded rows break: they are NOT VALID and bind only what is written from now on. */
  readonly notValid: readonly SetAside[]
}

/** Throws MIGRATION_BUSY, naming the process, while a living one runs the migration; a dead one is in nobody's way. */
export async function cleanUp(
  cast: Cast,
  request: CleanRequest,
  signal: AbortSignal,
): Promise<Cleaned> {
  const { migrationId } = request
  // Before the lease: an unknown id is told as such.
  await cast.journal.get(migrationId)
  const lease = await holdMigration(cast, request, signal)
  try {
    const givenUp = await giveUp(cast, request)
    const rejects = new KeptRejects()
    for await (const reject of cast.target.ledger.rejects(migrationId)) rejects.add(reject)
    const manifest = await cast.target.ledger.manifest(migrationId)
    await cast.journal.record(migrationId, [
      { kind: 'archive', manifest, rejects: rejects.kept, rejectsTotal: rejects.total },
    ])
    const restored = await cast.target.ledger.setAside(migrationId)
    const notValid = await cast.target.ledger.clean(migrationId)
    await noteSetAside(cast, migrationId)
    const snapshot = await knownSnapshot(cast.journal, migrationId)
    if (snapshot !== null) await cast.source.dropSnapshot(snapshot)
    await rm(copiesOf(cast, migrationId), { recursive: true, force: true })
    const counts = { rejects: rejects.total, rejectsKept: rejects.kept.length }
    return { ...counts, givenUp, restored, notValid }
  } finally {
    await lease.release()
  }
}

/** False where the lifecycle has no way from here to `cancelled`: it is completed, or given up already. */
async function giveUp(cast: Cast, { migrationId, actor }: CleanRequest): Promise<boolean> {
  const { journal, target } = cast
  let record: MigrationRecord = await journal.get(migrationId)
  if (advance(record, 'cancel_requested') !== null) {
    record = await journal.transition({
      migrationId,
      event: 'cancel_requested',
      expectedVersion: record.version,
      payload: { reason: 'cleaned' },
      actor,
    })
  }
  if (record.state !== 'cancelling') return false
  const events = await journal.events(migrationId)
  // Before the load began there is nobody to fence off, and perhaps no right to make the schema that holds the fence.
  const loaded = events.some(({ type }) => type === 'migration.started')
  await journal.transition({
    migrationId,
    event: 'cancelled',
    expectedVersion: record.version,
    payload: { fenceEpoch: loaded ? await target.takeOver(migrationId) : null },
    actor,
  })
  return true
}
