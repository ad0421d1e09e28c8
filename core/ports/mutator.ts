/**
 * The validator's self-test: a sample of the target's own rows, changed one value at a time. PostgreSQL itself makes each
 * change and says whether it is one; the comparison has to see every one of them.
 *
 * All of it happens in one transaction of the target that is never committed, so that nothing of it can be left behind.
 */
import type { TableMapping } from '../plan.ts'
import type { CanonicalBatch } from './witness.ts'

export interface TargetMutator {
  /** Copies at most so many rows into the scratch schema, and says how many there were. */
  sample(table: TableMapping, rowsMax: number): Promise<number>
  /** Every operator that fits the table, by every column that it fits. */
  mutations(table: TableMapping): Promise<readonly Mutation[]>
  /** Picks the rows that this mutation may change, by `choice` (0 to 1): the same ones each time. */
  pick(mutation: Mutation, choice: number): void
  /**
   * Applies the one that was picked for. Null where nothing can be changed so; else whether PostgreSQL calls the sample
   * different from before. Undone by the next `restore`.
   */
  apply(table: TableMapping, mutation: Mutation): Promise<boolean | null>
  restore(): Promise<void>
  /**
   * The rows as they are now, wherever a mutation has put them: the picked ones, or for a mutation of a whole row all of the
   * sample, so that the walk itself has to miss or to find a row. All others are as they were sampled.
   */
  scan(table: TableMapping): AsyncIterable<CanonicalBatch>
  close(): Promise<void>
}

export interface Mutation {
  readonly operator: string
  /** null: of a whole row. */
  readonly column: string | null
}
