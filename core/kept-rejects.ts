/** Rejects held in memory together: so many, and so many bytes. A rejected row may be as large as the source allows. */
import type { Reject } from './receipt.ts'

export const KEPT_REJECTS_MAX = 100_000
export const KEPT_REJECT_BYTES_MAX = 64 * 1024 * 1024

/** Beside its cells a reject counts for its names and its entry. */
const ENTRY_BYTES = 500

export function rejectBytes({ key, reason, raw }: Pick<Reject, 'key' | 'reason' | 'raw'>): number {
  return raw.reduce(
    (bytes, { column, value }) => bytes + column.length + (value?.length ?? 0),
    ENTRY_BYTES + key.length + reason.length,
  )
}

/** Keeps the first ones that fit, each whole or not at all, and counts them all. */
export class KeptRejects {
  readonly kept: Reject[] = []
  total = 0
  #bytes = 0
  #full = false

  add(reject: Reject): void {
    this.total += 1
    this.#bytes += rejectBytes(reject)
    this.#full ||= this.kept.length === KEPT_REJECTS_MAX || this.#bytes > KEPT_REJECT_BYTES_MAX
    if (!this.#full) this.kept.push(reject)
  }
}
