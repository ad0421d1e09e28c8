/** How the control plane's PostgreSQL is reached. Discrete fields, so that no text of a user is parsed as a URL. */
import { setTimeout as sleep } from 'node:timers/promises'
import { SenseiError } from '@sensei/core/errors'
import pg from 'pg'

export interface ConnectionSettings {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}

export type Client = pg.Client

/** Shut down, crashed, still starting, or gone: the server's ways to say that this connection is over. */
const LOSS_STATES = new Set([
  '57P01',
  '57P02',
  '57P03',
  '08000',
  '08001',
  '08003',
  '08004',
  '08006',
])
const LOSS_CODES = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH'])

/** A word for the error that a client without a code gives when its socket closes in mid-query. */
const LOSS_MESSAGE = /connection terminated|connection error|not queryable|client was closed/i

export function isConnectionLoss(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code } = error as { code?: unknown }
  if (typeof code === 'string') return LOSS_STATES.has(code) || LOSS_CODES.has(code)
  return LOSS_MESSAGE.test(error.message)
}

/** Opens one connection; the caller ends it. An error between queries is told by the next query. */
export async function connect(
  settings: ConnectionSettings,
  applicationName = 'sensei',
): Promise<pg.Client> {
  const client = new pg.Client({ ...settings, application_name: applicationName })
  client.on('error', () => undefined)
  try {
    await client.connect()
  } catch (error) {
    await client.end().catch(() => undefined)
    throw error
  }
  return client
}

/** Runs `work` until it meets no lost connection, for at most `patienceMs`. */
export async function patiently<T>(patienceMs: number, work: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + patienceMs
  for (let pauseMs = 20; ; pauseMs = Math.min(pauseMs * 2, 500)) {
    try {
      return await work()
    } catch (error) {
      if (!isConnectionLoss(error)) throw error
      if (performance.now() > deadline) {
        throw new SenseiError(
          'CONTROL_UNREACHABLE',
          'the control database does not answer: check that its server runs, then resume',
          { cause: error },
        )
      }
      await sleep(pauseMs)
    }
  }
}
