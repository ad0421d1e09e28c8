/** A partition that this consumer holds: its cursor, and how careful one has to be with what comes next. */
import type { Cursor } from '@sensei/postgres/outbox/group-cursor'

const PAUSE_MS = 50
const PAUSE_MS_MAX = 5_000

export class HeldPartition {
  cursor: Cursor
  readonly epoch: number
  /** Aborted once it is somebody else's. */
  readonly lost = new AbortController()
  busy = false
  /** To be given up as soon as its batch is done. */
  leaving = false
  turnedAt = 0
  /** Events of the next batch at most. */
  limit: number
  readonly #limitMax: number
  #attempts = 0
  #attempted = ''
  #pausedUntil = 0

  constructor(cursor: Cursor, epoch: number, limitMax: number) {
    this.cursor = cursor
    this.epoch = epoch
    this.limit = limitMax
    this.#limitMax = limitMax
  }

  get partition(): number {
    return this.cursor.partition
  }

  isDue(head: number): boolean {
    if (this.busy || this.leaving || performance.now() < this.#pausedUntil) return false
    return this.cursor.history !== null || this.cursor.position < head
  }

  attemptAt(eventId: string): number {
    this.#attempts = eventId === this.#attempted ? this.#attempts + 1 : 1
    this.#attempted = eventId
    return this.#attempts
  }

  /** One that cannot be handled is to stand alone, so that those before it pass and the attempts are its own. */
  failed(): void {
    this.limit = 1
    this.pause(Math.min(PAUSE_MS * 2 ** (this.#attempts - 1), PAUSE_MS_MAX))
  }

  passed(): void {
    this.limit = Math.min(this.limit * 2, this.#limitMax)
  }

  pause(forMs: number): void {
    this.#pausedUntil = performance.now() + forMs
  }
}
