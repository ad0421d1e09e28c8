/** Statements that an application without any WHERE, or with somebody's hand in it, could send. */
import { quoteIdent, quoteLiteral } from '@sensei/core/sql'
import type { Random } from '../g1/random.ts'
import type { Table, Twins } from './twins.ts'

export interface Probe {
  readonly sql: string
  /** The owner of the tables is bound as well: that is what FORCE means. */
  readonly as: 'application' | 'owner'
  /** It names an id of the twin, so that an answer may repeat it without knowing more. */
  readonly namesTwin: boolean
  /** What it changes, at most so many rows of which are one's own. */
  readonly changes: Table | null
  readonly commits: boolean
}

export interface Routine {
  readonly name: string
  readonly types: readonly string[]
}

type Shape = (fuzz: Fuzzer, table: Table) => string

const READS: readonly Shape[] = [
  (_, { name }) => `select * from ${name}`,
  (_, { name }) => `table ${name}`,
  (fuzz, table) => `select ${fuzz.columns(table)} from ${table.name} ${fuzz.where(table)}`,
  (fuzz, table) => `select count(*), ${fuzz.all(table)} from ${table.name} x ${fuzz.where(table)}`,
  (fuzz, table) => `select * from ${table.name} a join ${fuzz.table().name} b on true limit 500`,
  (fuzz, table) =>
    `select x.*, (select ${fuzz.all(table)} from ${fuzz.table().name} x) from ${table.name} x`,
  (fuzz, table) => `with a as (select * from ${table.name}) select * from a ${fuzz.where(table)}`,
  (fuzz, table) =>
    `select ${fuzz.all(table)} from ${table.name} x union all select ${fuzz.all(table)} from ${fuzz.table().name} x`,
  (fuzz, table) => `select * from ${table.name} x where exists (select from ${fuzz.table().name})`,
  (_, { name }) => `select * from only ${name} tablesample system (100)`,
  (_, { name }) => `select row_to_json(x) from ${name} x for share`,
  (_, { name }) => `select query_to_xml('select * from ${name}', true, true, '')`,
  (_, { name }) => `declare c cursor for select * from ${name}; fetch all from c`,
  (_, { name }) => `create temp table t on commit drop as select * from ${name}; select * from t`,
  (_, { name }) => `create temp view v as select * from ${name}; select * from v`,
  (_, { name }) =>
    `do $$ begin raise exception '%', (select string_agg(x::text, ' ') from ${name} x); end $$`,
  (_, { name }) => `set local row_security = off; select * from ${name}`,
  (_, { name }) => `prepare p as select * from ${name}; execute p; deallocate p`,
  (_, { name }) => `explain (analyze, verbose, costs off) select * from ${name}`,
  (_, { name }) => `select * from pg_stats where tablename = '${name}'`,
]

const WRITES: readonly Shape[] = [
  (fuzz, table) => `update ${table.name} set ${fuzz.assignment(table)} returning *`,
  (fuzz, table) =>
    `update ${table.name} set ${fuzz.assignment(table)} ${fuzz.where(table)} returning *`,
  (fuzz, table) =>
    `update ${table.name} x set ${fuzz.assignment(table)} from ${fuzz.table().name} y returning x.*`,
  (_, { name }) => `delete from ${name} returning *`,
  (fuzz, table) => `delete from ${table.name} ${fuzz.where(table)} returning *`,
  (fuzz, table) => `delete from ${table.name} x using ${fuzz.table().name} y returning x.*`,
]

const INSERTS: readonly Shape[] = [
  (_, { name }) => `insert into ${name} select * from ${name} on conflict do nothing returning *`,
  (fuzz, table) =>
    `insert into ${table.name} select ${fuzz.stranger(table)} from ${table.name} x returning *`,
  (fuzz, table) =>
    `insert into ${table.name} select ${fuzz.adopted(table)} from ${table.name} x limit 1 returning *`,
]

const ESCAPES: readonly Shape[] = [
  (_, { name }) => `truncate ${name}`,
  (_, { name }) => `alter table ${name} disable row level security; select * from ${name}`,
  (_, { name }) => `alter table ${name} no force row level security; select * from ${name}`,
  (_, { name }) => `create policy p on ${name} using (true); select * from ${name}`,
  (_, { name }) => `drop policy tenant on ${name}; select * from ${name}`,
  (fuzz, { name }) => `set local role ${fuzz.role()}; select * from ${name}`,
  (fuzz, { name }) => `set session authorization ${fuzz.role()}; select * from ${name}`,
  (_, { name }) => `create function f() returns trigger language plpgsql as 'begin return new; end';
    create trigger t before update on ${name} for each row execute function f()`,
  (_, { name }) => `create rule r as on select to ${name} do instead select 1`,
  (_, { name }) => `lock table ${name} in share mode; select * from ${name}`,
]

export class Fuzzer {
  readonly #random: Random
  readonly #twins: Twins
  readonly #routines: readonly Routine[]
  readonly #roles: readonly string[]
  #namesTwin = false

  constructor(
    random: Random,
    twins: Twins,
    routines: readonly Routine[],
    roles: readonly string[],
  ) {
    this.#random = random
    this.#twins = twins
    this.#routines = routines
    this.#roles = roles
  }

  next(): Probe {
    this.#namesTwin = false
    const table = this.table()
    const as = this.#random.chance(0.15) ? 'owner' : 'application'
    const dice = this.#random.below(100)
    if (dice < 55) return this.#probe(this.#pick(READS)(this, table), as, {})
    if (dice < 75) return this.#probe(this.#pick(WRITES)(this, table), as, { changes: table })
    if (dice < 84) return this.#probe(this.#pick(INSERTS)(this, table), as, {})
    // What an owner may do to his tables is no question of tenants.
    if (dice < 92) return this.#probe(this.#pick(ESCAPES)(this, table), 'application', {})
    return this.#probe(this.#call(), 'application', {})
  }

  /** Committed is now and then an update, so that the twin's rows are seen to be as before after one. */
  #probe(sql: string, as: Probe['as'], { changes = null }: { changes?: Table | null }): Probe {
    const namesTwin = this.#namesTwin
    const commits = sql.startsWith('update') && !namesTwin && this.#random.chance(0.2)
    return { sql, as, changes, commits, namesTwin }
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#random.below(from.length)] as T
  }

  table(): Table {
    return this.#pick(this.#twins.tables)
  }

  role(): string {
    return quoteIdent(this.#pick(this.#roles))
  }

  columns({ columns }: Table): string {
    const some = columns.filter(() => this.#random.chance(0.6))
    return (some.length > 0 ? some : columns).map(({ name }) => quoteIdent(name)).join(', ')
  }

  /** All rows in one text, as an aggregate. */
  all(_: Table): string {
    return this.#pick([
      `string_agg(x::text, ' ')`,
      `json_agg(x)::text`,
      `max(x::text)`,
      `min(x::text)`,
    ])
  }

  where({ columns }: Table): string {
    const { name, type } = this.#pick(columns)
    const column = quoteIdent(name)
    const foreign = type === 'uuid' && this.#random.chance(0.7)
    const conditions = [
      'true',
      `${column} is not null`,
      `${column}::text <> ''`,
      `${column}::text like '%canary%'`,
      'random() < 0.5',
      ...(foreign
        ? [`${column} = ${this.#foreignId()}`, `${column} <> ${this.#foreignId()} or true`]
        : []),
    ]
    return `where ${this.#pick(conditions)}`
  }

  assignment({ columns }: Table): string {
    const { name, type } = this.#pick(columns)
    const column = quoteIdent(name)
    if (type === 'uuid' && this.#random.chance(0.5)) return `${column} = ${this.#foreignId()}`
    return `${column} = ${column}`
  }

  /** One's own rows, given to the twin. */
  stranger({ columns }: Table): string {
    this.#namesTwin = true
    return columns
      .map(({ name }) =>
        name === 'org_id' ? `${quoteLiteral(this.#twins.twinId)}::uuid` : `x.${quoteIdent(name)}`,
      )
      .join(', ')
  }

  /** One's own rows with some of the twin's ids in them. */
  adopted({ columns }: Table): string {
    return columns
      .map(({ name, type }) =>
        type === 'uuid' && name !== 'org_id' && this.#random.chance(0.7)
          ? `${this.#foreignId()}::uuid`
          : `x.${quoteIdent(name)}`,
      )
      .join(', ')
  }

  #foreignId(): string {
    this.#namesTwin = true
    return quoteLiteral(this.#pick(this.#twins.foreignIds))
  }

  #call(): string {
    const { name, types } = this.#pick(this.#routines)
    return `select * from ${name}(${types.map((type) => this.#argument(type)).join(', ')})`
  }

  #argument(type: string): string {
    if (type === 'uuid') return this.#foreignId()
    if (type === 'jsonb') return `'{}'`
    if (type === 'bytea') return `'\\x00'`
    if (type === 'text') return this.#pick(["'taken_over'", "'a.b'", "'x@y.example'", "''", 'null'])
    return this.#pick(["'1'", "'0'", 'null'])
  }
}
