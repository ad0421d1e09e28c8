/** One connection to the target, and which backend of the server is behind it. */
import type { Client, QueryResult, QueryResultRow, Submittable } from 'pg'
import { cutConnection, openClient } from './connection.ts'
import { connectError, losesConnection } from './refusal.ts'
import type { ConnectionSettings } from './settings.ts'

/** A backend's process id is used again; together with its start it is not. */
export interface Backend {
  readonly pid: number
  readonly start: string
  readonly role: string
}

export class Session {
  readonly backend: Backend
  private readonly client: Client
  private broken = false

  constructor(client: Client, backend: Backend) {
    this.client = client
    this.backend = backend
    client.on('error', () => this.markLost())
    client.on('end', () => this.markLost())
  }

  static async open(settings: ConnectionSettings, role: string): Promise<Session> {
    const client = await openClient(settings, role)
    try {
      const { rows } = await client.query<Backend>(
        `select pid, backend_start::text as start, session_user::text as role
         from pg_stat_activity where pid = pg_backend_pid()`,
      )
      return new Session(client, rows[0] as Backend)
    } catch (error) {
      cutConnection(client)
      throw connectError(error, settings)
    }
  }

  /** True once the connection is known to be unusable. */
  get lost(): boolean {
    return this.broken
  }

  async query<R extends QueryResultRow = QueryResultRow>(
    text: string,
    values: readonly unknown[] = [],
  ): Promise<QueryResult<R>> {
    try {
      return await this.client.query<R>(text, [...values])
    } catch (error) {
      this.note(error)
      throw error
    }
  }

  /** For text that comes from a plan: the extended protocol takes one statement, never a second behind it. */
  async statement(text: string): Promise<QueryResult> {
    try {
      const single = { text, values: [], queryMode: 'extended' }
      return await this.client.query(single)
    } catch (error) {
      this.note(error)
      throw error
    }
  }

  submit<T extends Submittable>(query: T): T {
    return this.client.query(query)
  }

  /** Marks the session lost when the error says so. */
  note(error: unknown): void {
    if (losesConnection(error)) this.markLost()
  }

  async close(): Promise<void> {
    if (this.broken) return this.destroy()
    await this.client.end().catch(() => undefined)
  }

  /** Cuts the connection without a word to the server. */
  destroy(): void {
    this.markLost()
    cutConnection(this.client)
  }

  private markLost(): void {
    this.broken = true
  }
}
