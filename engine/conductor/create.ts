/** The empty tables: only those that the ledger does not have, a few at a time. */
import type { Plan, TableMapping } from '@sensei/core/plan'
import type { Receipt } from '@sensei/core/receipt'
import { patiently } from '../patience.ts'
import { eachLimited } from './each-limited.ts'
import { interrupted, type Load, record } from './load.ts'

const LANES = 4
const TABLES_AT_ONCE = 25

export async function createTables(load: Load): Promise<void> {
  const { plan } = load
  const made = await patiently(load.signal, () => madeBefore(load))
  // A process that was killed may have made them and not have said so.
  await record(load, [...made.values()])
  const missing = plan.tables.filter((table) => !made.has(table.target))
  if (missing.length === 0 && made.size > 0) return
  await create(load, { ...plan, tables: [] })
  // Tables that are there already may hang together by foreign keys, which are set aside one after the other.
  const lanes = plan.append ? 1 : LANES
  await eachLimited(batches(missing), lanes, (tables) => create(load, { ...plan, tables }))
}

async function madeBefore({ cast, run }: Load): Promise<ReadonlyMap<string, Receipt>> {
  const made = new Map<string, Receipt>()
  for await (const receipt of cast.target.ledger.receipts(run.migrationId)) {
    if (receipt.kind === 'table' && receipt.table !== null) made.set(receipt.table, receipt)
  }
  return made
}

async function create(load: Load, plan: Plan): Promise<void> {
  const { cast, run, signal } = load
  if (signal.aborted) throw interrupted(run.migrationId)
  await record(load, await patiently(signal, () => cast.target.builder.createTables(run, plan)))
}

function* batches(tables: readonly TableMapping[]): Generator<readonly TableMapping[]> {
  for (let at = 0; at < tables.length; at += TABLES_AT_ONCE) {
    yield tables.slice(at, at + TABLES_AT_ONCE)
  }
}
