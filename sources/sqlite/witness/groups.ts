/** A range of rowids as groups of rows, each written by SQLite as one blob. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { TableMapping } from '@sensei/core/plan'
import { quoteIdent } from '@sensei/core/sql'
import type { RowidAlias } from './split.ts'
import { concatenation, rowidOf } from './sql.ts'

const GROUP_ROWS = 1_000
const GROUP_BYTES = 1024 * 1024

/** Rowids, both ends included. */
export interface Bounds {
  readonly from: bigint
  readonly to: bigint
}

export interface Group extends Bounds {
  readonly bytes: Uint8Array | null
  readonly rows: number
}

interface GroupsOf {
  readonly database: DatabaseSync
  readonly table: TableMapping
  readonly rowid: RowidAlias | null
}

/**
 * As many rowids as a group may have rows are a group, which costs SQLite no more than a range. Only where half of them or
 * more are missing is it asked first where so many rows end.
 */
export class Groups {
  readonly #write: StatementSync
  readonly #find: StatementSync
  readonly #rows: bigint
  readonly #to: bigint
  #from: bigint
  #sparse = false

  constructor({ database, table, rowid }: GroupsOf, cells: readonly string[], range: Bounds) {
    const id = rowidOf(table, rowid)
    const from = quoteIdent(table.source)
    this.#write = database.prepare(
      `select cast(group_concat(${concatenation(cells)}, '') as blob), count(*) from ${from}
      where ${id} between ?1 and ?2`,
    )
    this.#find = database.prepare(
      `select max(i) from (select ${id} as i from ${from} where ${id} between ?1 and ?2 order by ${id} limit ?3)`,
    )
    for (const statement of [this.#write, this.#find]) {
      statement.setReturnArrays(true)
      statement.setReadBigInts(true)
    }
    this.#rows = BigInt(groupRows(table))
    this.#from = range.from
    this.#to = range.to
  }

  /** Null behind the last one. A group may have no rows. */
  next(): Group | null {
    if (this.#from > this.#to) return null
    const from = this.#from
    let to = from + this.#rows - 1n
    if (to > this.#to) to = this.#to
    if (this.#sparse) {
      const last = this.#lastOf(from)
      if (last === null) return null
      to = last
    }
    const [bytes, count] = this.#write.get(from, to) as unknown as [Uint8Array | null, bigint]
    this.#sparse = 2n * count < to - from + 1n
    this.#from = to + 1n
    return { from, to, bytes, rows: Number(count) }
  }

  #lastOf(from: bigint): bigint | null {
    const [last] = this.#find.get(from, this.#to, this.#rows) as unknown as [bigint | null]
    return last
  }
}

function groupRows(table: TableMapping): number {
  const average = table.bytes / Math.max(1, table.rows) + 8 * table.columns.length
  return Math.max(1, Math.min(GROUP_ROWS, Math.floor(GROUP_BYTES / average)))
}
