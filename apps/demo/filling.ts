import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { noOddities, type ShopOddities } from './facts.ts'
import type { Random } from './random.ts'

export type InsertRow = (...values: SQLInputValue[]) => void

/** What the parts of the shop share while it is being written. */
export class Filling {
  readonly random: Random
  readonly tables: Record<string, number> = {}
  readonly oddities: ShopOddities = noOddities()
  readonly #database: DatabaseSync
  readonly #scale: number

  constructor(database: DatabaseSync, random: Random, scale: number) {
    this.#database = database
    this.random = random
    this.#scale = scale
  }

  /** How many rows of a table that has `base` rows at scale 1; never so few that an oddity would not fit in. */
  size(base: number): number {
    return Math.max(Math.min(base, 60), Math.round(base * this.#scale))
  }

  /** Prepares `insert into <into> values (…)`; each call writes a row and counts it for `table`. */
  inserter(table: string, into: string, columns: number): InsertRow {
    const places = Array.from({ length: columns }, () => '?').join(', ')
    const statement = this.#database.prepare(`insert into ${into} values (${places})`)
    this.tables[table] = 0
    return (...values) => {
      statement.run(...values)
      this.tables[table] = (this.tables[table] ?? 0) + 1
    }
  }

  /** Text of `count` pieces, in which a list's own order is not seen. */
  phrase(pieces: readonly [string, ...string[]], count: number): string {
    let text = this.random.pick(pieces)
    for (let more = 1; more < count; more++) text += ` ${this.random.pick(pieces)}`
    return text
  }
}
