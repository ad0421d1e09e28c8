/**
 * Wakes whoever waits for work. A ring is only a hint: it may be lost, come twice or late, and every listener also
 * looks by itself from time to time. Truth is in the Journal and in Tasks.
 */
export interface Doorbell {
  /** Tells listeners that something may have changed. Never fails the caller. */
  ring(topic: string): Promise<void>
  /**
   * Calls back after each ring of the topic, at least once every `everyMs` without one, never twice at a time.
   * Returns how to stop; stopping waits for a callback that is running.
   */
  listen(topic: string, onRing: () => Promise<void>, everyMs: number): Promise<() => Promise<void>>
  close(): Promise<void>
}
