/**
 * The one door to tenant data: a transaction with app.org_id set inside it. Kysely and plain SQL share it (ADR 0005).
 *
 * A write may be run again: after a deadlock, a lost connection, or a COMMIT whose reply never came. Whoever passes a
 * write therefore chooses its ids outside of it, so that running it twice is running it once. Before it is run again
 * after an unknown COMMIT, its transaction id is polled until PostgreSQL calls it committed or aborted: the second
 * run never meets its own ghost. It runs even after `committed`, because a server that crashed may give the id of a
 * transaction it forgot to another one.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { SenseiError } from '@sensei/core/errors'
import pg from 'pg'
import { clientConfig, type ConnectionSettings, isConnectionLoss } from './connection.ts'
import { leavesServer, patiently } from './trouble.ts'

export interface Tx {
  query<R extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<R[]>
  /** The connection of the transaction, for what types it by the model (typed.ts). */
  readonly client: Pick<pg.PoolClient, 'query'>
}

export interface DoorOptions {
  readonly connectionsMax?: number
  /** How long a server may be away, full or read-only, before a call gives up; also the wait for a free connection. */
  readonly patienceMs?: number
  readonly applicationName?: string
}

const RETRIES_MAX = 20
const RETRY_STATES = new Set(['40P01', '40001'])

/** The transaction ended in a way that is not known: COMMIT was sent and no answer came. */
class UnknownOutcome {
  readonly xid: string
  readonly cause: unknown

  constructor(xid: string, cause: unknown) {
    this.xid = xid
    this.cause = cause
  }
}

/** What reads and writes of a tenant need of it; inside a transaction of one tenant, that transaction (idempotency.ts). */
export type TenantDoor = Pick<Door, 'read' | 'write'>

export class Door {
  readonly #pool: pg.Pool
  readonly #role: string | undefined
  readonly #patienceMs: number

  constructor(settings: ConnectionSettings, options: DoorOptions = {}) {
    this.#patienceMs = options.patienceMs ?? 30_000
    this.#role = settings.role
    this.#pool = new pg.Pool({
      ...clientConfig(settings, options.applicationName ?? 'sensei'),
      max: options.connectionsMax ?? 4,
      connectionTimeoutMillis: Math.max(this.#patienceMs, 1),
    })
    // An idle connection that breaks is replaced by the pool; the next call notices if all of them do.
    this.#pool.on('error', () => undefined)
  }

  /** How many connections there are, how many of them are free, and how many calls wait for one. */
  get load(): { readonly total: number; readonly idle: number; readonly waiting: number } {
    const { totalCount: total, idleCount: idle, waitingCount: waiting } = this.#pool
    return { total, idle, waiting }
  }

  /** Reads in one read-only transaction of the tenant. */
  async read<T>(orgId: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    return patiently(this.#patienceMs, () => this.#once(orgId, 'begin read only', work))
  }

  /** Writes in one transaction of the tenant; see above for what `work` must bear. */
  async write<T>(orgId: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await patiently(this.#patienceMs, () => this.#once(orgId, 'begin', work))
      } catch (error) {
        if (error instanceof UnknownOutcome) {
          if (tries === RETRIES_MAX) throw notSettled(error)
          await this.#settle(error)
        } else if (!RETRY_STATES.has(sqlState(error)) || tries === RETRIES_MAX) throw error
        else await sleep(Math.random() * 10 * tries)
      }
    }
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }

  async #once<T>(
    orgId: string,
    begin: 'begin' | 'begin read only',
    work: (tx: Tx) => Promise<T>,
  ): Promise<T> {
    const client = await this.#pool.connect()
    let broken: Error | undefined
    const onError = (error: Error): void => {
      broken = error
    }
    client.on('error', onError)
    try {
      await client.query(begin)
      const xid = await this.#enter(client, orgId, begin === 'begin')
      const result = await work(transactionOn(client))
      await commit(client, xid)
      return result
    } catch (error) {
      // After a failover a connection may still lead to the server that was: a new one finds the one that is.
      if (leavesServer(error) || error instanceof UnknownOutcome) broken = error as Error
      else await client.query('rollback').catch((cause: Error) => (broken = cause))
      if (begin === 'begin read only' && sqlState(error) === '25006') throw wroteInRead(error)
      throw error
    } finally {
      client.off('error', onError)
      client.release(broken !== undefined)
    }
  }

  async #enter(client: pg.PoolClient, orgId: string, writes: boolean): Promise<string> {
    const role = this.#role
    const { rows } = await client.query<{ xid: string }>(
      `select ${role === undefined ? '' : "set_config('role', $2, true), "}set_config('app.org_id', $1, true),
         ${writes ? 'pg_current_xact_id()::text' : "''"} as xid`,
      role === undefined ? [orgId] : [orgId, role],
    )
    return rows[0]?.xid ?? ''
  }

  async #settle(outcome: UnknownOutcome): Promise<void> {
    const deadline = performance.now() + this.#patienceMs
    while ((await this.#status(outcome.xid)) === 'in progress') {
      if (performance.now() > deadline) throw notSettled(outcome)
      await sleep(20)
    }
  }

  async #status(xid: string): Promise<string | null> {
    return patiently(this.#patienceMs, async () => {
      try {
        const { rows } = await this.#pool.query<{ status: string | null }>(
          'select pg_xact_status($1::xid8) as status',
          [xid],
        )
        return rows[0]?.status ?? null
      } catch (error) {
        // A crashed server that never wrote the id down calls it one of the future: it was aborted.
        if (sqlState(error) === '22023') return 'aborted'
        throw error
      }
    })
  }
}

function notSettled({ xid, cause }: UnknownOutcome): SenseiError {
  return new SenseiError(
    'OUTCOME_UNKNOWN',
    `the outcome of transaction ${xid} is not settled: look for its backend on the control server`,
    { cause },
  )
}

function wroteInRead(cause: unknown): SenseiError {
  return new SenseiError('INTERNAL', 'a read of the control plane tried to write', { cause })
}

function sqlState(error: unknown): string {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : ''
}

async function commit(client: pg.PoolClient, xid: string): Promise<void> {
  try {
    const { command } = await client.query('commit')
    if (command !== 'COMMIT') {
      throw new SenseiError(
        'INTERNAL',
        'a failed statement was ignored, so the transaction rolled back',
      )
    }
  } catch (error) {
    if (xid !== '' && isConnectionLoss(error)) throw new UnknownOutcome(xid, error)
    throw error
  }
}

function transactionOn(client: pg.PoolClient): Tx {
  return {
    client,
    async query<R extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) {
      return (await client.query<R>(text, [...values])).rows
    },
  }
}
