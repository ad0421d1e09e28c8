/** The finish of all tables: small ones many at a time, because a transaction for each would cost more than its work. */
import type { TableMapping } from '@sensei/core/plan'
import type { FinishPart } from '@sensei/core/ports/target'
import { patiently } from '../patience.ts'
import type { TableFailure } from '../request.ts'
import { eachLimited } from './each-limited.ts'
import { finish, refused, report } from './finish.ts'
import { type Failures, failureOf, interrupted, type Load, record } from './load.ts'

const FINISHED_AT_ONCE = 2
const TABLES_AT_ONCE = 50
const SMALL_ROWS = 10_000
const SMALL_BYTES = 4 * 1024 * 1024

export function isSmall({ rows, bytes }: TableMapping): boolean {
  return rows <= SMALL_ROWS && bytes <= SMALL_BYTES
}

/** Foreign keys need their parents' keys; sequences and statistics need everything. */
export async function finishParts(load: Load, failures: Failures): Promise<void> {
  const sound = load.plan.tables.filter((table) => !failures.has(table.source))
  for (const part of ['foreign keys', 'sequences', 'analyze'] as const) {
    // Many foreign keys at a time lock many tables, in an order that another lane may cross.
    const lanes = part === 'foreign keys' ? 1 : FINISHED_AT_ONCE
    await eachLimited(batched(sound.filter(isSmall)), lanes, async (tables) => {
      for (const [source, failure] of await finishMany(load, tables, part)) {
        failures.set(source, failure)
      }
    })
    const large = sound.filter((table) => !isSmall(table))
    await eachLimited(large, FINISHED_AT_ONCE, async (table) => {
      const failure = await finishOne(load, table, part)
      if (failure !== null) failures.set(table.source, failure)
    })
  }
}

/** The failures by source table; throws what stops every table. */
export async function finishMany(
  load: Load,
  tables: readonly TableMapping[],
  part: FinishPart,
): Promise<ReadonlyMap<string, TableFailure>> {
  const { cast, plan, run, signal } = load
  if (signal.aborted) throw interrupted(run.migrationId)
  for (const table of tables) report(load, table.target, part)
  const failures = new Map<string, TableFailure>()
  try {
    const outcome = await patiently(signal, () =>
      cast.target.builder.finishTables(run, plan, tables, part),
    )
    await record(load, outcome.receipts)
    for (const table of tables) {
      const refusals = outcome.refused.filter((one) => one.table === table.target)
      if (refusals.length > 0) failures.set(table.source, refused(table, refusals))
    }
  } catch (error) {
    const [first] = tables
    if (first !== undefined) failureOf(load, first, error)
    // Whatever the matter is, it is one table's: the steps that are in are found there.
    for (const table of tables) {
      const failure = await finishOne(load, table, part)
      if (failure !== null) failures.set(table.source, failure)
    }
  }
  return failures
}

async function finishOne(
  load: Load,
  table: TableMapping,
  part: FinishPart,
): Promise<TableFailure | null> {
  try {
    return await finish(load, table, part)
  } catch (error) {
    return failureOf(load, table, error)
  }
}

export function* batched(tables: readonly TableMapping[]): Generator<readonly TableMapping[]> {
  for (let at = 0; at < tables.length; at += TABLES_AT_ONCE) {
    yield tables.slice(at, at + TABLES_AT_ONCE)
  }
}
