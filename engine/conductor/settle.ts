/** What is written down about an error that ended a walk. */
import type { SenseiError } from '@sensei/core/errors'
import type { State } from '@sensei/core/lifecycle'
import type { Life } from './life.ts'
import { noteSetAside } from './set-aside.ts'
import { dropSnapshots } from './snapshot.ts'

/** These say that the migration is somebody else's now, or that nothing can be written: it is left as it is. */
const OUTSIDE: readonly string[] = [
  'FENCED',
  'LEASE_LOST',
  'VERSION_CONFLICT',
  'CONTROL_UNREACHABLE',
]

/** Writes the failure down where the lifecycle has a place for it; a plan that waits for a person just waits. */
export async function settle(life: Life, error: SenseiError): Promise<void> {
  if (OUTSIDE.includes(error.code)) return
  if (life.plan?.plan.append === true && life.state === 'running') {
    // Where the target does not answer, what was noted before the load stands.
    await noteSetAside(life.cast, life.id).catch(() => undefined)
  }
  if (error.code === 'INTERRUPTED') return pauseLoad(life)
  if (life.state === 'plan_ready') return dropSnapshots(life)
  const failing: readonly State[] = ['planning', 'running', 'validating']
  if (!failing.includes(life.state)) return
  await life.enter('failed', { code: error.code, message: error.message })
}

async function pauseLoad(life: Life): Promise<void> {
  if (life.state !== 'running') return
  await life.enter('pause_requested', {})
  await life.enter('paused', {})
}
