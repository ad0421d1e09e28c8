/** Waiting for work: until the next ring, for a while, or until the worker is dismissed. */
import type { Doorbell } from '@sensei/core/ports/doorbell'

const IDLE_MS = 500

export interface Bell {
  rung(): Promise<void>
  stop(): Promise<void>
}

export async function listen(
  doorbell: Doorbell,
  migrationId: string,
  dismissed: AbortSignal,
): Promise<Bell> {
  let wake = (): void => undefined
  const onRing = (): Promise<void> => {
    wake()
    return Promise.resolve()
  }
  const stop = await doorbell.listen(migrationId, onRing, IDLE_MS)
  const onDismissed = (): void => wake()
  dismissed.addEventListener('abort', onDismissed)
  return {
    rung: () =>
      new Promise((resolve) => {
        wake = resolve
        if (dismissed.aborted) resolve()
      }),
    stop: async () => {
      dismissed.removeEventListener('abort', onDismissed)
      await stop()
    },
  }
}
