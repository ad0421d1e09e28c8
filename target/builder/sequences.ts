/** Identities go on past what was loaded, and past what the source would have given next. */
import type { ColumnMapping, TableMapping } from '@sensei/core/plan'
import { quoteIdent, quoteQualified } from '@sensei/core/sql'
import { NO_ROWS } from '../ledger.ts'
import type { Session } from '../session.ts'
import type { Work } from './finish-table.ts'

export function sequenceSteps(schema: string, table: TableMapping): readonly Work[] {
  return table.columns
    .filter((column) => column.identity !== null)
    .map((column) => ({
      step: {
        name: `sequence ${column.target} of ${table.target}`,
        kind: 'sequence',
        table: table.target,
      },
      work: async (session) => {
        await setSequence(session, quoteQualified(schema, table.target), column)
        return NO_ROWS
      },
    }))
}

/**
 * The last value given is set, not the next one: after a key at the type's end there is no next one, and the source
 * would have refused there too. A table without positive keys starts at 1.
 */
async function setSequence(session: Session, table: string, column: ColumnMapping): Promise<void> {
  const next = column.identity?.next ?? '1'
  await session.query(
    `with last as (
       select greatest((select max(${quoteIdent(column.target)}) from ${table})::numeric,
                       $3::numeric - 1) as value
     ), bounds as (
       select seqmax, seqmin from pg_sequence
       where seqrelid = pg_get_serial_sequence($1, $2)::regclass
     )
     select setval(pg_get_serial_sequence($1, $2)::regclass,
       greatest(least(value, seqmax), seqmin)::bigint, value >= seqmin)
     from last, bounds`,
    [table, column.target, next],
  )
}
