/** A target of its own in a fresh database, for tests that run on PostgreSQL 18 and on 15. */
import { type FreshDatabase, freshDatabase, server } from '@sensei/contracts/servers'
import type { Plan } from '@sensei/core/plan'
import type { Run, Target } from '@sensei/core/ports/target'
import { Client, type QueryResultRow } from 'pg'
import { openTarget, type TargetOptions } from '../../target.ts'

export const VERSIONS = [18, 15] as const

export type Version = (typeof VERSIONS)[number]

export interface Bench {
  readonly database: FreshDatabase
  readonly target: Target
  readonly run: Run
  /** Rows of a query by an independent connection. */
  sql<R extends QueryResultRow>(text: string, values?: unknown[]): Promise<R[]>
  close(): Promise<void>
}

export async function bench(version: Version, options: TargetOptions = {}): Promise<Bench> {
  const database = await freshDatabase(await server(version))
  const target = await openTarget(database.url, options)
  const client = new Client({ connectionString: database.url })
  await client.connect()
  const epoch = await target.takeOver('m-1')
  return {
    database,
    target,
    run: { migrationId: 'm-1', epoch, snapshot: 'snapshot-1' },
    sql: async <R extends QueryResultRow>(text: string, values: unknown[] = []) =>
      (await client.query<R>(text, values)).rows,
    close: async () => {
      await target.close()
      await client.end()
      await database.drop()
    },
  }
}

export async function build(at: Bench, plan: Plan): Promise<void> {
  await at.target.builder.createTables(at.run, plan)
}
