/**
 * What a tenant approved before suggests what to do with the next column. Names are compared as words ("orderLine_ID" is
 * "order line id"): by their trigrams where the server has pg_trgm, by equal beginnings otherwise. The columns of approved
 * plans are copied into `approved_mapping` by whoever asks first, in the tenant's own transaction.
 *
 * Similarity is worked out over the tenant's own rows, which an index finds: under row-level security no index may use an
 * operator that could leak (of pg_trgm all could).
 */
import type { Door, Tx } from '../door/door.ts'
import { trigram } from '../setup/extensions.ts'

/** About columns of one table of a source. */
export interface TableQuestion {
  readonly table: string
  readonly columns: readonly ColumnQuestion[]
  /** What this migration itself approved suggests nothing. */
  readonly exceptMigration?: string
  /** For each column. */
  readonly limit?: number
}

export interface ColumnQuestion {
  readonly column: string
  /** The PostgreSQL type that the values ask for; equal types rank higher. */
  readonly type?: string
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

/** A tenant may have approved tens of thousands of names: so many, the commonest, are compared with each column. */
const NAMES_COMPARED = 5_000
/** And so many, the likest of those, are looked at. */
const NAMES_LIKE = 100

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

/**
 * $1 columns and $2 their types, $3 the table, $4 the limit, $5 the migration that is left out. Materialized, because what
 * makes the words could leak, and only comparisons of what is there already may use an index under row-level security.
 */
const ASKED = `
asked as materialized (
  select w.*, w.name || chr(1114111) as beyond from (
    select a.number, ${words('a.name')} as name, a.type, ${words('$3')} as place
    from unnest($1::text[], $2::text[]) with ordinality a (name, type, number)
  ) w
)`

const OTHERS = '($5::uuid is null or m.migration_id <> $5)'

const RANKED = `
ranked as (
  select number, target_column as "column", target_type as type, conversion, least(max(score), 1)::float8 as score,
    count(distinct migration_id)::int as migrations, row_number() over (partition by number
      order by max(score) desc, count(distinct migration_id) desc, max(approved_at) desc, target_column, target_type,
        conversion) as rank
  from scored where score >= ${SCORE_MIN}
  group by number, target_column, target_type, conversion
)
select number::int, "column", type, conversion, score, migrations from ranked where rank <= $4 order by number, rank`

/** The name counts most, then its table, then the type. Names that many columns have are compared once. */
export const bySimilarity = (similarity: string): string => `
with ${ASKED},
names as materialized (
  select m.words from approved_mapping m where ${OTHERS}
  group by m.words order by count(*) desc, m.words limit ${NAMES_COMPARED}
),
near as materialized (
  select a.number, a.type, a.place, c.words, c.likeness from asked a, lateral (
    select words, likeness from (select n.words, ${similarity}(n.words, a.name) as likeness from names n offset 0) l
    where likeness > 0.2 order by likeness desc limit ${NAMES_LIKE}
  ) c
),
scored as (
  select n.number, m.*, 0.75 * n.likeness + 0.15 * ${similarity}(${words('m.source_table')}, n.place)
    + case when m.target_type = n.type then 0.1 else 0 end as score
  from near n join approved_mapping m on m.words = n.words and ${OTHERS}
),${RANKED}`

/** The comparison is by bytes, so a range of the index is all names that begin so. */
export const BY_BEGINNING = `
with ${ASKED},
scored as (
  select a.number, m.*, 0.75 * length(a.name) / greatest(length(m.words), 1)
    + case when ${words('m.source_table')} = a.place then 0.15 else 0 end
    + case when m.target_type = a.type then 0.1 else 0 end as score
  from asked a
    join approved_mapping m on m.words >= a.name and m.words < a.beyond and ${OTHERS}
),${RANKED}`

/** For each column its suggestions, the best one first. */
export async function suggestMappings(
  door: Door,
  orgId: string,
  question: TableQuestion,
): Promise<readonly (readonly MappingSuggestion[])[]> {
  await door.write(orgId, (tx) => tx.query(REMEMBER))
  const rows = await door.read(orgId, async (tx) =>
    tx.query<Row>(await suggestionQuery(tx), valuesOf(question)),
  )
  return question.columns.map((_, at) =>
    rows.filter(({ number }) => number === at + 1).map(({ number: _number, ...one }) => one),
  )
}

type Row = { [K in keyof MappingSuggestion]: MappingSuggestion[K] } & { number: number }

export async function suggestionQuery(tx: Tx): Promise<string> {
  const similarity = await trigram(tx, 'similarity')
  return similarity === null ? BY_BEGINNING : bySimilarity(similarity)
}

export function valuesOf(question: TableQuestion): unknown[] {
  const { table, columns, limit = 5, exceptMigration } = question
  return [
    columns.map(({ column }) => column),
    columns.map(({ type }) => type ?? ''),
    table,
    Math.min(Math.max(limit, 1), LIMIT_MAX),
    exceptMigration ?? null,
  ]
}
