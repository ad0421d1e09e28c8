/** A connection that is lost is told as such, whoever was using it: the validation is then done again, not decided. */
import type { Client } from 'pg'
import { losesConnection, targetError } from '../refusal.ts'

export function tellingLoss(client: Client): Client {
  const query = client.query.bind(client) as (...values: unknown[]) => unknown
  const told = (...values: unknown[]): unknown => {
    const result = query(...values)
    return result instanceof Promise
      ? result.catch((error: unknown) => Promise.reject(lossOf(error)))
      : result
  }
  client.query = told as Client['query']
  return client
}

export function lossOf(error: unknown): unknown {
  return losesConnection(error) ? targetError(error, 'reading it') : error
}
