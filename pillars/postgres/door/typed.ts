/** A transaction of the door, typed by the model. Apart from it: who writes SQL only (a worker) need not load Kysely. */
import { Kysely, PostgresDialect } from 'kysely'
import type { Database } from './database.ts'
import type { Tx } from './door.ts'

const known = new WeakMap<Tx, Kysely<Database>>()

export function typed(tx: Tx): Kysely<Database> {
  const before = known.get(tx)
  if (before !== undefined) return before
  const held = { query: tx.client.query.bind(tx.client), release: () => undefined }
  const pool = { connect: async () => held, end: async () => undefined }
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool: pool as never }) })
  known.set(tx, db)
  return db
}
