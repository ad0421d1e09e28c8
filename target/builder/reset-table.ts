/** Takes a table back to what it was after `createTables`: empty, with nothing built on it and no step remembered. */
import type { Plan, TableMapping } from '@sensei/core/plan'
import type { Run } from '@sensei/core/ports/target'
import { quoteIdent, quoteQualified } from '@sensei/core/sql'
import type { Session } from '../session.ts'
import type { Writer } from '../writer.ts'

interface Built {
  readonly oid: string
  readonly name: string
  readonly owner: string
  readonly owner_name: string
  readonly type: string
}

export async function resetTable(
  writer: Writer,
  run: Run,
  plan: Plan,
  table: TableMapping,
): Promise<void> {
  const name = quoteQualified(plan.target.schema, table.target)
  await writer.transaction(`resetting table ${name}`, async (session) => {
    await session.query(`set local lock_timeout = '30s'`)
    await dropForeignKeys(session, run, name)
    await dropBuilt(session, run, name)
    await session.query(`truncate ${name}`)
    for (const place of ['ledger', 'reject']) {
      const keep = place === 'ledger' ? `and kind <> 'table'` : ''
      await session.query(
        `delete from sensei.${place} where migration_id = $1 and table_name = $2 ${keep}`,
        [run.migrationId, table.target],
      )
    }
  })
}

/**
 * Drops the migration's foreign keys that leave the table or point at it, and forgets their steps, those of other
 * tables too: they are made again when those tables are finished.
 */
export async function dropForeignKeys(session: Session, run: Run, table: string): Promise<void> {
  const keys = await built(
    session,
    run,
    `c.contype = 'f' and (c.conrelid = $2::regclass or c.confrelid = $2::regclass)`,
    table,
  )
  for (const key of keys) await dropConstraint(session, run, key)
}

async function dropBuilt(session: Session, run: Run, table: string): Promise<void> {
  const others = await built(session, run, `c.contype <> 'f' and c.conrelid = $2::regclass`, table)
  for (const constraint of others) await dropConstraint(session, run, constraint)
  const { rows } = await session.query<{ oid: string; name: string }>(
    `select m.oid::bigint::text as oid, m.oid::regclass::text as name
     from sensei.manifest m join pg_index i on i.indexrelid = m.oid
     where m.migration_id = $1 and m.kind = 'index' and i.indrelid = $2::regclass`,
    [run.migrationId, table],
  )
  for (const index of rows) {
    await session.query(`drop index ${index.name}`)
    await forget(session, run, 'index', index.oid)
  }
}

async function built(
  session: Session,
  run: Run,
  condition: string,
  table: string,
): Promise<Built[]> {
  const { rows } = await session.query<Built>(
    `select c.oid::bigint::text as oid, c.conname::text as name, c.contype::text as type,
       c.conrelid::regclass::text as owner,
       (select relname::text from pg_class where oid = c.conrelid) as owner_name
     from sensei.manifest m join pg_constraint c on c.oid = m.oid
     where m.migration_id = $1 and m.kind = 'constraint' and ${condition}
     order by c.contype, c.conname`,
    [run.migrationId, table],
  )
  return rows
}

async function dropConstraint(session: Session, run: Run, constraint: Built): Promise<void> {
  await session.query(
    `alter table ${constraint.owner} drop constraint ${quoteIdent(constraint.name)}`,
  )
  await forget(session, run, 'constraint', constraint.oid)
  const kind = constraint.type === 'f' ? 'foreign key' : 'constraint'
  await session.query('delete from sensei.ledger where migration_id = $1 and step = $2', [
    run.migrationId,
    `${kind} ${constraint.name} of ${constraint.owner_name}`,
  ])
}

async function forget(session: Session, run: Run, kind: string, oid: string): Promise<void> {
  await session.query(
    'delete from sensei.manifest where migration_id = $1 and kind = $2 and oid = $3',
    [run.migrationId, kind, oid],
  )
}
