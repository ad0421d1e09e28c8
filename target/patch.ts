/**
 * Reconcile: deletes rows by their keys and copies others in, in one transaction with the ledger row. Foreign keys
 * around the table that stand already are dropped with their steps: the table's finish makes them again.
 */
import { SenseiError } from '@sensei/core/errors'
import type { TableMapping } from '@sensei/core/plan'
import type { PatchRequest, Run } from '@sensei/core/ports/target'
import { quoteIdent, quoteQualified } from '@sensei/core/sql'
import { dropForeignKeys } from './builder/reset-table.ts'
import { type KeyCells, keyTexts } from './canonical-key.ts'
import { copyAll, copySql } from './copy.ts'
import { type Counts, keepReject } from './ledger.ts'
import type { Session } from './session.ts'

const keysPerStatement = 5_000

export async function patchRows(
  session: Session,
  run: Run,
  request: PatchRequest,
): Promise<Counts> {
  // A parent that is deleted and written again would take its children along, or be refused because of them.
  await session.query(`set local lock_timeout = '60s'`)
  await dropForeignKeys(session, run, quoteQualified(request.schema, request.table.target))
  await forgetWhatFollows(session, run, request.table)
  await deleteRows(session, request)
  let rejected = 0
  const unfit: { ordinal: number; column: string; reason: string }[] = []
  const copy = {
    read: request.inserts,
    onRows: () => undefined,
    signal: new AbortController().signal,
  }
  const sql = copySql(request.schema, request.table)
  const written = await copyAll(session, sql, copy, (batch) => unfit.push(...batch.unfit))
  for (const { ordinal, column, reason } of unfit) {
    rejected += 1
    await keepReject(session, run.migrationId, {
      ordinal,
      table: request.table.target,
      step: request.step,
      key: `row ${ordinal} of ${request.step}`,
      column,
      code: 'unfit',
      reason,
      raw: [],
    })
  }
  return { rowsRead: written + rejected, rowsWritten: written, rowsRejected: rejected }
}

/** Sequences and statistics follow from the rows: the table's finish sets them again. */
async function forgetWhatFollows(session: Session, run: Run, table: TableMapping): Promise<void> {
  await session.query(
    `delete from sensei.ledger
     where migration_id = $1 and table_name = $2 and kind in ('sequence', 'analyze')`,
    [run.migrationId, table.target],
  )
}

async function deleteRows(session: Session, request: PatchRequest): Promise<void> {
  const types = keyTypes(request.table)
  const sql = deleteSql(request.schema, request.table, types)
  for (let at = 0; at < request.deletes.length; at += keysPerStatement) {
    const keys = request.deletes
      .slice(at, at + keysPerStatement)
      .map((key) => keyTexts(key, types.length))
    await session.query(sql, columnsOf(keys, types.length))
  }
}

interface KeyColumn {
  readonly name: string
  readonly type: string
}

function keyTypes(table: TableMapping): readonly KeyColumn[] {
  if (table.key === null) {
    throw new SenseiError('INTERNAL', `Table "${table.target}" has no key to delete rows by`)
  }
  return table.key.map((name) => {
    const column = table.columns.find((candidate) => candidate.target === name)
    if (column === undefined) {
      throw new SenseiError(
        'PLAN_INVALID',
        `Key column "${name}" is no column of "${table.target}"`,
      )
    }
    return { name, type: column.type }
  })
}

/** Each key is cast once to the column's type, so that the key's index serves the join. */
function deleteSql(schema: string, table: TableMapping, key: readonly KeyColumn[]): string {
  const arrays = key.map((_, at) => `$${at + 1}::text[]`).join(', ')
  const names = key.map((_, at) => `k${at}`).join(', ')
  const matches = key.map(({ name, type }, at) => `t.${quoteIdent(name)} = k${at}::${type}`)
  return `delete from only ${quoteQualified(schema, table.target)} t
    using unnest(${arrays}) as deleted(${names}) where ${matches.join(' and ')}`
}

function columnsOf(keys: readonly KeyCells[], columns: number): (string | null)[][] {
  return Array.from({ length: columns }, (_, at) => keys.map((cells) => cells[at] ?? null))
}
