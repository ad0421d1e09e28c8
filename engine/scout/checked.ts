/** A survey with the check of its snapshot beside it: both read everything, and neither needs the other. */
import type { Source } from '@sensei/core/ports/source'
import type { Snapshot } from '@sensei/core/snapshot'

export interface Checked<T> {
  readonly found: T
  /** The snapshot, with what could not be checked among its notes. */
  readonly snapshot: Snapshot
}

/**
 * What a survey meets in a damaged source is explained by the damage, so the check is awaited also after a survey that
 * failed. Damage ends a survey that is still going on.
 */
export async function besideCheck<T>(
  source: Pick<Source, 'checkSnapshot'>,
  snapshot: Snapshot,
  signal: AbortSignal,
  survey: (signal: AbortSignal) => Promise<T>,
): Promise<Checked<T>> {
  const damaged = new AbortController()
  const check = source.checkSnapshot(snapshot, signal).catch((error: unknown) => {
    damaged.abort()
    throw error
  })
  const [checked, surveyed] = await Promise.allSettled([
    check,
    survey(AbortSignal.any([signal, damaged.signal])),
  ])
  // What was aborted from outside is told by the survey, in its own words.
  if (checked.status === 'rejected' && !signal.aborted) throw checked.reason
  if (surveyed.status === 'rejected') throw surveyed.reason
  if (checked.status === 'rejected') throw checked.reason
  const notes = [...snapshot.notes, ...checked.value.filter((one) => !snapshot.notes.includes(one))]
  return { found: surveyed.value, snapshot: { ...snapshot, notes } }
}
