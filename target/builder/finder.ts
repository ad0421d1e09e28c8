/**
 * What the loaded data does not satisfy, found by query: PostgreSQL names one row and stops, a person needs the exact
 * number and the first few keys.
 */
import type { ForeignKeyMapping, TableMapping } from '@sensei/core/plan'
import { quoteIdent, quoteQualified } from '@sensei/core/sql'
import type { Session } from '../session.ts'

const examplesMax = 5
/** A btree entry has to fit a third of a page; 8 bytes of it are its header. */
const indexRowBytesMax = 2_704
const indexRowHeaderBytes = 8

export interface Offenders {
  readonly rows: number
  readonly examples: readonly string[]
}

/** A query with columns `rows` and `examples`, the same for every kind of refusal. */
export type Finder = string

export async function find(session: Session, finder: Finder): Promise<Offenders> {
  const { rows } = await session.query<{ rows: string; examples: string[] | null }>(finder)
  return { rows: Number(rows[0]?.rows ?? 0), examples: rows[0]?.examples ?? [] }
}

/** Rows that share their key with another one; NULLs are never equal. */
export function duplicates(
  table: string,
  expressions: readonly string[],
  where: string | null,
): Finder {
  const parts = expressions.map(withoutOrder)
  const keys = parts.map((part, at) => `(${part}) as k${at}`).join(', ')
  const names = parts.map((_, at) => `k${at}`)
  const condition = [
    ...parts.map((part) => `(${part}) is not null`),
    ...(where === null ? [] : [`(${where})`]),
  ]
  return `with grouped as (
      select ${keys}, count(*) as times from ${table} where ${condition.join(' and ')}
      group by ${names.map((_, at) => at + 1).join(', ')} having count(*) > 1
    )
    select coalesce(sum(times), 0)::text as rows, (select array_agg(example) from (
      select concat_ws(', ', ${names.join(', ')}) as example from grouped
      order by example limit ${examplesMax}) shown) as examples
    from grouped`
}

/** Rows for which the condition holds, named by the table's key. */
export function matching(table: string, mapping: TableMapping, condition: string): Finder {
  return `select (select count(*) from ${table} t where ${condition})::text as rows,
    (select array_agg(example) from (
      select ${rowName(mapping)} as example from ${table} t where ${condition}
      order by example limit ${examplesMax}) shown) as examples`
}

export function orphans(schema: string, mapping: TableMapping, key: ForeignKeyMapping): Finder {
  const parent = quoteQualified(schema, key.references.table)
  const pairs = key.columns.map((column, at) => {
    const referenced = key.references.columns[at] ?? column
    return `p.${quoteIdent(referenced)} = t.${quoteIdent(column)}`
  })
  const filled = key.columns.map((column) => `t.${quoteIdent(column)} is not null`)
  const missing = `not exists (select from ${parent} p where ${pairs.join(' and ')})`
  const condition = [...filled, missing].join(' and ')
  return matching(quoteQualified(schema, mapping.target), mapping, condition)
}

export function nulls(table: string, mapping: TableMapping, columns: readonly string[]): Finder {
  const condition = columns.map((column) => `t.${quoteIdent(column)} is null`).join(' or ')
  return matching(table, mapping, condition)
}

/** As stored, so compressed like the index entry would be. */
export function tooLarge(table: string, mapping: TableMapping, columns: readonly string[]): Finder {
  const sizes = columns.map((column) => `coalesce(pg_column_size(t.${quoteIdent(column)}), 0)`)
  const condition = `${sizes.join(' + ')} > ${indexRowBytesMax - indexRowHeaderBytes}`
  return matching(table, mapping, condition)
}

/** The key as text, else the row's place; a long value is cut. */
function rowName(mapping: TableMapping): string {
  if (mapping.key === null) return 't.ctid::text'
  const parts = mapping.key.map((column) => `left(t.${quoteIdent(column)}::text, 200)`)
  return `concat_ws(', ', ${parts.join(', ')})`
}

/** A part of an index without how it is ordered: what can stand in GROUP BY. */
function withoutOrder(part: string): string {
  return part.replace(/(\s+nulls\s+(first|last))$/i, '').replace(/\s+(asc|desc)$/i, '')
}
