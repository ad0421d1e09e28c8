/**
 * The conductor's lease: one process runs a migration at a time. It is a task like any other, so that a dead
 * conductor is followed within a lease's length, and a live one is named instead of raced.
 */
import { isSenseiError, SenseiError } from '@sensei/core/errors'
import { LEASE_MS, type LeasedTask, RENEW_MS, type Tasks } from '@sensei/core/ports/tasks'
import type { Cast } from '../cast.ts'
import { pause } from '../patience.ts'
import type { MigrationRequest } from '../request.ts'

type Holder = Pick<MigrationRequest, 'migrationId' | 'owner'>
type Office = Pick<Cast, 'tasks' | 'crew'>

export interface HeldMigration {
  /** Rejects once somebody else holds the migration. */
  readonly lost: Promise<never>
  release(): Promise<void>
}

const POLL_MS = 250
/** A dead holder's lease has run out by then; who still holds it is alive. */
const WAIT_MS = LEASE_MS + 1_000

/**
 * Throws MIGRATION_BUSY, naming the holder, when another process still holds it after a lease's length; INTERRUPTED when
 * the signal aborts before.
 */
export async function holdMigration(
  office: Office,
  request: Holder,
  signal: AbortSignal,
): Promise<HeldMigration> {
  const { tasks } = office
  const task = await claimWithin(office, request, { waitMs: WAIT_MS, signal })
  const { promise: lost, reject } = Promise.withResolvers<never>()
  lost.catch(() => undefined)
  const renewal = setInterval(() => {
    tasks.renew([task]).catch((error: unknown) => {
      if (isSenseiError(error, 'LEASE_LOST')) reject(error)
    })
  }, RENEW_MS)
  return {
    lost,
    release: async () => {
      clearInterval(renewal)
      // A lease that cannot be given back runs out.
      await tasks.release(request.migrationId, request.owner).catch(() => 0)
    },
  }
}

async function claimWithin(
  office: Office,
  request: Holder,
  { waitMs, signal }: { readonly waitMs: number; readonly signal: AbortSignal },
): Promise<LeasedTask> {
  const { tasks } = office
  await ensureTask(tasks, request.migrationId)
  const deadline = performance.now() + waitMs
  for (;;) {
    const [task] = await tasks.claim({
      migrationId: request.migrationId,
      role: 'conductor',
      owner: request.owner,
      limit: 1,
    })
    if (task !== undefined) return task
    if (await takeFromTheDead(office, request.migrationId)) continue
    if (performance.now() > deadline) throw await busy(tasks, request.migrationId)
    if (!(await pause(POLL_MS, signal))) throw interrupted(request.migrationId)
  }
}

/** A holder that is known to be dead is not waited for. */
async function takeFromTheDead({ tasks, crew }: Office, migrationId: string): Promise<boolean> {
  const dead = (await tasks.holders(migrationId, 'conduct')).filter((owner) => crew.gone(owner))
  for (const owner of dead) await tasks.release(migrationId, owner)
  return dead.length > 0
}

async function ensureTask(tasks: Tasks, migrationId: string): Promise<void> {
  if ((await tasks.byTarget(migrationId, 'conduct')).length > 0) return
  await tasks.add([
    {
      migrationId,
      role: 'conductor',
      kind: 'conduct',
      target: 'migration',
      sequence: 0,
      payload: null,
      attemptsMax: 2_147_483_647,
    },
  ])
}

async function busy(tasks: Tasks, migrationId: string): Promise<SenseiError> {
  const holders = await tasks.holders(migrationId, 'conduct')
  return new SenseiError(
    'MIGRATION_BUSY',
    `Migration ${migrationId} is being run by ${holders.join(', ') || 'another process'}. Wait for it, or stop that process and resume.`,
    { details: { holders } },
  )
}

function interrupted(migrationId: string): SenseiError {
  return new SenseiError(
    'INTERRUPTED',
    `Stopped while another process held migration ${migrationId}; nothing was done. Go on with: sensei migrate --resume ${migrationId}`,
  )
}
