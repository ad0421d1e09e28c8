/**
 * G10: a tenant never reads or changes another's row, even with a forgotten WHERE.
 *
 * Two organizations live the same life. One of them then asks: every statement of the pillar with its WHERE left out,
 * every call of the pillar with ids of its twin, and statements at random, as the application and as the owner of the
 * tables. The oracle knows nothing of policies: no answer and no error may hold the twin's canary or one of its ids, no
 * statement may touch more rows than one's own, and the twin's rows are in the end what they were.
 */
import { randomUUID } from 'node:crypto'
import { isSenseiError } from '@sensei/core/errors'
import type { PostgresVersion } from '@sensei/contracts/servers'
import type { Client } from '@sensei/postgres/door/connection'
import { randomFrom } from './g1/random.ts'
import { Fuzzer, type Probe, type Routine } from './g10/fuzz.ts'
import { withLiterals, withoutWhere } from './g10/strip.ts'
import { CANARY, type Life, openTwins, type Table, type Twins, tenantColumn } from './g10/twins.ts'
import { writeRecord } from './record.ts'

export interface Options {
  readonly version: PostgresVersion
  readonly probes: number
  readonly seed: number
  /** A negative control: a hole that is opened in this run's own database. */
  readonly sabotage?: string
}

export interface Result {
  readonly probes: number
  /** Of them: statements of the pillar without their WHERE, calls with foreign ids, and statements at random. */
  readonly stripped: number
  readonly foreign: number
  readonly random: number
  /** Probes that were answered with rows of one's own: what shows that the others were asked in earnest. */
  readonly answered: number
  readonly tables: number
  /** Tables of tenants in which the twin has no row. */
  readonly empty: readonly string[]
  readonly findings: readonly string[]
}

const FINDINGS_MAX = 20
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g
const CANARY_BYTES = Buffer.from(CANARY).toString('hex')

export async function run(options: Options): Promise<Result> {
  const twins = await openTwins(options.version, options.sabotage)
  try {
    const before = await twins.digest()
    const examiner = new Examiner(twins)
    const stripped = await examiner.stripped()
    const foreign = await examiner.foreign(Math.ceil(options.probes / 250))
    const random = Math.max(options.probes - stripped - foreign, 0)
    await examiner.atRandom(random, options.seed)
    if ((await twins.digest()) !== before)
      examiner.find('the twin’s rows are not what they were', '')
    const tables = twins.tables.filter(
      ({ name, columns }) => tenantColumn(name, columns) !== undefined,
    )
    return {
      probes: stripped + foreign + random,
      stripped,
      foreign,
      random,
      answered: examiner.answered,
      tables: tables.length,
      empty: tables
        .filter((table) => table.twins === 0 && !table.partition)
        .map((table) => table.name),
      findings: examiner.findings,
    }
  } finally {
    await twins.close()
  }
}

class Examiner {
  readonly findings: string[] = []
  answered = 0
  readonly #twins: Twins
  readonly #foreign: ReadonlySet<string>

  constructor(twins: Twins) {
    this.#twins = twins
    this.#foreign = new Set(twins.foreignIds)
  }

  find(what: string, where: string): void {
    if (this.findings.length < FINDINGS_MAX) this.findings.push(`${what}: ${where}`.slice(0, 400))
  }

  async stripped(): Promise<number> {
    const statements = this.#twins.statements.filter(({ text }) => /\bwhere\b/i.test(text))
    for (const { text, values } of statements) {
      const sql = withoutWhere(withLiterals(text, values))
      const probe = {
        sql,
        as: 'application',
        namesTwin: false,
        changes: null,
        commits: false,
      } as const
      await this.#ask(probe)
    }
    return statements.length
  }

  async atRandom(probes: number, seed: number): Promise<void> {
    const { routines, roles } = await reach(this.#twins.admin)
    const fuzzer = new Fuzzer(randomFrom(seed), this.#twins, routines, roles)
    await this.#twins.app.query("set statement_timeout = '10s'")
    for (let n = 0; n < probes; n++) await this.#ask(fuzzer.next())
  }

  async #ask(probe: Probe): Promise<void> {
    const { admin, app, orgId } = this.#twins
    const client = probe.as === 'owner' ? admin : app
    const text = `begin; ${probe.as === 'owner' ? 'set local role sensei_owner; ' : ''}
      select set_config('app.org_id', '${orgId}', true); ${probe.sql}; ${probe.commits ? 'commit' : 'rollback'}`
    try {
      const answers = await inText(client, text)
      const rows = answers.flatMap((answer) => answer.rows)
      this.#judge(JSON.stringify(rows), probe)
      // One row is the setting's.
      if (rows.length > 1) this.answered++
      const touched = answers.find(({ command }) => command === 'UPDATE' || command === 'DELETE')
      if (
        probe.changes !== null &&
        this.#isOfTenants(probe.changes) &&
        (touched?.rowCount ?? 0) > probe.changes.own
      )
        this.find(
          `${touched?.rowCount} rows touched, ${probe.changes.own} are one’s own`,
          probe.sql,
        )
    } catch (error) {
      await client.query('rollback; deallocate all')
      const { message, detail, where, hint } = error as Record<string, unknown>
      this.#judge(JSON.stringify([message, detail, where, hint]).replaceAll(probe.sql, ''), probe)
    }
  }

  /** The owner may do as he likes with what belongs to the installation. */
  #isOfTenants({ name, columns }: Table): boolean {
    return tenantColumn(name, columns) !== undefined
  }

  /** What the probe itself says of the twin may come back. */
  #judge(answer: string, { sql, namesTwin }: Pick<Probe, 'sql' | 'namesTwin'>): void {
    if (answer.includes(CANARY) || answer.includes(CANARY_BYTES)) this.find('the canary', sql)
    if (namesTwin) return
    const id = answer.match(UUID)?.find((found) => this.#foreign.has(found))
    if (id !== undefined) this.find(`the twin’s ${id}`, sql)
  }

  /** Each call with an id of the twin is answered as the one with an id of nobody. */
  async foreign(ids: number): Promise<number> {
    let asked = 0
    for (const id of this.#twins.foreignIds.slice(0, ids)) {
      const nobody = randomUUID()
      for (const [name, call] of calls(this.#twins.life)) {
        const [foreign, missing] = [await outcome(call, id), await outcome(call, nobody)]
        if (foreign !== missing) this.find(`${name} tells ${foreign} from ${missing}`, id)
        this.#judge(foreign, { sql: name, namesTwin: true })
        asked += 2
      }
    }
    return asked
  }
}

type Call = (id: string) => Promise<unknown>

function calls(life: Life): readonly (readonly [string, Call])[] {
  const { journal, tasks, users, keys, sessions, principal } = life
  const step = { expectedVersion: 2, payload: {} as never, actor: 'mine' }
  const worker = { role: 'worker', owner: 'mine', limit: 9 } as const
  return [
    ['journal.get', (id) => journal.get(id)],
    ['journal.events', (id) => journal.events(id)],
    [
      'journal.transition',
      (id) => journal.transition({ migrationId: id, event: 'planned', ...step }),
    ],
    [
      'journal.record',
      (id) => journal.record(id, [{ kind: 'plan', version: 9, hash: 'h', plan: {} as never }]),
    ],
    ...(['plan', 'receipt', 'agent', 'verification', 'certificate', 'archive'] as const).map(
      (kind): readonly [string, Call] => [
        `journal.entries ${kind}`,
        (id) => journal.entries(id, kind),
      ],
    ),
    ['tasks.claim', (id) => tasks.claim({ migrationId: id, ...worker })],
    ['tasks.outstanding', (id) => tasks.outstanding(id)],
    ['tasks.discard', (id) => tasks.discard(id, [CANARY])],
    ['users.get', (id) => users.get(principal.orgId, id)],
    ['users.changeRole', (id) => users.changeRole(principal, id, 'viewer')],
    ['users.remove', (id) => users.remove(principal, id)],
    ['keys.get', (id) => keys.get(principal.orgId, id)],
    ['keys.revoke', (id) => keys.revoke(principal, id)],
    ['sessions.start', (id) => sessions.start(principal.orgId, id)],
    ['sessions.list', (id) => sessions.list(principal, id)],
    ['sessions.revoke', (id) => sessions.revoke(principal, id)],
    ['sessions.revokeAll', (id) => sessions.revokeAll(principal, id)],
  ]
}

/** The answer without the id that was asked for. */
async function outcome(call: Call, id: string): Promise<string> {
  try {
    return `answer ${JSON.stringify(await call(id))}`.replaceAll(id, 'ID')
  } catch (error) {
    const { code } = error as { code?: unknown }
    return `${isSenseiError(error) ? 'refusal' : 'error'} ${String(code)} ${String(error)}`.replaceAll(
      id,
      'ID',
    )
  }
}

interface InText {
  readonly command: string
  readonly rowCount: number | null
  readonly rows: readonly Readonly<Record<string, string | null>>[]
}

/** Values as PostgreSQL writes them, so that bytes are hexadecimal digits. */
async function inText(client: Client, text: string): Promise<readonly InText[]> {
  const types = { getTypeParser: () => (value: string) => value }
  return (await client.query({ text, types: types as never })) as unknown as readonly InText[]
}

async function reach(admin: Client): Promise<{ routines: Routine[]; roles: string[] }> {
  const routines = await admin.query<Routine>(
    `select proname as name,
       array(select format_type(t, null) from unnest(proargtypes) t)::text[] as types
     from pg_proc where pronamespace = 'public'::regnamespace and prorettype <> 'trigger'::regtype
       and has_function_privilege('sensei_app', oid, 'execute') and proname !~ '^find_'`,
  )
  const roles = await admin.query<{ rolname: string }>(
    "select rolname from pg_roles where rolname ~ '^sensei_' or rolsuper",
  )
  return { routines: routines.rows, roles: roles.rows.map((row) => row.rolname) }
}

/** Each opens one hole; the oracle must see something through it. */
export const CONTROLS: readonly { readonly name: string; readonly sabotage: string }[] = [
  {
    name: 'tables without FORCE',
    sabotage: `do $$ declare forced regclass; begin
      for forced in select oid from pg_class where relforcerowsecurity loop
        execute format('alter table %s no force row level security', forced);
      end loop; end $$`,
  },
  {
    name: 'a table without its policy',
    sabotage: 'alter table receipt disable row level security',
  },
  { name: 'a policy that is always true', sabotage: 'create policy open on task using (true)' },
  {
    name: 'a definer function',
    sabotage: `create function peek() returns setof certificate language sql security definer
      set search_path = public, pg_temp as 'select * from certificate'`,
  },
  {
    name: 'a view that reads as its owner',
    sabotage: 'create view seen as select * from verification; grant select on seen to sensei_app',
  },
  {
    name: 'a materialized view',
    sabotage:
      'create materialized view kept as select * from connection; grant select on kept to sensei_app',
  },
]

async function main(): Promise<void> {
  // A test server does not keep its process awake.
  const awake = setInterval(() => undefined, 60_000)
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9))
  const startedAt = performance.now()
  const runs: object[] = []
  for (const version of [18, 15] as const) {
    const result = await run({ version, probes: version === 18 ? 100_000 : 10_000, seed })
    runs.push({ version, ...result })
    if (result.findings.length > 0) process.exitCode = 1
  }
  const objections: Record<string, string> = {}
  for (const { name, sabotage } of CONTROLS) {
    const { findings } = await run({ version: 18, probes: 1_500, seed, sabotage })
    objections[name] = findings[0] ?? 'none'
    if (findings.length === 0) process.exitCode = 1
  }
  writeRecord('g10-tenants', startedAt, {
    guarantee: 'G10',
    seed,
    runs,
    objections_with: objections,
  })
  clearInterval(awake)
  process.exit()
}

if (import.meta.main) await main()
