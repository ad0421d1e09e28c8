/** The rows that the target is known not to have, as the source's own witness recomputes them. */
import { keyHash, rowShape } from '@sensei/core/canonical/buckets'
import { cellsEnd } from '@sensei/core/canonical/cells'
import type { TableMapping } from '@sensei/core/plan'
import type { SourceWitness } from '@sensei/core/ports/witness'
import type { Reject } from '@sensei/core/receipt'
import type { DifferingRow } from './differing.ts'
import { hold, identityOf } from './held-rows.ts'

export interface RejectParts {
  readonly table: TableMapping
  readonly witness: SourceWitness
  readonly rejects: readonly Reject[]
  /** Rows that the scan of the source left out because the plan cannot represent them. */
  readonly leftOut: number
}

export class ExpectedRejects {
  readonly #keyColumns: number
  /** Keys of rejects, by the identity of the row that each stands for. */
  readonly #expected = new Map<string, string[]>()
  /** Keys of rejects that the plan itself asks for. */
  readonly #unfit: string[] = []
  readonly #leftOut: number

  constructor({ table, witness, rejects, leftOut }: RejectParts) {
    this.#keyColumns = rowShape(table).keyColumns
    this.#leftOut = leftOut
    for (const reject of rejects) {
      const row = witness.rowOf(table, reject.raw)
      if (row === null) this.#unfit.push(reject.key)
      else {
        const identity = this.#identity(row)
        this.#expected.set(identity, [...(this.#expected.get(identity) ?? []), reject.key])
      }
    }
  }

  /** How often the missing row is explained: each reject explains one. */
  explain(row: DifferingRow): number {
    const rejects =
      row.kind === 'missing'
        ? this.#expected.get(Buffer.from(row.key).toString('latin1'))
        : undefined
    return rejects?.splice(0, row.times).length ?? 0
  }

  /** Keys of rejects for which the source has no such row, or not one that is missing in the target. */
  unexplained(): string[] {
    return [...[...this.#expected.values()].flat(), ...this.#unfit.slice(this.#leftOut)]
  }

  /** Rows left out of the source's scan that no reject tells of. */
  get silent(): number {
    return Math.max(0, this.#leftOut - this.#unfit.length)
  }

  #identity(row: Uint8Array): string {
    const keyEnd = cellsEnd(row, 0, this.#keyColumns)
    return identityOf(hold({ row, keyEnd, bucket: keyHash(row, 0, keyEnd) }), keyEnd)
  }
}
