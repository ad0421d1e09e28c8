/**
 * What the server asks of the store, each call one transaction of the organization that it names. A server serves many
 * at once, so it has a pool of its own and little patience: who asked is told within seconds that the database is away.
 */
import type { Journal } from '@sensei/core/ports/journal'
import type { ConnectionSettings } from './connection.ts'
import { Door } from './door.ts'
import { inOurWords } from './errors.ts'
import { PostgresJournal } from './journal.ts'
import { type MigrationPage, migrationPage, type MigrationQuery } from './migration-pages.ts'
import { NO_TENANT } from './services.ts'

const CONNECTIONS_MAX = 10
const PATIENCE_MS = 2_000

export class Platform {
  readonly #door: Door

  constructor(settings: ConnectionSettings) {
    this.#door = new Door(
      { connectTimeoutMs: PATIENCE_MS, ...settings },
      {
        applicationName: 'sensei-server',
        connectionsMax: CONNECTIONS_MAX,
        patienceMs: PATIENCE_MS,
      },
    )
  }

  poolLoad(): Door['load'] {
    return this.#door.load
  }

  /** Asks the database anything at all. */
  async ping(): Promise<void> {
    await this.#door.read(NO_TENANT, (tx) => tx.query('select'))
  }

  journal(orgId: string): Journal {
    return new PostgresJournal(this.#door, orgId)
  }

  migrations(orgId: string, query: MigrationQuery): Promise<MigrationPage> {
    return inOurWords(() => this.#door.read(orgId, (tx) => migrationPage(tx, orgId, query)))
  }

  async close(): Promise<void> {
    await this.#door.close()
  }
}
