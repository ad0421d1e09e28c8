/**
 * The fence: one row per migration with an epoch. Every writer registers its backend in a commit of its own before
 * its first step, and every step looks at the epoch under FOR SHARE; whoever raises the epoch therefore waits for
 * the steps in flight or terminates them, and no older step can begin after it.
 */
import { SenseiError } from '@sensei/core/errors'
import type { Run } from '@sensei/core/ports/target'
import { clearing, holderUnknown, presenceOf, terminate } from './backends.ts'
import { ensureSenseiSchema } from './sensei-schema.ts'
import { type Backend, Session } from './session.ts'
import type { ConnectionSettings } from './settings.ts'

/** A chunk in flight may end by itself before it is terminated. */
const raiseGraceMs = 1_000

/** Inside a step's transaction: throws FENCED unless the run's epoch is the current one, and keeps it so until the end. */
export async function checkFence(session: Session, run: Run): Promise<void> {
  const { rows } = await session.query<{ epoch: string }>(
    'select epoch from sensei.fence where migration_id = $1 for share',
    [run.migrationId],
  )
  const current = rows[0]?.epoch
  if (current === String(run.epoch)) return
  const now = current === undefined ? 'there is no fence' : `the fence stands at epoch ${current}`
  throw new SenseiError(
    'FENCED',
    `Another process took over migration ${run.migrationId}: this one has epoch ${run.epoch}, ${now}`,
    { details: { epoch: run.epoch, current: current ?? null } },
  )
}

export async function registerHolder(session: Session, run: Run, label: string): Promise<void> {
  await session.query('begin')
  try {
    await checkFence(session, run)
    await session.query(
      `insert into sensei.fence_holder (migration_id, pid, backend_start, role, epoch, label)
       values ($1, $2, $3, $4, $5, $6)`,
      [...holderKey(run.migrationId, session.backend), session.backend.role, run.epoch, label],
    )
    await session.query('commit')
  } catch (error) {
    if (!session.lost) await session.query('rollback')
    throw error
  }
}

export async function forgetHolder(
  session: Session,
  migrationId: string,
  backend: Backend,
): Promise<void> {
  await session.query(
    'delete from sensei.fence_holder where migration_id = $1 and pid = $2 and backend_start = $3',
    holderKey(migrationId, backend),
  )
}

/**
 * Raises the epoch and returns it. When this returns, every backend that was registered under an older epoch, or
 * that held the fence, has ended.
 */
export async function raiseFence(
  settings: ConnectionSettings,
  migrationId: string,
): Promise<number> {
  const session = await Session.open(settings, 'fence')
  try {
    await ensureSenseiSchema(session)
    await session.query(
      'insert into sensei.fence (migration_id, epoch) values ($1, 0) on conflict do nothing',
      [migrationId],
    )
    // Before anything is changed: a holder that cannot be judged stops the takeover.
    for (const holder of await holders(session, migrationId)) {
      const presence = await presenceOf(session, holder)
      if (presence === 'unknown') throw holderUnknown(session, holder)
    }
    const epoch = await raise(session, settings, migrationId)
    for (const holder of await holders(session, migrationId, epoch)) {
      await terminate(session, holder)
      await forgetHolder(session, migrationId, holder)
    }
    return epoch
  } finally {
    await session.close()
  }
}

/** Raises again and again until it has it; the lock timeout ends a wait that no backend causes (a prepared transaction). */
async function raise(
  session: Session,
  settings: ConnectionSettings,
  migrationId: string,
): Promise<number> {
  await session.query(`set lock_timeout = '60s'`)
  const { rows } = await clearing(session, { settings, graceMs: raiseGraceMs }, () =>
    session.query<{ epoch: string }>(
      `update sensei.fence set epoch = epoch + 1, raised_at = clock_timestamp()
       where migration_id = $1 returning epoch`,
      [migrationId],
    ),
  )
  return Number(rows[0]?.epoch)
}

async function holders(
  session: Session,
  migrationId: string,
  olderThan: number | null = null,
): Promise<Backend[]> {
  const { rows } = await session.query<Backend>(
    `select pid, backend_start::text as start, role from sensei.fence_holder
     where migration_id = $1 and ($2::bigint is null or epoch < $2)`,
    [migrationId, olderThan],
  )
  return rows
}

function holderKey(migrationId: string, backend: Backend): [string, number, string] {
  return [migrationId, backend.pid, backend.start]
}
