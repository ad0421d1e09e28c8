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
  const sequence = await sequenceOf(session, table, column.target)
  if (sequence === null) return
  const next = column.identity?.next ?? '1'
  await session.query(
    `with last as (
       select greatest((select max(${quoteIdent(column.target)}) from ${table})::numeric,
                       $2::numeric - 1,
                       case when $3 then null else pg_sequence_last_value($1::oid)::numeric end)
         as value
     ), bounds as (
       select seqmax, seqmin from pg_sequence
       where seqrelid = $1::oid and ($3 or seqincrement > 0)
     )
     select setval($1::oid::regclass,
       greatest(least(value, seqmax), seqmin)::bigint, value >= seqmin)
     from last, bounds`,
    [sequence.oid, next, sequence.owned],
  )
}

interface Sequence {
  readonly oid: string
  /** By the column itself. Another one may serve other tables too: it is never set back. */
  readonly owned: boolean
}

/** The column's own, else the only one that its default takes from; a default by a name that is text is not known. */
async function sequenceOf(
  session: Session,
  table: string,
  column: string,
): Promise<Sequence | null> {
  const { rows } = await session.query<Sequence>(
    `with own as (
       select pg_get_serial_sequence($1, $2)::regclass::oid as oid
     ), taken as (
       select min(c.oid) as oid, count(distinct c.oid) as sequences from pg_attribute a
       join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
       join pg_depend p on p.classid = 'pg_attrdef'::regclass and p.objid = d.oid
         and p.refclassid = 'pg_class'::regclass
       join pg_class c on c.oid = p.refobjid and c.relkind = 'S'
       where a.attrelid = $1::regclass and a.attname = $2
     )
     select coalesce(own.oid, taken.oid)::bigint::text as oid, own.oid is not null as owned
     from own, taken where own.oid is not null or sequences = 1`,
    [table, column],
  )
  return rows[0] ?? null
}
