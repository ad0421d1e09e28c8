/**
 * A target that is away for a moment: killed and recovering, or without a free connection. All that is written to it
 * is written in steps that may be run again, so waiting is safe, and bounded.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isSenseiError } from '@sensei/core/errors'

/** A server that was killed and has much to recover is back by then; longer is for a person to look at. */
export const AWAY_MS_MAX = 60_000
export const AWAY_PAUSE_MS = 500

/** Runs `work` until it does not find the target unreachable, or the target was away too long, or the signal aborts. */
export async function patiently<T>(
  signal: AbortSignal,
  work: () => Promise<T>,
  awayMsMax: number = AWAY_MS_MAX,
): Promise<T> {
  let deadline: number | null = null
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!isSenseiError(error, 'TARGET_UNREACHABLE')) throw error
      deadline ??= performance.now() + awayMsMax
      if (performance.now() >= deadline || !(await pause(AWAY_PAUSE_MS, signal))) throw error
    }
  }
}

/** False when the signal aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false
  return sleep(ms, true, { signal }).catch(() => false)
}
