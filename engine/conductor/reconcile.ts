/**
 * When the snapshot was lost: what an earlier one carried is brought to the present one. A table that has a key by
 * which its rows can be found is compared and patched; any other is emptied and loaded whole (./prepare.ts).
 */
import { isSenseiError } from '@sensei/core/errors'
import type { TableMapping } from '@sensei/core/plan'
import type { SourceReader } from '@sensei/core/ports/source'
import type { ChunkLoader } from '@sensei/core/ports/target'
import type { Receipt } from '@sensei/core/receipt'
import { patiently } from '../patience.ts'
import { differingRows } from '../validator/differing.ts'
import { reconciledStep } from './holdings.ts'
import { type Load, record } from './load.ts'

const ROWS_PER_PATCH = 1_000

/**
 * Carries exactly the rows that differ; the key's index must be there already. False when the target refuses a row of
 * them, so that the table has to be loaded whole: two rows may have exchanged a unique value, or one is a reject now.
 */
export async function reconcile(load: Load, table: TableMapping): Promise<boolean> {
  let tries = 0
  try {
    return await patiently(load.signal, () => {
      tries += 1
      return patchAll(load, table, tries)
    })
  } catch (error) {
    if (isSenseiError(error, 'TARGET_REFUSED')) return false
    throw error
  }
}

async function patchAll(load: Load, table: TableMapping, tries: number): Promise<boolean> {
  const { cast, plan, run, snapshot, signal } = load
  const reader = await cast.source.openReader(snapshot)
  const loader = await cast.target.openLoader(run, 'reconcile')
  // A step's name holds the epoch and the try: a later one compares anew and never mistakes these for its own.
  const stepOf = (number: number): string =>
    `reconcile ${table.target} ${run.epoch}.${tries}.${number}`
  try {
    let patch = new Patch(load, table, reader)
    let number = 0
    for await (const row of differingRows(cast, plan, snapshot, table)) {
      signal.throwIfAborted()
      patch.add(row)
      if (patch.rows < ROWS_PER_PATCH) continue
      if (!(await patch.write(loader, stepOf(number)))) return false
      patch = new Patch(load, table, reader)
      number += 1
    }
    if (patch.rows > 0 && !(await patch.write(loader, stepOf(number)))) return false
    return await new Patch(load, table, reader).write(
      loader,
      reconciledStep(table.target, run.snapshot),
    )
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
  readonly #load: Load
  readonly #table: TableMapping
  readonly #reader: SourceReader
  readonly #deletes: Uint8Array[] = []
  readonly #inserts: Uint8Array[] = []

  constructor(load: Load, table: TableMapping, reader: SourceReader) {
    this.#load = load
    this.#table = table
    this.#reader = reader
  }

  get rows(): number {
    return this.#deletes.length + this.#inserts.length
  }

  add(row: DifferingRow): void {
    if (row.kind !== 'missing') this.#deletes.push(row.key)
    if (row.kind !== 'extra') this.#inserts.push(row.key)
  }

  /** False when a row of it was rejected: a patch does not keep what was refused, a chunk does. */
  async write(loader: ChunkLoader, step: string): Promise<boolean> {
    const receipt: Receipt = await loader.patch({
      table: this.#table,
      schema: this.#load.plan.target.schema,
      step,
      deletes: this.#deletes,
      inserts: () => this.#reader.pick(this.#table, this.#inserts),
    })
    await record(this.#load, [receipt])
    return receipt.rowsRejected === 0
  }
}
