/**
 * What the control database consists of, one line for each object and each right. The runner of migrations leaves these
 * lines in the history (`_prisma_migrations.logs` of the newest row), so that whoever looks later sees what somebody has
 * changed by hand since.
 */
import type { Client } from '../door/connection.ts'

interface Kept {
  /** Versions word definitions differently. */
  readonly major: number
  readonly lines: readonly string[]
}

export interface Drift {
  readonly missing: readonly string[]
  readonly added: readonly string[]
}

const ours = (alias: string, catalogue: string): string =>
  `not exists (select from pg_depend d where d.classid = '${catalogue}'::regclass and d.objid = ${alias}.oid and d.deptype = 'e')`

/** Partitions come and go with upkeep, and their parents say what they are. */
const LINES = `
with relation as (
  select c.* from pg_class c
  where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'S') and not c.relispartition
    and ${ours('c', 'pg_class')}
)
select line from (
  select format('relation %s: %s of %s, row-level security %s, forced %s, rights %s', relname, relkind,
    pg_get_userbyid(relowner), relrowsecurity, relforcerowsecurity, coalesce(relacl::text, 'default')) as line
  from relation
  union all
  select format('column %s.%s: %s%s%s, rights %s', r.relname, a.attname, format_type(a.atttypid, a.atttypmod),
    case when a.attnotnull then ' not null' else '' end, coalesce(' ' || pg_get_expr(d.adbin, d.adrelid), ''),
    coalesce(a.attacl::text, 'default'))
  from relation r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
  left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum where r.relkind <> 'S'
  union all
  select format('constraint %s.%s: %s', r.relname, c.conname, pg_get_constraintdef(c.oid))
  from relation r join pg_constraint c on c.conrelid = r.oid where c.contype in ('c', 'f', 'p', 'u', 'x')
  union all
  select format('index %s', pg_get_indexdef(i.indexrelid)) from relation r join pg_index i on i.indrelid = r.oid
  where i.indisvalid
  union all
  select format('policy %s.%s: %s to %s using %s check %s', r.relname, p.polname, p.polcmd,
    array(select coalesce(pg_get_userbyid(nullif(o, 0)), 'public') from unnest(p.polroles) o),
    pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
  from relation r join pg_policy p on p.polrelid = r.oid
  union all
  select format('trigger %s %s', pg_get_triggerdef(t.oid), t.tgenabled)
  from relation r join pg_trigger t on t.tgrelid = r.oid where not t.tgisinternal
  union all
  select format('function %s(%s) of %s: %s, rights %s', p.proname, pg_get_function_identity_arguments(p.oid),
    pg_get_userbyid(p.proowner), md5(pg_get_functiondef(p.oid)), coalesce(p.proacl::text, 'default'))
  from pg_proc p where p.pronamespace = 'public'::regnamespace and p.prokind in ('f', 'p') and ${ours('p', 'pg_proc')}
) as lines order by line`

const NEWEST = `id = (select id from _prisma_migrations where finished_at is not null order by migration_name desc limit 1)`

/** Keeps the present catalogue as what the migrations made: after some were applied, and after an upgrade of the server. */
export async function keepCatalogue(client: Client, applied: boolean): Promise<void> {
  const { rows } = await client.query<{ same: boolean | null }>(
    `select substring(logs from '"major":([0-9]+)')::int
       = current_setting('server_version_num')::int / 10000 as same from _prisma_migrations where ${NEWEST}`,
  )
  if (!applied && rows[0]?.same) return
  await client.query(`update _prisma_migrations set logs = $1 where ${NEWEST}`, [
    JSON.stringify(await catalogue(client)),
  ])
}

/** Null where nothing was kept, or by another major version of the server. */
export async function drift(client: Client): Promise<Drift | null> {
  const kept = await keptCatalogue(client)
  const present = await catalogue(client)
  if (kept?.major !== present.major) return null
  const [before, now] = [new Set(kept.lines), new Set(present.lines)]
  return {
    missing: kept.lines.filter((line) => !now.has(line)),
    added: present.lines.filter((line) => !before.has(line)),
  }
}

async function keptCatalogue(client: Client): Promise<Kept | null> {
  const { rows } = await client.query<{ logs: string | null }>(
    `select logs from _prisma_migrations where ${NEWEST}`,
  )
  const logs = rows[0]?.logs
  return logs ? (JSON.parse(logs) as Kept) : null
}

async function catalogue(client: Client): Promise<Kept> {
  const version = await client.query<{ major: number }>(
    "select current_setting('server_version_num')::int / 10000 as major",
  )
  const { rows } = await client.query<{ line: string }>(LINES)
  return { major: version.rows[0]?.major ?? 0, lines: rows.map(({ line }) => line) }
}
