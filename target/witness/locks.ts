/**
 * A transaction keeps a lock on every relation that it has read, and a server has room for a few thousand. A reader of
 * many tables therefore lets go now and then: going back to a savepoint gives up the locks taken since, and a
 * transaction that changes nothing loses nothing by it. Its snapshot stays.
 */
import type { ClientBase } from 'pg'

/** Tables read before their locks, and those of their indexes and sequences, are given up. */
const TABLES_HELD = 50

export class Locks {
  readonly #client: ClientBase
  readonly #savepoint: string
  #tables: number | null = null

  constructor(client: ClientBase, savepoint: string) {
    this.#client = client
    this.#savepoint = savepoint
  }

  /** Before each table. Not while another savepoint is open that is still needed. */
  async next(): Promise<void> {
    if (this.#tables === null) {
      this.#tables = 0
      await this.#client.query(`savepoint ${this.#savepoint}`)
    }
    this.#tables += 1
    if (this.#tables <= TABLES_HELD) return
    this.#tables = 1
    await this.#client.query(`rollback to savepoint ${this.#savepoint}`)
  }

  /** Gives up all of them, and leaves the transaction as it was, also after a statement that failed. */
  async end(): Promise<void> {
    if (this.#tables === null) return
    this.#tables = null
    await this.#client.query(`rollback to savepoint ${this.#savepoint}`)
    await this.#client.query(`release savepoint ${this.#savepoint}`)
  }
}
