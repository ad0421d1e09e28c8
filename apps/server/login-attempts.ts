/**
 * Guessing of passwords, counted where it happens. Who fails too often from one address, or for one e-mail address, waits:
 * most strictly for the pair, so that nobody is locked out by a stranger elsewhere. Kept in the memory of this process; a
 * server that is started anew, and each further one, counts from zero.
 */
import { isSenseiError, SenseiError } from '@sensei/core/errors'

const WINDOW_MS = 15 * 60_000
const FAILURES_MAX = { pair: 10, address: 50, email: 200 } as const
/** More than that are not told apart: the oldest is forgotten first. */
const KEPT_MAX = 50_000

interface Failures {
  count: number
  readonly since: number
}

export class LoginAttempts {
  readonly #failures = new Map<string, Failures>()
  readonly #onFailure: () => void

  constructor(onFailure: () => void = () => undefined) {
    this.#onFailure = onFailure
  }

  /** Runs `logIn` unless there were too many failures; one that says UNAUTHENTICATED is another. */
  async count<T>(email: string, address: string, logIn: () => Promise<T>): Promise<T> {
    const who = email.toLowerCase()
    const counted = [
      [`pair ${address} ${who}`, FAILURES_MAX.pair],
      [`address ${address}`, FAILURES_MAX.address],
      [`email ${who}`, FAILURES_MAX.email],
    ] as const
    if (counted.some(([key, max]) => this.#of(key).count >= max)) {
      throw new SenseiError('RATE_LIMITED', 'too many failed logins: wait a quarter of an hour')
    }
    // Counted before it is known, so that guesses sent all at once are counted too.
    for (const [key] of counted) this.#add(key, 1)
    try {
      const result = await logIn()
      for (const [key] of counted) this.#add(key, -1)
      return result
    } catch (error) {
      if (isSenseiError(error, 'UNAUTHENTICATED')) this.#onFailure()
      else for (const [key] of counted) this.#add(key, -1)
      throw error
    }
  }

  #of(key: string): Failures {
    const kept = this.#failures.get(key)
    if (kept !== undefined && Date.now() - kept.since < WINDOW_MS) return kept
    return { count: 0, since: Date.now() }
  }

  #add(key: string, by: 1 | -1): void {
    const failures = this.#of(key)
    failures.count += by
    this.#failures.delete(key)
    if (failures.count > 0) this.#failures.set(key, failures)
    if (this.#failures.size > KEPT_MAX) {
      const [oldest] = this.#failures.keys()
      if (oldest !== undefined) this.#failures.delete(oldest)
    }
  }
}
