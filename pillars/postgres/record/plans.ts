/**
 * What is asked about plans: their versions, what changed between two, and the three questions of the product over all
 * of a tenant's migrations. Those read the newest version of each plan and are answered from indexes of 0012: a plan is
 * megabytes of jsonb, and row-level security lets the planner use none of jsonb's operators on its way to a row.
 *
 * Lists go on after a place: the migration, the version of its plan, and where in it. Of a plan that got a new version
 * between two pages everything comes again, and nothing is left out. A page reads plan after plan until it is full, because
 * the planner would unfold all of them and sort.
 */
import { SenseiError } from '@sensei/core/errors'
import { type LossRule, lossName } from '@sensei/core/losses'
import type { Plan } from '@sensei/core/plan'
import { diffPlans, type PlanDiff } from '@sensei/core/plan-diff'
import type { Door, Tx } from '../door/door.ts'

export interface PlanVersion {
  readonly version: number
  readonly hash: string
  readonly createdAt: string
}

export interface PlanBody extends PlanVersion {
  readonly plan: Plan
}

export interface PlansCompared {
  /** Names both contents, so that what was said about them stays true. */
  readonly hashes: readonly [from: string, to: string]
  readonly diff: PlanDiff
}

/** Migration, version of its plan, table, column: counted from 1. */
export type MappingPlace = [string, number, number, number]
/** Migration, version of its plan, the table's first loss: counted from 1. */
export type LossPlace = [string, number, number]

export interface LossyMapping {
  readonly migrationId: string
  readonly version: number
  readonly table: string
  readonly column: string
  readonly type: string
  readonly conversion: string
  readonly place: MappingPlace
}

export interface TableWithLosses {
  readonly migrationId: string
  readonly version: number
  readonly table: string
  readonly losses: readonly string[]
  /** Rows touched, the sum over the losses. */
  readonly rows: number
  readonly place: LossPlace
}

export interface MigrationsOfSource {
  readonly engine: string
  readonly migrations: number
  readonly completed: number
  readonly failed: number
}

/** A column as the newest plan maps it. */
export interface PlannedColumn {
  /** In the table, counted from 1. */
  readonly number: number
  readonly source: string
  readonly target: string
  readonly type: string
  readonly conversion: string
}

export interface ListPage<Place> {
  readonly limit?: number
  readonly after?: Place
}

const LIMIT_MAX = 200

/** Each has at least one row to show, except the one in which the page before ended. */
const newest = (predicate: string): string => `
select p.migration_id, p.version from plan p
where ${predicate} and ($2::uuid is null or p.migration_id >= $2)
  and not exists (
    select from plan n where n.org_id = p.org_id and n.migration_id = p.migration_id and n.version > p.version)
order by p.migration_id limit $1::int + 1`

/** The conditions are spelled as those of the partial indexes are. */
export const LOSSY_PLANS = newest(`p.body @? '$.tables[*].columns[*] ? (@.fidelity == "lossy")'`)
export const PLANS_WITH_LOSSES = newest("p.body @? '$.losses[*]'")

const MAPPINGS_OF = `
select t.value ->> 'source' as table, c.value ->> 'source' as column, c.value ->> 'type' as type,
  c.value ->> 'conversion' as conversion, t.number::int as table_number, c.number::int as column_number
from plan p, jsonb_array_elements(p.body -> 'tables') with ordinality t (value, number),
  jsonb_array_elements(t.value -> 'columns') with ordinality c (value, number)
where p.migration_id = $2 and p.version = $3 and c.value ->> 'fidelity' = 'lossy'
  and (t.number, c.number) > ($4::int, $5::int)
order by t.number, c.number limit $1`

const LOSSES_OF = `
select * from (
  select d.value ->> 'table' as table, min(d.number)::int as number,
    jsonb_agg(jsonb_build_object('rule', d.value ->> 'rule', 'column', d.value ->> 'column')
      order by d.value ->> 'column', d.value ->> 'rule') as losses,
    sum((d.value ->> 'rows')::numeric)::float8 as rows
  from plan p, jsonb_array_elements(p.body -> 'losses') with ordinality d (value, number)
  where p.migration_id = $2 and p.version = $3
  group by d.value ->> 'table'
) t
where number > $4::int order by number limit $1`

export const MIGRATIONS_BY_SOURCE = `
select p.source_engine as engine, count(distinct p.migration_id)::int as migrations,
  count(distinct p.migration_id) filter (where m.status = 'completed')::int as completed,
  count(distinct p.migration_id) filter (where m.status = 'failed')::int as failed
from plan p join migration m on m.org_id = p.org_id and m.id = p.migration_id
where ($2::text is null or p.source_engine > $2) and ($3::text is null or p.source_engine = $3)
group by p.source_engine order by engine limit $1`

/** One row without a column for a table that there is: after the last column there are none. */
const COLUMNS = `
select c.number::int as number, c.value ->> 'source' as source, c.value ->> 'target' as target,
  c.value ->> 'type' as type, c.value ->> 'conversion' as conversion
from (select p.body from plan p where p.migration_id = $2 order by p.version desc limit 1) l
  join lateral jsonb_array_elements(l.body -> 'tables') t on t ->> 'source' = $3
  left join lateral jsonb_array_elements(t -> 'columns') with ordinality c (value, number)
    on c.number > $4 and c.value ->> 'source' is not null
order by c.number limit $1`

export class Plans {
  readonly #door: Door
  readonly #orgId: string

  constructor(door: Door, orgId: string) {
    this.#door = door
    this.#orgId = orgId
  }

  /** The oldest first. */
  versions(
    migrationId: string,
    { limit, after }: ListPage<number> = {},
  ): Promise<readonly PlanVersion[]> {
    return this.#read(async (tx) => {
      const rows = await tx.query<VersionRow>(
        `select version, hash, created_at from plan
         where migration_id = $2 and version > $3 order by version limit $1`,
        [checkedLimit(limit), migrationId, after ?? 0],
      )
      return rows.map(versionOf)
    })
  }

  get(migrationId: string, version: number): Promise<PlanBody> {
    return this.#read(async (tx) => {
      const [found] = await bodies(tx, migrationId, [version])
      return found as PlanBody
    })
  }

  diff(migrationId: string, from: number, to: number): Promise<PlansCompared> {
    return this.#read(async (tx) => {
      const [before, after] = await bodies(tx, migrationId, [from, to])
      const [one, other] = [before as PlanBody, after as PlanBody]
      return { hashes: [one.hash, other.hash], diff: diffPlans(one.plan, other.plan) }
    })
  }

  /** Of one table of the newest plan. */
  columns(
    migrationId: string,
    table: string,
    { limit, after }: ListPage<number> = {},
  ): Promise<readonly PlannedColumn[]> {
    return this.#read(async (tx) => {
      const values = [checkedLimit(limit), migrationId, table, after ?? 0]
      const rows = await tx.query<Row<PlannedColumn>>(COLUMNS, values)
      if (rows.length === 0) {
        throw new SenseiError('NOT_FOUND', `no plan of ${migrationId} has such a table`)
      }
      return rows.filter(({ number }) => number !== null)
    })
  }

  async lossyMappings(page: ListPage<MappingPlace> = {}): Promise<readonly LossyMapping[]> {
    const rows = await this.#walk<MappingRow>(LOSSY_PLANS, MAPPINGS_OF, page, [0, 0])
    return rows.map(({ table_number, column_number, ...row }) => ({
      ...row,
      place: [row.migrationId, row.version, table_number, column_number],
    }))
  }

  async tablesWithLosses(page: ListPage<LossPlace> = {}): Promise<readonly TableWithLosses[]> {
    const rows = await this.#walk<LossesRow>(PLANS_WITH_LOSSES, LOSSES_OF, page, [0])
    return rows.map(({ number, losses, ...row }) => ({
      ...row,
      losses: losses.map((loss) => lossName({ ...loss, table: row.table })),
      place: [row.migrationId, row.version, number],
    }))
  }

  /** By engine; of one alone where it is named. */
  migrationsBySource(
    { limit, after }: ListPage<string> = {},
    engine?: string,
  ): Promise<readonly MigrationsOfSource[]> {
    return this.#read((tx) =>
      tx.query<Row<MigrationsOfSource>>(MIGRATIONS_BY_SOURCE, [
        checkedLimit(limit),
        after ?? null,
        engine ?? null,
      ]),
    )
  }

  /** `start` is the place before the first row of a plan. */
  #walk<R extends object>(
    plans: string,
    rowsOf: string,
    { limit: wanted, after }: ListPage<readonly [string, number, ...number[]]>,
    start: readonly number[],
  ): Promise<readonly (R & OfPlan)[]> {
    const limit = checkedLimit(wanted)
    const [endedAt, endedIn, ...ended] = after ?? [null, null]
    return this.#read(async (tx) => {
      const found: (R & OfPlan)[] = []
      const values = [limit, endedAt]
      for (const plan of await tx.query<{ migration_id: string; version: number }>(plans, values)) {
        const { migration_id: migrationId, version } = plan
        const from = migrationId === endedAt && version === endedIn ? ended : start
        const left = limit - found.length
        const rows = await tx.query<R>(rowsOf, [left, migrationId, version, ...from])
        for (const row of rows) found.push({ migrationId, version, ...row })
        if (rows.length === left) break
      }
      return found
    })
  }

  #read<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#door.read(this.#orgId, work)
  }
}

type Row<T> = { [K in keyof T]: T[K] }

interface OfPlan {
  readonly migrationId: string
  readonly version: number
}

type MappingRow = Row<Omit<LossyMapping, 'migrationId' | 'version' | 'place'>> & {
  table_number: number
  column_number: number
}

interface LossesRow {
  table: string
  number: number
  losses: readonly { readonly rule: LossRule; readonly column: string }[]
  rows: number
}

interface VersionRow {
  version: number
  hash: string
  created_at: Date
}

function versionOf({ version, hash, created_at }: VersionRow): PlanVersion {
  return { version, hash, createdAt: created_at.toISOString() }
}

/** In the order of `versions`. */
async function bodies(
  tx: Tx,
  migrationId: string,
  versions: readonly number[],
): Promise<readonly PlanBody[]> {
  const rows = await tx.query<VersionRow & { body: Plan }>(
    'select version, hash, created_at, body from plan where migration_id = $1 and version = any ($2::int[])',
    [migrationId, versions],
  )
  return versions.map((wanted) => {
    const found = rows.find(({ version }) => version === wanted)
    if (found !== undefined) return { ...versionOf(found), plan: found.body }
    throw new SenseiError('NOT_FOUND', `migration ${migrationId} has no plan version ${wanted}`)
  })
}

function checkedLimit(limit = 50): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= LIMIT_MAX) return limit
  throw new SenseiError('REQUEST_INVALID', `limit is a whole number from 1 to ${LIMIT_MAX}`)
}
