/**
 * The validator's own view of the target: one REPEATABLE READ transaction, read-only, exported so that the scanner
 * threads see the same point in time. Its decoders share nothing with the code that loads.
 */
import { SenseiError } from '@sensei/core/errors'
import type { Json } from '@sensei/core/json'
import type { Plan, TableMapping } from '@sensei/core/plan'
import type { TargetMutator } from '@sensei/core/ports/mutator'
import type { TargetTable, TargetWitness } from '@sensei/core/ports/target'
import type {
  Aggregate,
  CanonicalBatch,
  QueryLimits,
  QueryResult,
  TargetView,
} from '@sensei/core/ports/witness'
import { quoteLiteral } from '@sensei/core/sql'
import type { Client } from 'pg'
import { openClient } from '../connection.ts'
import type { ConnectionSettings } from '../settings.ts'
import { aggregateTable } from './aggregates.ts'
import { type CatalogueTable, describeTables, readCatalogue } from './catalogue.ts'
import { Locks } from './locks.ts'
import { tellingLoss } from './lost.ts'
import { openMutator } from './mutator.ts'
import { countOrphans } from './orphans.ts'
import { runQuery } from './query.ts'
import { scanTable, splitBlocks } from './scan.ts'
import { compareStructure } from './structure.ts'

export async function openTargetWitness(
  settings: ConnectionSettings,
  view: TargetView,
): Promise<TargetWitness> {
  const client = tellingLoss(await openClient(settings, 'validator'))
  try {
    return new PostgresWitness({
      client,
      settings,
      schema: view.schema,
      snapshot: await begin(client, view.snapshot),
    })
  } catch (error) {
    await client.end().catch(() => undefined)
    throw error
  }
}

/** Row-level security must fail a query rather than hide rows from it. */
async function begin(client: Client, snapshot: string | undefined): Promise<string> {
  await client.query('set row_security = off')
  await client.query('begin isolation level repeatable read, read only')
  if (snapshot === undefined) {
    const { rows } = await client.query<{ id: string }>('select pg_export_snapshot() as id')
    return rows[0]?.id ?? ''
  }
  await client.query(`set transaction snapshot ${quoteLiteral(snapshot)}`)
  return snapshot
}

class PostgresWitness implements TargetWitness {
  readonly snapshot: string
  readonly #client: Client
  readonly #settings: ConnectionSettings
  readonly #schema: string
  readonly #locks: Locks
  #catalogue: Promise<ReadonlyMap<string, CatalogueTable>> | null = null

  constructor(parts: {
    client: Client
    settings: ConnectionSettings
    schema: string
    snapshot: string
  }) {
    this.#client = parts.client
    this.#settings = parts.settings
    this.#schema = parts.schema
    this.snapshot = parts.snapshot
    this.#locks = new Locks(parts.client, 'sensei_tables')
  }

  async split(table: TableMapping, parts: number): Promise<readonly Json[]> {
    return splitBlocks(await this.#table(table), parts)
  }

  async *scan(table: TableMapping, range: Json): AsyncGenerator<CanonicalBatch> {
    const catalogue = await this.#table(table)
    await this.#locks.next()
    yield* scanTable({ client: this.#client, schema: this.#schema, catalogue, table, range })
  }

  async aggregates(table: TableMapping): Promise<readonly Aggregate[]> {
    const catalogue = await this.#table(table)
    await this.#locks.next()
    return aggregateTable(this.#client, this.#schema, catalogue, table)
  }

  query(sql: string, limits: QueryLimits): Promise<QueryResult> {
    return runQuery(this.#client, this.#schema, sql, limits)
  }

  structure(plan: Plan): Promise<readonly { object: string; kind: string; problem: string }[]> {
    return compareStructure(this.#client, this.#schema, plan)
  }

  orphans(plan: Plan): Promise<readonly { table: string; name: string; orphans: number }[]> {
    return countOrphans(this.#client, this.#schema, plan)
  }

  describe(): Promise<readonly TargetTable[]> {
    return describeTables(this.#client, this.#schema)
  }

  openMutator(): Promise<TargetMutator> {
    return openMutator(this.#settings, this.#schema)
  }

  async close(): Promise<void> {
    await this.#client.end().catch(() => undefined)
  }

  /** All relations at once: a client answers one question at a time, and many tables are asked about together. */
  async #table({ target }: TableMapping): Promise<CatalogueTable> {
    this.#catalogue ??= readCatalogue(this.#client, this.#schema).then(
      (tables) => new Map(tables.map((table) => [table.name, table])),
    )
    const found = (await this.#catalogue).get(target)
    if (found !== undefined) return found
    throw new SenseiError(
      'TARGET_COLUMNS_DIFFER',
      `the target has no table "${target}" in schema "${this.#schema}"`,
      {
        details: { table: target },
      },
    )
  }
}
