/** One load: what is carried, from which point in time, under which identity. */
import { isSenseiError, SenseiError } from '@sensei/core/errors'
import type { Plan, TableMapping } from '@sensei/core/plan'
import type { Run } from '@sensei/core/ports/target'
import type { Receipt } from '@sensei/core/receipt'
import type { Snapshot } from '@sensei/core/snapshot'
import type { Cast } from '../cast.ts'
import type { MigrationOptions, TableFailure } from '../request.ts'

export interface Load {
  readonly cast: Cast
  readonly plan: Plan
  readonly run: Run
  readonly snapshot: Snapshot
  readonly options: MigrationOptions
  /** Aborts at the first Ctrl-C: workers end after the chunk in hand. */
  readonly signal: AbortSignal
}

/** By source table. */
export type Failures = Map<string, TableFailure>

/** These stop every table: the load is not ours any more, or one of its ends is gone. */
const STOPS_ALL: readonly string[] = [
  'FENCED',
  'LEASE_LOST',
  'VERSION_CONFLICT',
  'INTERRUPTED',
  'SNAPSHOT_LOST',
  'TARGET_UNREACHABLE',
  'CONTROL_UNREACHABLE',
]

/** An error as the failure of one table; thrown again where it stops every table. */
export function failureOf(load: Load, table: TableMapping, error: unknown): TableFailure {
  if (load.signal.aborted) throw interrupted(load.run.migrationId)
  if (isSenseiError(error) && STOPS_ALL.includes(error.code)) throw error
  return {
    table: table.source,
    code: isSenseiError(error) ? error.code : 'INTERNAL',
    message: error instanceof Error ? error.message : String(error),
  }
}

export function interrupted(migrationId: string): SenseiError {
  return new SenseiError(
    'INTERRUPTED',
    `Stopped at a chunk boundary; nothing is lost. Go on with: sensei migrate --resume ${migrationId}`,
  )
}

export async function record({ cast, run }: Load, receipts: readonly Receipt[]): Promise<void> {
  if (receipts.length === 0) return
  await cast.journal.record(
    run.migrationId,
    receipts.map((receipt) => ({ kind: 'receipt', receipt })),
  )
}
