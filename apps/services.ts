/**
 * What a process that stays does for its control plane beside answering: links audit rows and sends signed checkpoints
 * out, compares the history with them, and throws away what is over. Any number of processes may do so: each job takes a
 * lock of its own.
 */
import type { Logger } from 'pino'
import { auditTrail } from './audit.ts'
import { type ControlPlane, type Environment, openUpkeep } from './pillars.ts'

export interface Services {
  /** When it returns, nothing runs any more. */
  stop(): Promise<void>
}

export async function startServices(
  plane: ControlPlane,
  env: Environment,
  log: Pick<Logger, 'error' | 'warn'>,
): Promise<Services> {
  const trail = await auditTrail(plane, env)
  const keeper = trail.keeper({
    onBroken: ({ orgId, broken }) =>
      log.error(
        { org_id: orgId, kind: broken?.kind, position: String(broken?.position) },
        'the audit history is not what it was',
      ),
    onTrouble: once((why) => log.warn({ why }, 'audit rows wait for their links')),
  })
  const waits = once((why) => log.warn({ why }, 'upkeep waits'))
  const upkeep = await openUpkeep(plane, (_what, error) => waits(error))
  keeper.start()
  upkeep.start()
  return {
    stop: async () => {
      await Promise.all([keeper.stop(), upkeep.stop()])
    },
  }
}

/** A database that is away is said once, not every second. */
function once(say: (why: string) => void): (error: unknown) => void {
  let said = ''
  return (error) => {
    const why = error instanceof Error ? error.message : String(error)
    if (why !== said) say(why)
    said = why
  }
}
