/**
 * How long a page of a search takes, and the questions over plans and the reports, on a control plane of known make:
 *
 *     scripts/node bench/search/index.ts [--rows 5000000] [--migrations 20000] [--rounds 40] [--out FILE]
 *
 * With --database URL (of an administrator) it measures a database that an earlier run filled with --keep.
 */
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { startPostgres } from '@sensei/contracts/postgres-server'
import { cursorKey } from '@sensei/core/cursor'
import { type Client, type ConnectionSettings, connect } from '@sensei/postgres/door/connection'
import { Door } from '@sensei/postgres/door/door'
import {
  LOSSY_PLANS,
  MIGRATIONS_BY_SOURCE,
  Plans,
  PLANS_WITH_LOSSES,
} from '@sensei/postgres/record/plans'
import { provision } from '@sensei/postgres/setup/provision'
import { REPORTS, Reports } from '@sensei/postgres/record/reports'
import { Search, type SearchQuery } from '@sensei/postgres/search/search'
import { machineFacts } from '../machine.ts'
import { fillEntries, fillPlans, ORG, SMALL_ORG } from './data.ts'

const { values: flags } = parseArgs({
  options: {
    rows: { type: 'string', default: '5000000' },
    migrations: { type: 'string', default: '20000' },
    rounds: { type: 'string', default: '40' },
    database: { type: 'string' },
    keep: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
})
const ROUNDS = Number(flags.rounds)
const SETTINGS = { shared_buffers: '1GB', maintenance_work_mem: '512MB', max_wal_size: '8GB' }
const say = (line: string): void => void process.stderr.write(`${line}\n`)

interface Question {
  readonly name: string
  readonly query: SearchQuery
  readonly orgId?: string
}

const QUESTIONS: readonly Question[] = [
  { name: 'a word in every eighth entry', query: { text: 'heartbeat' } },
  { name: 'the same, ranked', query: { text: 'heartbeat', sort: 'rank' } },
  { name: 'a word in every 50,000th', query: { text: 'deadlock' } },
  { name: 'the same, ranked', query: { text: 'deadlock', sort: 'rank' } },
  { name: 'four words, ranked', query: { text: 'copied rows customer 17', sort: 'rank' } },
  { name: 'a phrase', query: { text: '"waited for lock on relation payments 77"' } },
  { name: 'two common words that never meet', query: { text: 'heartbeat renewed' } },
  { name: 'a common word without another', query: { text: 'connection -broke' } },
  { name: 'a word that nobody wrote', query: { text: 'zyzzyva' } },
  { name: 'no word, level fatal', query: { level: 'fatal' }, orgId: SMALL_ORG },
  { name: 'a word of one migration', query: { text: 'chunk', migrationId: '' } },
  { name: 'an actor of the audit', query: { actor: 'user:person17@example.org' } },
  { name: 'a word ten days ago', query: { text: 'lease', until: '' } },
  {
    name: 'a common word, organization with a fifth',
    query: { text: 'heartbeat', sort: 'rank' },
    orgId: SMALL_ORG,
  },
]

async function main(): Promise<void> {
  const server =
    flags.database === undefined ? await startPostgres({ version: 18, settings: SETTINGS }) : null
  const hold = setInterval(() => undefined, 60_000)
  const admin =
    server === null
      ? settingsOf(new URL(flags.database as string))
      : { ...server, database: 'bench' }
  const { host, port, user, password, database } = admin
  try {
    if (server !== null) await fill({ host, port, user, password, database })
    const text = await measure({ host, port, user, password, database })
    process.stdout.write(text)
    if (flags.out !== undefined) await writeFile(flags.out, text)
    if (flags.keep) say(`kept at postgres://${user}:${password}@${host}:${port}/${database}`)
  } finally {
    if (!flags.keep) {
      await server?.remove()
      clearInterval(hold)
    }
    if (server === null) clearInterval(hold)
  }
}

async function fill(admin: ConnectionSettings): Promise<void> {
  const first = await connect({ ...admin, database: 'postgres' })
  await first.query(`create database ${admin.database} template template0`)
  await first.end()
  await provision(admin, { user: 'bench', password: 'bench' })
  const client = await connect(admin)
  await fillEntries(client, Number(flags.rows), say)
  await fillPlans(client, Number(flags.migrations))
  await client.end()
}

async function measure(admin: ConnectionSettings): Promise<string> {
  const door = new Door({ ...admin, role: 'sensei_app' }, { connectionsMax: 1 })
  const client = await connect(admin)
  const lines = [
    '# Search, plans and reports',
    '',
    `\`bench/search/index.ts\`, ${new Date().toISOString().slice(0, 10)}: ${await sizes(client)}.`,
    'Milliseconds of one call from Node with its transaction, and for a page of 50 its highlighting, included: CPU of both',
    'processes on average, and how long it took, 50th and 95th percentile. The same call',
    `${ROUNDS} times after three that do not count. Load of the machine at the start: ${loadavg()[0]?.toFixed(0)}.`,
    '',
    ...machineFacts().map(({ name, value }) => `- ${name}: ${value}`),
    `- PostgreSQL: ${(await client.query<{ server_version: string }>('show server_version')).rows[0]?.server_version}`,
    '',
    '## Full-text search, a page of 50',
    '',
    '| query | CPU | p50 | p95 | found |',
    '|---|---:|---:|---:|---:|',
  ]
  for (const question of QUESTIONS) lines.push(await searchLine(door, client, question))
  lines.push(
    '',
    '## Plans and reports',
    '',
    '| question | CPU | p50 | p95 | rows |',
    '|---|---:|---:|---:|---:|',
  )
  const plans = new Plans(door, ORG)
  const reports = new Reports(door, ORG)
  const others: [string, () => Promise<readonly object[]>][] = [
    ['lossy mappings, a page of 50', () => plans.lossyMappings()],
    ['tables with declared losses, a page of 50', () => plans.tablesWithLosses()],
    ['migrations by source type', () => plans.migrationsBySource()],
    ['migrations from SQLite', () => plans.migrationsBySource({}, 'sqlite')],
    ...REPORTS.map((name): [string, () => Promise<readonly object[]>] => [
      `report: ${name}`,
      () => reports.run(name),
    ]),
  ]
  for (const [name, work] of others) {
    const { p50, p95, cpu, last } = await timed(door, work)
    say(`${name} ${cpu} ${p50} ${p95}`)
    lines.push(`| ${name} | ${cpu} | ${p50} | ${p95} | ${last.length} |`)
  }
  lines.push(...(await explained(admin)))
  await door.close()
  await client.end()
  return `${lines.join('\n')}\n`
}

async function searchLine(
  door: Door,
  client: Client,
  { name, query, orgId = ORG }: Question,
): Promise<string> {
  const search = new Search(door, orgId, cursorKey('bench'))
  const asked = await completed(client, query)
  const { p50, p95, cpu, last } = await timed(door, () => search.page(asked))
  say(`${name} ${cpu} ${p50} ${p95}`)
  return `| ${name} | ${cpu} | ${p50} | ${p95} | ${last.hits.length}${last.next === null ? '' : ', and more'} |`
}

/** What depends on the day of the run. */
async function completed(client: Client, query: SearchQuery): Promise<SearchQuery> {
  const { rows } = await client.query<{ id: string; day: string }>(
    `select md5('migration' || 8)::uuid as id, to_char(max(at) - interval '10 days', 'YYYY-MM-DD') as day from log_entry`,
  )
  const { id = '', day = '' } = rows[0] ?? {}
  return {
    ...query,
    ...(query.migrationId === undefined ? {} : { migrationId: id }),
    ...(query.until === undefined ? {} : { until: day }),
  }
}

interface Timed<T> {
  /** Of this process and the server's together, for one call: what it takes on a machine that does nothing else. */
  readonly cpu: string
  readonly p50: string
  readonly p95: string
  readonly last: T
}

async function timed<T>(door: Door, work: () => Promise<T>): Promise<Timed<T>> {
  const [backend] = await door.read(ORG, (tx) =>
    tx.query<{ pid: number }>('select pg_backend_pid() as pid'),
  )
  let last = await work()
  for (let warm = 1; warm < 3; warm++) last = await work()
  const times: number[] = []
  const cpuBefore = cpuMs(backend?.pid)
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now()
    last = await work()
    times.push(performance.now() - start)
  }
  const cpu = ((cpuMs(backend?.pid) - cpuBefore) / ROUNDS).toFixed(1)
  times.sort((a, b) => a - b)
  const at = (share: number): string =>
    (times[Math.floor((times.length - 1) * share)] ?? 0).toFixed(1)
  return { cpu, p50: at(0.5), p95: at(0.95), last }
}

/** Of this process, and of the backend where it is on this machine: its ticks of 10 ms, hence the sum over all rounds. */
function cpuMs(pid: number | undefined): number {
  const { user, system } = process.cpuUsage()
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (user + system) / 1_000 + (Number(fields[11]) + Number(fields[12])) * 10
}

async function sizes(client: Client): Promise<string> {
  const { rows } = await client.query<{ text: string }>(
    `select format('%s log entries in %s partitions and %s audit entries, %s in all; %s plans', (select count(*) from log_entry),
       (select count(*) from pg_inherits where inhparent = 'log_entry'::regclass), (select count(*) from audit_log),
       pg_size_pretty(pg_database_size(current_database())), (select count(*) from plan)) as text`,
  )
  return rows[0]?.text ?? ''
}

/** The plans behind the figures, and the one that row-level security leaves to whoever asks for himself. */
async function explained(admin: ConnectionSettings): Promise<string[]> {
  const lines = ['', '## EXPLAIN (ANALYZE, BUFFERS)', '']
  const search = `select e.at, e.id from log_entry e
    where e.org_id = '${ORG}' and e.search @@ (search_tag('org', '${ORG}') && search_words('deadlock'))
      and e.at >= (select max(at) - interval '3 days' from log_entry where org_id = '${ORG}')
    order by e.at + interval '0' desc, e.id desc limit 51`
  const shown: [string, string, string, readonly unknown[]][] = [
    ['A rare word in three days, as find_log_entries asks', 'sensei_search', search, []],
    [
      'The same asked by the application: row-level security keeps the index out',
      'sensei_app',
      search,
      [],
    ],
    ['Plans with lossy mappings', 'sensei_app', LOSSY_PLANS, [50, null]],
    ['Plans with declared losses', 'sensei_app', PLANS_WITH_LOSSES, [50, null]],
    ['Migrations from SQLite', 'sensei_app', MIGRATIONS_BY_SOURCE, [50, null, 'sqlite']],
  ]
  for (const [title, role, sql, values] of shown) {
    const door = new Door({ ...admin, role })
    const rows = await door.read(ORG, (tx) =>
      tx.query<{ 'QUERY PLAN': string }>(
        `explain (analyze, buffers, costs off, timing off) ${sql}`,
        values,
      ),
    )
    await door.close()
    const plan = rows
      .map((row) => row['QUERY PLAN'])
      .filter((line) => !line.includes('never executed'))
    lines.push(
      `${title}:`,
      '',
      '```',
      ...plan.slice(0, 60),
      ...(plan.length > 60 ? ['…'] : []),
      '```',
      '',
    )
  }
  return lines
}

function settingsOf(url: URL): ConnectionSettings {
  return {
    host: url.hostname,
    port: Number(url.port),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: url.pathname.slice(1),
  }
}

await main()
