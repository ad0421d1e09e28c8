/** Single statements under a service's own login, each a transaction of its own, patient with a server that restarts. */
import pg from 'pg'
import { clientConfig, type ConnectionSettings } from './connection.ts'
import { patiently } from './trouble.ts'

export interface Statements {
  /** May run twice when the reply to the first was lost: whoever writes passes a statement that bears it. */
  query<R extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<R[]>
  close(): Promise<void>
}

export interface StatementsOptions {
  readonly connectionsMax?: number
  readonly patienceMs?: number
}

export function openStatements(
  settings: ConnectionSettings,
  { connectionsMax = 4, patienceMs = 30_000 }: StatementsOptions = {},
): Statements {
  const config = clientConfig(settings, 'sensei-service')
  // Not through a pooler, so what a session is set to stays with it.
  const role = settings.role === undefined ? {} : { options: `-c role=${settings.role}` }
  const pool = new pg.Pool({ ...config, ...role, max: connectionsMax })
  // An idle connection that breaks is replaced by the pool; the next statement notices if all of them do.
  pool.on('error', () => undefined)
  return {
    query: <R extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) =>
      patiently(patienceMs, async () => (await pool.query<R>(text, [...values])).rows),
    close: () => pool.end(),
  }
}
