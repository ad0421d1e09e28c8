/**
 * What a tenant approved before suggests what to do with the next column. Names are compared as words ("orderLine_ID" is
 * "order line id"): by their trigrams where the server has pg_trgm, by equal beginnings otherwise. The columns of approved
 * plans are copied into `approved_mapping` by whoever asks first, in the tenant's own transaction.
 *
 * Similarity is worked out over the tenant's own rows, which an index finds: under row-level security no index may use an
 * operator that could leak (of pg_trgm all could).
 */
import type { Door, Tx } from './door.ts'
import { trigram } from './extensions.ts'

export interface ColumnQuestion {
  readonly table: string
  readonly column: string
  /** The PostgreSQL type that the values ask for; equal types rank higher. */
  readonly type?: string
  /** What this migration itself approved suggests nothing. */
  readonly exceptMigration?: string
  readonly limit?: number
}

export interface MappingSuggestion {
  readonly column: string
  readonly type: string
  readonly conversion: string
  /** From 0 to 1, higher is better. */
  readonly score: number
  /** In how many migrations it was approved. */
  readonly migrations: number
}

const LIMIT_MAX = 50
const SCORE_MIN = 0.3

/** So many plans are taken in by one question; the next one takes the next. */
const PLANS_AT_ONCE = 20

const words = (name: string): string =>
  `btrim(lower(regexp_replace(regexp_replace(${name}, '([a-z0-9])([A-Z])', '\\1 \\2', 'g'), '[^[:alnum:]]+', ' ', 'g')))`

/** Of a migration that was approved again, the newest approval. */
const REMEMBER = `
insert into approved_mapping (org_id, migration_id, source_table, source_column, words, target_table, target_column,
  target_type, conversion, approved_at)
select p.org_id, p.migration_id, t ->> 'source', c ->> 'source', ${words("c ->> 'source'")}, t ->> 'target',
  c ->> 'target', c ->> 'type', c ->> 'conversion', a.occurred_at
from (
  select distinct on (e.migration_id) e.migration_id, (e.payload ->> 'planVersion')::int as version, e.occurred_at
  from migration_event e where e.type = 'migration.approved'
    and not exists (select from approved_mapping m where m.org_id = e.org_id and m.migration_id = e.migration_id)
  order by e.migration_id, e.version desc limit ${PLANS_AT_ONCE}
) a
join plan p on p.migration_id = a.migration_id and p.version = a.version,
  jsonb_array_elements(p.body -> 'tables') t, jsonb_array_elements(t -> 'columns') c
where c ->> 'source' is not null
on conflict do nothing`

const RANKED = `
  select target_column as "column", target_type as type, conversion, least(max(score), 1)::float8 as score,
    count(distinct migration_id)::int as migrations
  from scored where score >= ${SCORE_MIN}
  group by target_column, target_type, conversion
  order by max(score) desc, migrations desc, max(approved_at) desc, target_column, target_type, conversion limit $4`

/** The name counts most, then its table, then the type. */
export const bySimilarity = (similarity: string): string => `
with asked as (select ${words('$1')} as name, ${words('$2')} as place),
scored as (
  select m.*, 0.75 * ${similarity}(m.words, asked.name) + 0.15 * ${similarity}(${words('m.source_table')}, asked.place)
    + case when m.target_type = $3 then 0.1 else 0 end as score
  from approved_mapping m, asked
  where ${similarity}(m.words, asked.name) > 0.2 and ($5::uuid is null or m.migration_id <> $5)
)${RANKED}`

/** The comparison is by bytes, so a range of the index is all names that begin so. */
export const BY_BEGINNING = `
with scored as (
  select m.*, 0.75 * length(${words('$1')}) / greatest(length(m.words), 1)
    + case when ${words('m.source_table')} = ${words('$2')} then 0.15 else 0 end
    + case when m.target_type = $3 then 0.1 else 0 end as score
  from approved_mapping m
  where m.words >= ${words('$1')} and m.words < ${words('$1')} || chr(1114111)
    and ($5::uuid is null or m.migration_id <> $5)
)${RANKED}`

/** For each question its answers, the best one first. */
export async function suggestMappings(
  door: Door,
  orgId: string,
  questions: readonly ColumnQuestion[],
): Promise<readonly (readonly MappingSuggestion[])[]> {
  await door.write(orgId, (tx) => tx.query(REMEMBER))
  return door.read(orgId, async (tx) => {
    const query = await suggestionQuery(tx)
    const answers: Row[][] = []
    for (const question of questions) answers.push(await tx.query<Row>(query, valuesOf(question)))
    return answers
  })
}

type Row = { [K in keyof MappingSuggestion]: MappingSuggestion[K] }

export async function suggestionQuery(tx: Tx): Promise<string> {
  const similarity = await trigram(tx, 'similarity')
  return similarity === null ? BY_BEGINNING : bySimilarity(similarity)
}

export function valuesOf(question: ColumnQuestion): unknown[] {
  const { table, column, type = '', limit = 5, exceptMigration } = question
  return [column, table, type, Math.min(Math.max(limit, 1), LIMIT_MAX), exceptMigration ?? null]
}
