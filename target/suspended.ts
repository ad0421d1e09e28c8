/**
 * What `--append` sets aside for the time of the load, because it would act on single rows of a load that is not whole
 * yet: triggers that fire, and foreign keys between tables that are loaded at the same time. Each is recorded in the
 * transaction that sets it aside, so that it can be put back after any crash.
 */
import type { SetAside } from '@sensei/core/ports/target'
import { quoteIdent } from '@sensei/core/sql'
import { blamesRow } from './refusal.ts'
import type { Session } from './session.ts'

export async function suspend(session: Session, migrationId: string, table: string): Promise<void> {
  await suspendTriggers(session, migrationId, table)
  await suspendForeignKeys(session, migrationId, table)
}

async function suspendTriggers(
  session: Session,
  migrationId: string,
  table: string,
): Promise<void> {
  const { rows } = await session.query<{ name: string; state: 'O' | 'A' }>(
    `with found as (
       select tgrelid, tgname::text as name, tgenabled::text as state from pg_trigger
       where tgrelid = $2::regclass and not tgisinternal and tgenabled in ('O', 'A')
     ), kept as (
       insert into sensei.suspended (migration_id, kind, table_oid, table_name, name, definition)
       select $1, 'trigger', tgrelid, $2, name, state from found
     )
     select name, state from found`,
    [migrationId, table],
  )
  for (const { name } of rows) {
    await session.query(`alter table ${table} disable trigger ${quoteIdent(name)}`)
  }
}

async function suspendForeignKeys(
  session: Session,
  migrationId: string,
  table: string,
): Promise<void> {
  const { rows } = await session.query<{ name: string }>(
    `with found as (
       select conrelid, conname::text as name, pg_get_constraintdef(oid) as definition
       from pg_constraint
       where conrelid = $2::regclass and contype = 'f' and conparentid = 0
     ), kept as (
       insert into sensei.suspended (migration_id, kind, table_oid, table_name, name, definition)
       select $1, 'foreign key', conrelid, $2, name, definition from found
     )
     select name from found`,
    [migrationId, table],
  )
  for (const { name } of rows) {
    await session.query(`alter table ${table} drop constraint ${quoteIdent(name)}`)
  }
}

export interface Suspended {
  readonly kind: 'trigger' | 'foreign key'
  /** With its schema, quoted where it has to be. */
  readonly table: string
  readonly name: string
  readonly definition: string
}

/** What is set aside of one table, or of all. */
export async function suspendedOf(
  session: Session,
  migrationId: string,
  table: string | null,
): Promise<Suspended[]> {
  const { rows } = await session.query<Suspended>(
    `select kind, table_name as table, name, definition from sensei.suspended
     where migration_id = $1 and to_regclass(table_name) = table_oid
       and ($2::text is null or table_oid = to_regclass($2))
     order by kind desc, table_name, name`,
    [migrationId, table],
  )
  return rows
}

/** In one transaction with forgetting that it was set aside. */
export async function restore(
  session: Session,
  migrationId: string,
  suspended: Suspended,
): Promise<void> {
  const { table, definition } = suspended
  const name = quoteIdent(suspended.name)
  if (suspended.kind === 'foreign key') {
    await session.query(`alter table ${table} add constraint ${name} ${definition}`)
  } else {
    const mode = definition === 'A' ? 'enable always' : 'enable'
    await session.query(`alter table ${table} ${mode} trigger ${name}`)
  }
  await session.query(
    `delete from sensei.suspended
     where migration_id = $1 and kind = $2 and table_name = $3 and name = $4`,
    [migrationId, suspended.kind, table, suspended.name],
  )
}

/**
 * For a migration that is given up: everything is put back. A foreign key that the loaded rows break comes back
 * NOT VALID, so that it binds every row written from now on; these are returned.
 */
export async function restoreEverything(
  session: Session,
  migrationId: string,
): Promise<readonly SetAside[]> {
  const broken: SetAside[] = []
  for (const suspended of await suspendedOf(session, migrationId, null)) {
    await session.query('savepoint restoring')
    try {
      await restore(session, migrationId, suspended)
    } catch (error) {
      if (session.lost || !blamesRow(error)) throw error
      await session.query('rollback to savepoint restoring')
      const definition = `${suspended.definition.replace(/ NOT VALID$/, '')} NOT VALID`
      await restore(session, migrationId, { ...suspended, definition })
      const { kind, table, name } = suspended
      broken.push({ kind, table, name })
    }
  }
  return broken
}
