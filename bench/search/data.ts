/** What is searched: log and audit entries of two organizations over 29 days, and plans; all made by SQL from numbers. */
import type { Client } from '@sensei/postgres/door/connection'

/** Has four fifths of the entries and all plans. */
export const ORG = '00000000-0000-7000-8000-00000000000a'
export const SMALL_ORG = '00000000-0000-7000-8000-00000000000b'

/** Of the entries, how many are of the audit. */
const AUDIT_SHARE = 0.4
const BATCH_ROWS = 500_000

const PREPARE = `
insert into organization (id, slug, name) values ('${ORG}', 'bench-a', 'A'), ('${SMALL_ORG}', 'bench-b', 'B');
select make_log_days((now() at time zone 'UTC')::date - 30, 32);
create function bench_uuid(n bigint) returns uuid language sql immutable return md5('id' || n)::uuid;
create function bench_at(n bigint, rows bigint) returns timestamptz language sql stable
  return date_trunc('hour', now()) - interval '29 days' * (1 - n::float8 / rows);
drop index log_entry_search, audit_log_search`

const INDEXES = `
create index log_entry_search on log_entry using gin (search) with (gin_pending_list_limit = 256);
create index audit_log_search on audit_log using gin (search) with (gin_pending_list_limit = 256)`

/** $1 and $2: from which number to which, $3: of how many. A heartbeat is every eighth, a deadlock every 50,000th. */
const LOGS = `
insert into log_entry (org_id, at, id, migration_id, level, component, message, fields)
select case when n % 5 = 0 then '${SMALL_ORG}' else '${ORG}' end::uuid, bench_at(n, $3), bench_uuid(n),
  md5('migration' || n % 1000)::uuid,
  case when n % 1000 = 0 then 60 when n % 100 = 1 then 50 when n % 20 = 2 then 40 when n % 3 = 0 then 20 else 30 end,
  (array['worker','scout','architect','validator','conductor','api'])[1 + n % 6],
  case n % 8
    when 0 then 'chunk ' || n % 977 || ' of table customer_' || n % 211 || ' was copied: ' || n % 65536 || ' rows in '
      || n % 4000 || ' ms'
    when 1 then 'lease of task ' || md5('t' || n) || ' was renewed by worker ' || n % 64
    when 2 then 'the connection to the target broke (08006) and was opened again after ' || n % 900 || ' ms'
    when 3 then 'index orders_by_day_' || n % 307 || ' was built in ' || n % 9000 || ' ms'
    when 4 then 'bucket ' || n % 1024 || ' of table invoice_line_' || n % 97 || ' is equal on both sides'
    when 5 then 'request ' || md5('r' || n) || ' GET /v1/migrations answered '
      || (array[200,200,200,404,409])[1 + n % 5]
    when 6 then 'statement took long, waited for lock on relation payments_' || n % 401
    else 'heartbeat'
  end || case when n % 50000 = 7 then ' deadlock detected while upgrading' else '' end,
  jsonb_build_object('worker', n % 64, 'host', 'node-' || n % 12, 'trace', substr(md5('x' || n), 1, 12))
from generate_series($1::bigint, $2::bigint) n`

const AUDIT = `
insert into audit_log (org_id, id, actor, action, detail, recorded_at)
select case when n % 5 = 0 then '${SMALL_ORG}' else '${ORG}' end::uuid, bench_uuid(-n),
  'user:person' || n % 300 || '@example.org',
  (array['key.created','key.revoked','member.added','connection.created','settings.changed','session.revoked'])[1 + n % 6],
  jsonb_build_object('name', 'object ' || n % 4001,
      'reason', case when n % 7 = 0 then 'rotated on schedule' else 'requested by the owner' end)
    || case when n % 20000 = 11 then '{"message": "deadlock detected while upgrading"}' else '{}' end::jsonb,
  bench_at(n, $3)
from generate_series($1::bigint, $2::bigint) n`

/** As the administrator, and without the triggers that number audit rows: a million commits would take an hour. */
export async function fillEntries(
  client: Client,
  rows: number,
  say: (line: string) => void,
): Promise<void> {
  await client.query('set session_replication_role = replica')
  await client.query(PREPARE)
  const audit = Math.round(rows * AUDIT_SHARE)
  await inBatches(client, LOGS, rows - audit, (done) => say(`${done} log entries`))
  await inBatches(client, AUDIT, audit, (done) => say(`${done} audit entries`))
  say('indexes')
  await client.query(INDEXES)
  await client.query('vacuum analyze log_entry')
  await client.query('vacuum analyze audit_log')
  await client.query('reset session_replication_role')
}

async function inBatches(
  client: Client,
  sql: string,
  rows: number,
  done: (rows: number) => void,
): Promise<void> {
  for (let start = 1; start <= rows; start += BATCH_ROWS) {
    const end = Math.min(start + BATCH_ROWS - 1, rows)
    await client.query(sql, [start, end, rows])
    done(end)
  }
}

/** $1 migrations of two plan versions each; every fiftieth newest version is lossy, every fortieth declares losses. */
const PLANS = [
  `insert into connection (org_id, id, engine, url)
   select '${ORG}'::uuid, md5(engine)::uuid, engine, engine || ':bench'
   from unnest(array['sqlite', 'mysql', 'postgres']) engine`,
  `insert into migration (org_id, id, source_id, target_id, options, status, version, failed_in)
   select '${ORG}'::uuid, md5('m' || n)::uuid, md5((array['sqlite', 'mysql', 'postgres'])[1 + n % 3])::uuid,
     md5('postgres')::uuid, '{}', case when n % 9 = 0 then 'failed' else 'completed' end, 5,
     case when n % 9 = 0 then 'loading' end
   from generate_series(1, $1::int) n`,
  `insert into plan (org_id, migration_id, version, hash, body)
   select '${ORG}'::uuid, md5('m' || n)::uuid, v, md5(n || ' ' || v), jsonb_build_object(
     'source', jsonb_build_object('engine', (array['sqlite', 'mysql', 'postgres'])[1 + n % 3]),
     'tables', (select jsonb_agg(jsonb_build_object('source', 'table_' || t, 'columns', (
       select jsonb_agg(jsonb_build_object('source', 'column_' || c, 'type', 'text', 'conversion', 'text',
         'fidelity', case when n % 50 = 0 and v = 2 and t = 3 and c = 4 then 'lossy' else 'exact' end))
       from generate_series(1, 12) c))) from generate_series(1, 8) t),
     'losses', case when n % 40 = 0 and v = 2
       then '[{"rule": "mixed-to-text", "table": "table_3", "column": "column_4", "rows": 7}]' else '[]' end::jsonb)
   from generate_series(1, $1::int) n, generate_series(1, 2) v`,
  `insert into migration_event (org_id, id, migration_id, version, type, status, failed_in, payload, actor, occurred_at, partition)
   select '${ORG}'::uuid, gen_random_uuid(), md5('m' || n)::uuid, v,
     case when n % 9 = 0 and v = 5 then 'migration.failed' else 'migration.step' end,
     case when n % 9 = 0 and v = 5 then 'failed'
       else (array['pending', 'planning', 'running', 'validating', 'completed'])[v] end,
     case when n % 9 = 0 and v = 5 then 'loading' end,
     case when n % 9 = 0 and v = 5
       then jsonb_build_object('code', 'CAUSE_' || n % 13, 'message', 'as said') else '{}' end,
     'bench', now() - n * interval '60 s' + v * interval '9 s', 0
   from generate_series(1, $1::int) n, generate_series(1, 5) v`,
  `insert into receipt (org_id, migration_id, step, kind, table_name, rows_read, rows_written, rows_rejected, snapshot,
     epoch, recorded_at)
   select '${ORG}'::uuid, md5('m' || n)::uuid, 'chunk ' || c, 'chunk', 'table_' || c % 8, 60000, 59999, 1, 's', 1,
     now() - n * interval '60 s' + c * interval '1 s'
   from generate_series(1, $1::int) n, generate_series(1, 10) c`,
]

export async function fillPlans(client: Client, migrations: number): Promise<void> {
  await client.query('set session_replication_role = replica')
  for (const sql of PLANS) {
    await client.query(sql, sql.includes('$1') ? [migrations] : [])
  }
  for (const table of ['plan', 'migration', 'migration_event', 'receipt', 'connection']) {
    await client.query(`vacuum analyze ${table}`)
  }
  await client.query('reset session_replication_role')
}
