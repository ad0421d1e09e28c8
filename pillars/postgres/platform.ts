/**
 * What the server asks of the store. A server serves many at once, so it has a pool of its own and little patience: who
 * asked is told within seconds that the database is away.
 */
import type { KeyMode } from '@sensei/core/api-key'
import type { Json } from '@sensei/core/json'
import type { Journal } from '@sensei/core/ports/journal'
import { Agents } from './record/agents.ts'
import { ApiKeys } from './tenants/api-keys.ts'
import type { ConnectionSettings } from './door/connection.ts'
import { Connections } from './secrets/connections.ts'
import { Door, type TenantDoor } from './door/door.ts'
import { inOurWords } from './door/errors.ts'
import { type Answer, once, type RepeatableRequest } from './tenants/idempotency.ts'
import { type KeyOrigin, KeyRing } from './secrets/key-ring.ts'
import { PostgresJournal } from './record/journal.ts'
import { LogWriter } from './search/logs.ts'
import { type MigrationPage, migrationPage, type MigrationQuery } from './record/migration-pages.ts'
import { Organizations } from './tenants/organizations.ts'
import { Passwords } from './tenants/passwords.ts'
import { Plans } from './record/plans.ts'
import { Reports } from './record/reports.ts'
import { Search } from './search/search.ts'
import { NO_TENANT } from './door/services.ts'
import { Sessions } from './tenants/sessions.ts'
import { type MappingSuggestion, suggestMappings, type TableQuestion } from './record/suggest.ts'
import { Users } from './tenants/users.ts'
import { Vault } from './secrets/vault.ts'

const CONNECTIONS_MAX = 10
const PATIENCE_MS = 2_000

export interface PlatformOptions {
  readonly control: ConnectionSettings
  /** Keys of the other mode let nobody in. */
  readonly keyMode: KeyMode
  /** Of the keys that stored secrets are under. */
  readonly encryption: KeyOrigin
}

/** What acts for whoever asks; each call is a transaction, or part of the one that `once` opened. */
export interface Acting {
  readonly organizations: Organizations
  readonly users: Users
  readonly apiKeys: ApiKeys
  readonly sessions: Sessions
  readonly connections: Connections
}

export class Platform {
  readonly acting: Acting
  readonly #door: Door
  readonly #logs: Door
  readonly #passwords = new Passwords()
  readonly #keyMode: KeyMode
  readonly #vault: Vault

  constructor({ control, keyMode, encryption }: PlatformOptions) {
    this.#vault = new Vault(new KeyRing(encryption))
    this.#keyMode = keyMode
    const settings = { connectTimeoutMs: PATIENCE_MS, ...control }
    const options = { applicationName: 'sensei-server', patienceMs: PATIENCE_MS }
    this.#door = new Door(settings, { ...options, connectionsMax: CONNECTIONS_MAX })
    this.#logs = new Door(settings, { ...options, connectionsMax: 1 })
    this.acting = this.#through(this.#door)
  }

  get load(): Door['load'] {
    return this.#door.load
  }

  /** Asks the database anything at all. */
  async ping(): Promise<void> {
    await this.#door.read(NO_TENANT, (tx) => tx.query('select'))
  }

  /** Effect and answer of a request that may be sent twice, in one transaction. */
  once<T extends Json>(
    request: RepeatableRequest,
    effect: (acting: Acting) => Promise<T>,
  ): Promise<Answer<T>> {
    return once(this.#door, request, (inside) => effect(this.#through(inside)))
  }

  journal(orgId: string): Journal {
    return new PostgresJournal(this.#door, orgId)
  }

  migrations(orgId: string, query: MigrationQuery): Promise<MigrationPage> {
    return inOurWords(() => this.#door.read(orgId, (tx) => migrationPage(tx, orgId, query)))
  }

  plans(orgId: string): Plans {
    return new Plans(this.#door, orgId)
  }

  agents(orgId: string): Agents {
    return new Agents(this.#door, orgId)
  }

  /** For each column of a table what mappings that the organization approved say of it. */
  suggestions(
    orgId: string,
    question: TableQuestion,
  ): Promise<readonly (readonly MappingSuggestion[])[]> {
    return suggestMappings(this.#door, orgId, question)
  }

  /** `cursorKey` signs where its pages end. */
  search(orgId: string, cursorKey: Buffer): Search {
    return new Search(this.#door, orgId, cursorKey)
  }

  reports(orgId: string): Reports {
    return new Reports(this.#door, orgId)
  }

  /** On a connection of its own, so that no request waits for a log. Whoever starts it stops it. */
  logWriter(onDropped: (entries: number) => void): LogWriter {
    return new LogWriter(this.#logs, { onDropped })
  }

  /** When the last uses of keys are written down. */
  async close(): Promise<void> {
    await this.acting.apiKeys.settled()
    await Promise.all([this.#door.close(), this.#logs.close()])
  }

  #through(door: TenantDoor): Acting {
    return {
      organizations: new Organizations(door),
      users: new Users(door, this.#passwords),
      apiKeys: new ApiKeys(door, this.#keyMode),
      sessions: new Sessions(door),
      connections: new Connections(door, this.#vault),
    }
  }
}
