/**
 * Schema `sensei` in the target database. What it holds is the truth about what is in: a ledger row commits together
 * with the rows, the rejects or the DDL that it speaks of.
 */
import type { Session } from './session.ts'

/** Serialises everybody who creates the schema or drops it. */
export const schemaLock = 'select pg_advisory_xact_lock(5418262720150129)'

const TABLES = [
  `create schema if not exists sensei`,
  `create table if not exists sensei.ledger (
     migration_id text not null,
     step text not null,
     kind text not null,
     table_name text,
     rows_read bigint not null default 0,
     rows_written bigint not null default 0,
     rows_rejected bigint not null default 0,
     snapshot text not null,
     epoch bigint not null,
     started_at timestamptz not null default clock_timestamp(),
     finished_at timestamptz,
     primary key (migration_id, step))`,
  `create table if not exists sensei.fence (
     migration_id text primary key,
     epoch bigint not null,
     raised_at timestamptz not null default clock_timestamp())`,
  `create table if not exists sensei.fence_holder (
     migration_id text not null,
     pid integer not null,
     backend_start timestamptz not null,
     role text not null,
     epoch bigint not null,
     label text not null,
     primary key (migration_id, pid, backend_start))`,
  `create table if not exists sensei.reject (
     migration_id text not null,
     step text not null,
     ordinal bigint not null,
     table_name text not null,
     key text not null,
     column_name text,
     code text not null,
     reason text not null,
     raw jsonb not null,
     primary key (migration_id, step, ordinal))`,
  `create table if not exists sensei.manifest (
     migration_id text not null,
     oid oid not null,
     kind text not null,
     name text not null,
     created_at timestamptz not null default clock_timestamp(),
     primary key (migration_id, kind, oid))`,
  `create table if not exists sensei.suspended (
     migration_id text not null,
     kind text not null,
     table_oid oid not null,
     table_name text not null,
     name text not null,
     definition text not null,
     primary key (migration_id, kind, table_oid, name))`,
] as const

export const SENSEI_TABLES = [
  'ledger',
  'fence',
  'fence_holder',
  'reject',
  'manifest',
  'suspended',
] as const

/** Idempotent; asks for no privilege when everything is there. */
export async function ensureSenseiSchema(session: Session): Promise<void> {
  if (await hasSenseiSchema(session)) return
  await session.query('begin')
  try {
    await session.query(schemaLock)
    for (const statement of TABLES) await session.query(statement)
    await session.query('commit')
  } catch (error) {
    if (!session.lost) await session.query('rollback')
    throw error
  }
}

export async function hasSenseiSchema(session: Session): Promise<boolean> {
  const { rows } = await session.query<{ there: boolean }>(
    `select bool_and(to_regclass('sensei.' || name) is not null) as there
     from unnest($1::text[]) name`,
    [SENSEI_TABLES],
  )
  return rows[0]?.there === true
}
