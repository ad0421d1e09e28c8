import type { SQLInputValue } from 'node:sqlite'
import type { Random } from '@sensei/apps/demo/random'

/**
 * One kind of data of the bench. A file holds one kind, in one table of the same name; the rows depend on the seed
 * and the number of rows alone.
 */
export interface Dataset {
  readonly name: string
  readonly table: string
  /** Rows at factor 1. */
  readonly rows: number
  /** The table in SQLite. */
  readonly create: string
  /** The same table in PostgreSQL, with the types that Sensei chooses, for the limit that COPY sets. */
  readonly createTarget: string
  /** Raised when a change makes other rows from the same seed, so that a cached file is made anew. */
  readonly version: number
  /** Makes the function that gives the values of row `id`, 1 and up, in column order. */
  rowMaker(random: Random): (id: number) => SQLInputValue[]
}
