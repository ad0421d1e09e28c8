/** Extensions that make something better where they are; nothing needs one. */
import { quoteIdent } from '@sensei/core/sql'
import type { Client } from '../door/connection.ts'
import type { Tx } from '../door/door.ts'
import { APPLICATION } from './roles.ts'

/** A schema apart: what an extension brings is nothing of ours, and no name of ours can clash with it. */
const SCHEMA = 'sensei_extensions'

/** pg_trgm is trusted since PostgreSQL 13, so whoever may create in the database may have it. */
export async function ensureExtensions(client: Client): Promise<void> {
  const { rows } = await client.query<{ wanted: boolean }>(
    `select has_database_privilege(current_database(), 'create')
       and not exists (select from pg_extension where extname = 'pg_trgm') as wanted
     from pg_available_extensions where name = 'pg_trgm'`,
  )
  if (rows[0]?.wanted !== true) return
  await client.query('begin')
  try {
    await client.query(`create schema if not exists ${SCHEMA}`)
    await client.query(`grant usage on schema ${SCHEMA} to ${APPLICATION}`)
    await client.query(`create extension if not exists pg_trgm schema ${SCHEMA}`)
    await client.query('commit')
  } catch {
    // A server that lends it to nobody, or another start that made it at this moment: the doctor says which.
    await client.query('rollback')
  }
}

/** The quoted name of a function of pg_trgm's; null where it is not there, or not for this role. */
export async function trigram(tx: Tx, name: 'similarity'): Promise<string | null> {
  const [row] = await tx.query<{ schema: string }>(
    `select n.nspname as schema from pg_extension e join pg_namespace n on n.oid = e.extnamespace
     where e.extname = 'pg_trgm' and has_schema_privilege(n.oid, 'usage')`,
  )
  return row === undefined ? null : `${quoteIdent(row.schema)}.${quoteIdent(name)}`
}
