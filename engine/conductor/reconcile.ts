/**
 * When the snapshot was lost: what an earlier one carried is brought to the present one. A table that has a key by
 * which its rows can be found is compared and patched; any other is emptied and loaded whole.
 */
import type { TableMapping } from '@sensei/core/plan'
import type { SourceReader } from '@sensei/core/ports/source'
import type { ChunkLoader } from '@sensei/core/ports/target'
import { differingRows } from '../validator/differing.ts'
import type { Load } from './carry.ts'

const ROWS_PER_PATCH = 1_000

/** Source names of the tables that hold chunks of another snapshot and will be reconciled. */
export async function prepareStale(load: Load): Promise<ReadonlySet<string>> {
  const carried = await carriedBefore(load)
  const failed = await withFailedChunks(load)
  const stale = new Set<string>()
  const reader = await load.cast.source.openReader(load.snapshot)
  try {
    for (const table of load.plan.tables) {
      const before = carried.get(table.target)
      const broken = failed.has(table.source)
      if (before === undefined && !broken) continue
      const whole = broken || before?.rejected || table.key === null || !reader.pickable(table)
      if (whole) await loadAgain(load, table)
      else stale.add(table.source)
    }
  } finally {
    await reader.close()
  }
  return stale
}

/** Forgets what is in: the table is split and carried from its start. */
export async function loadAgain(load: Load, table: TableMapping): Promise<void> {
  await load.cast.target.builder.resetTable(load.run, load.plan, table)
  await load.cast.tasks.discard(load.run.migrationId, [table.source])
}

/** Carries exactly the rows that differ. The key's index must be there already. */
export async function reconcile(load: Load, table: TableMapping): Promise<void> {
  const { cast, run } = load
  const reader = await cast.source.openReader(load.snapshot)
  const loader = await cast.target.openLoader(run, 'reconcile')
  try {
    let patch = new Patch(load, table, reader, 0)
    for await (const row of differingRows(cast, load.plan, load.snapshot, table)) {
      patch.add(row)
      if (patch.rows < ROWS_PER_PATCH) continue
      await patch.write(loader)
      patch = new Patch(load, table, reader, patch.number + 1)
    }
    if (patch.rows > 0) await patch.write(loader)
  } finally {
    await loader.close()
    await reader.close()
  }
}

interface DifferingRow {
  readonly kind: 'missing' | 'extra' | 'changed'
  readonly key: Uint8Array
}

class Patch {
  readonly number: number
  readonly #load: Load
  readonly #table: TableMapping
  readonly #reader: SourceReader
  readonly #deletes: Uint8Array[] = []
  readonly #inserts: Uint8Array[] = []

  constructor(load: Load, table: TableMapping, reader: SourceReader, number: number) {
    this.#load = load
    this.#table = table
    this.#reader = reader
    this.number = number
  }

  get rows(): number {
    return this.#deletes.length + this.#inserts.length
  }

  add(row: DifferingRow): void {
    if (row.kind !== 'missing') this.#deletes.push(row.key)
    if (row.kind !== 'extra') this.#inserts.push(row.key)
  }

  /** A step's name holds the epoch: a later process compares anew and never mistakes these for its own. */
  async write(loader: ChunkLoader): Promise<void> {
    const { plan, run } = this.#load
    await loader.patch({
      table: this.#table,
      schema: plan.target.schema,
      step: `reconcile ${this.#table.target} ${run.epoch}.${this.number}`,
      deletes: this.#deletes,
      inserts: () => this.#reader.pick(this.#table, this.#inserts),
    })
  }
}

/** Tables with chunks of another snapshot, by target name, and whether rows of them were rejected. */
async function carriedBefore(load: Load): Promise<ReadonlyMap<string, { rejected: boolean }>> {
  const carried = new Map<string, { rejected: boolean }>()
  for await (const receipt of load.cast.target.ledger.receipts(load.run.migrationId)) {
    if (receipt.kind !== 'chunk' || receipt.table === null) continue
    if (receipt.snapshot === load.run.snapshot) continue
    const before = carried.get(receipt.table)?.rejected ?? false
    carried.set(receipt.table, { rejected: before || receipt.rowsRejected > 0 })
  }
  return carried
}

async function withFailedChunks(load: Load): Promise<ReadonlySet<string>> {
  const tallies = await load.cast.tasks.byTarget(load.run.migrationId, 'chunk')
  return new Set(tallies.filter((tally) => tally.failed > 0).map((tally) => tally.target))
}
