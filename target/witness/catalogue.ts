/** What pg_catalog says about the tables of one schema: how the validator reads them, and what they are made of. */
import { tagOf, type Tag } from '@sensei/core/canonical/types'
import type { TargetTable } from '@sensei/core/ports/target'
import type { ClientBase } from 'pg'

export interface CatalogueColumn {
  readonly name: string
  /** As format_type spells it. */
  readonly type: string
  /** Of the base type, for a domain. */
  readonly baseName: string
  readonly tag: Tag
  readonly nullable: boolean
  readonly default: string | null
  /** `a` or `d` for an identity, `s` or `v` for a generated column, else ''. */
  readonly identity: string
  readonly generated: string
}

export interface CatalogueTable {
  readonly oid: number
  readonly name: string
  /** pg_class.relkind */
  readonly kind: string
  /** Blocks on disk at this moment. */
  readonly blocks: number
  readonly columns: readonly CatalogueColumn[]
}

const TABLES = `
  select c.oid::int8 as oid, c.relname as name, c.relkind as kind,
         case when c.relkind = 'r' then pg_relation_size(c.oid) / current_setting('block_size')::int else 0 end as blocks
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = $1 and c.relkind in ('r', 'p', 'v', 'm', 'f') and ($2::text is null or c.relname = $2)
  order by c.relname`

// A domain over a domain ends at a type that is none.
const COLUMNS = `
  with recursive base as (
    select oid, oid as root from pg_type
    union all
    select t.typbasetype, base.root from base join pg_type t on t.oid = base.oid where t.typtype = 'd'
  )
  select a.attrelid::int8 as "table", a.attname as name, format_type(a.atttypid, a.atttypmod) as type,
         t.typname as "baseName", t.typtype = 'e' as "isEnum", not a.attnotnull as nullable,
         pg_get_expr(d.adbin, d.adrelid) as "default", a.attidentity as identity, a.attgenerated as generated
  from pg_attribute a
  join base on base.root = a.atttypid
  join pg_type t on t.oid = base.oid and t.typtype <> 'd'
  left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attrelid = any($1::oid[]) and a.attnum > 0 and not a.attisdropped
  order by a.attrelid, a.attnum`

interface ColumnRow extends Omit<CatalogueColumn, 'tag'> {
  readonly table: string
  readonly isEnum: boolean
}

/** All relations of the schema, or the one with that name. */
export async function readCatalogue(
  client: ClientBase,
  schema: string,
  name: string | null = null,
): Promise<CatalogueTable[]> {
  const { rows: tables } = await client.query<{
    oid: string
    name: string
    kind: string
    blocks: string
  }>(TABLES, [schema, name])
  const { rows } = await client.query<ColumnRow>(COLUMNS, [tables.map((table) => table.oid)])
  const columns = Map.groupBy(rows, (row) => row.table)
  return tables.map((table) => ({
    oid: Number(table.oid),
    name: table.name,
    kind: table.kind,
    blocks: Number(table.blocks),
    columns: (columns.get(table.oid) ?? []).map(({ table: _, isEnum, ...column }) => ({
      ...column,
      tag: tagOf(column.baseName, isEnum),
    })),
  }))
}

const KEYS = `
  select i.indrelid::int8 as "table", i.indisprimary as "primary", array(
           select a.attname::text from unnest(i.indkey) with ordinality as k(attnum, place)
           join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum order by k.place) as columns
  from pg_index i
  where i.indrelid = any($1::oid[]) and i.indisunique and i.indisvalid and i.indimmediate
    and i.indpred is null and i.indexprs is null and i.indnkeyatts = i.indnatts
    and not exists (select from unnest(i.indkey) k(attnum)
                    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum where not a.attnotnull)
  order by i.indrelid, i.indisprimary desc, i.indnatts, i.indexrelid`

/** Tables and partitioned tables, each with the key that its rows are told apart by. */
export async function describeTables(client: ClientBase, schema: string): Promise<TargetTable[]> {
  const tables = (await readCatalogue(client, schema)).filter(
    ({ kind }) => kind === 'r' || kind === 'p',
  )
  const { rows } = await client.query<{ table: string; columns: string[] }>(KEYS, [
    tables.map(({ oid }) => oid),
  ])
  return tables.map(({ oid, name, columns }) => ({
    name,
    columns: columns.map((column) => ({
      name: column.name,
      type: column.type,
      nullable: column.nullable,
    })),
    key: rows.find(({ table }) => table === String(oid))?.columns ?? null,
  }))
}
