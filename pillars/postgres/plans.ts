/**
 * What is asked about plans: their versions, what changed between two, and the three questions of the product over all
 * of a tenant's migrations. Those read the newest version of each plan and are answered from indexes of 0012: a plan is
 * megabytes of jsonb, and row-level security lets the planner use none of jsonb's operators on its way to a row.
 */
import { SenseiError } from '@sensei/core/errors'
import { type LossRule, lossName } from '@sensei/core/losses'
import type { Plan } from '@sensei/core/plan'
import { diffPlans, type PlanDiff } from '@sensei/core/plan-diff'
import type { Door, Tx } from './door.ts'

export interface PlanVersion {
  readonly version: number
  readonly hash: string
  readonly createdAt: string
}

export interface LossyMapping {
  readonly migrationId: string
  readonly version: number
  readonly table: string
  readonly column: string
  readonly type: string
  readonly conversion: string
}

export interface TableWithLosses {
  readonly migrationId: string
  readonly version: number
  readonly table: string
  readonly losses: readonly string[]
  /** Rows touched, the sum over the losses. */
  readonly rows: number
}

export interface MigrationsOfSource {
  readonly engine: string
  readonly migrations: number
  readonly completed: number
  readonly failed: number
}

/** The lists go by migration: `limit` of them, those after `after`. */
export interface PlanList {
  readonly limit?: number
  readonly after?: string
}

const PLANS_MAX = 200

const newest = (predicate: string): string => `
  select p.org_id, p.migration_id, p.version, p.body from plan p
  where ${predicate} and ($2::uuid is null or p.migration_id > $2)
    and not exists (
      select from plan n where n.org_id = p.org_id and n.migration_id = p.migration_id and n.version > p.version)
  order by p.migration_id limit $1`

/** The conditions are spelled as those of the partial indexes are. */
export const LOSSY_MAPPINGS = `
select l.migration_id, l.version, t ->> 'source' as table, c ->> 'source' as column, c ->> 'type' as type,
  c ->> 'conversion' as conversion
from (${newest(`p.body @? '$.tables[*].columns[*] ? (@.fidelity == "lossy")'`)}) l,
  jsonb_array_elements(l.body -> 'tables') t, jsonb_array_elements(t -> 'columns') c
where c ->> 'fidelity' = 'lossy' order by l.migration_id, t ->> 'source', c ->> 'source'`

export const TABLES_WITH_LOSSES = `
select l.migration_id, l.version, d ->> 'table' as table,
  jsonb_agg(jsonb_build_object('rule', d ->> 'rule', 'column', d ->> 'column') order by d ->> 'column', d ->> 'rule')
    as losses,
  sum((d ->> 'rows')::numeric)::float8 as rows
from (${newest("p.body @? '$.losses[*]'")}) l, jsonb_array_elements(l.body -> 'losses') d
group by l.migration_id, l.version, d ->> 'table' order by l.migration_id, d ->> 'table'`

export const MIGRATIONS_BY_SOURCE = `
select p.source_engine as engine, count(distinct p.migration_id)::int as migrations,
  count(distinct p.migration_id) filter (where m.status = 'completed')::int as completed,
  count(distinct p.migration_id) filter (where m.status = 'failed')::int as failed
from plan p join migration m on m.org_id = p.org_id and m.id = p.migration_id
where $1::text is null or p.source_engine = $1
group by p.source_engine order by migrations desc, engine`

export class Plans {
  readonly #door: Door
  readonly #orgId: string

  constructor(door: Door, orgId: string) {
    this.#door = door
    this.#orgId = orgId
  }

  versions(migrationId: string): Promise<readonly PlanVersion[]> {
    return this.#read(async (tx) => {
      const rows = await tx.query<{ version: number; hash: string; created_at: Date }>(
        'select version, hash, created_at from plan where migration_id = $1 order by version',
        [migrationId],
      )
      return rows.map(({ version, hash, created_at }) => ({
        version,
        hash,
        createdAt: created_at.toISOString(),
      }))
    })
  }

  diff(migrationId: string, from: number, to: number): Promise<PlanDiff> {
    return this.#read(async (tx) => {
      const rows = await tx.query<{ version: number; body: Plan }>(
        'select version, body from plan where migration_id = $1 and version in ($2, $3)',
        [migrationId, from, to],
      )
      const bodyOf = (version: number): Plan => {
        const found = rows.find((row) => row.version === version)
        if (found !== undefined) return found.body
        throw new SenseiError(
          'NOT_FOUND',
          `migration ${migrationId} has no plan version ${version}`,
        )
      }
      return diffPlans(bodyOf(from), bodyOf(to))
    })
  }

  lossyMappings(list: PlanList = {}): Promise<readonly LossyMapping[]> {
    return this.#read(async (tx) => {
      const rows = await tx.query<Omit<LossyMapping, 'migrationId'> & { migration_id: string }>(
        LOSSY_MAPPINGS,
        listValues(list),
      )
      return rows.map(({ migration_id: migrationId, ...rest }) => ({ migrationId, ...rest }))
    })
  }

  tablesWithLosses(list: PlanList = {}): Promise<readonly TableWithLosses[]> {
    return this.#read(async (tx) => {
      const rows = await tx.query<{
        migration_id: string
        version: number
        table: string
        losses: readonly { readonly rule: LossRule; readonly column: string }[]
        rows: number
      }>(TABLES_WITH_LOSSES, listValues(list))
      return rows.map(({ migration_id: migrationId, losses, ...rest }) => ({
        migrationId,
        ...rest,
        losses: losses.map((loss) => lossName({ ...loss, table: rest.table })),
      }))
    })
  }

  migrationsBySource(engine?: string): Promise<readonly MigrationsOfSource[]> {
    return this.#read((tx) => tx.query<MigrationsOfSource>(MIGRATIONS_BY_SOURCE, [engine ?? null]))
  }

  #read<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#door.read(this.#orgId, work)
  }
}

function listValues({ limit = 50, after }: PlanList): readonly unknown[] {
  if (!Number.isInteger(limit) || limit < 1 || limit > PLANS_MAX) {
    throw new SenseiError('REQUEST_INVALID', `limit is a whole number from 1 to ${PLANS_MAX}`)
  }
  return [limit, after ?? null]
}
