/**
 * The validator's own view of a SQLite snapshot. It opens the private copy itself and has its own implementation of every
 * conversion; the reader that feeds the copy is not imported here, and nothing of it is.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Json } from '@sensei/core/json'
import { comparedColumns, type TableMapping } from '@sensei/core/plan'
import type {
  Aggregate,
  CanonicalBatch,
  QueryLimits,
  QueryResult,
  SourceWitness,
} from '@sensei/core/ports/witness'
import type { RawCell } from '@sensei/core/receipt'
import type { Snapshot } from '@sensei/core/snapshot'
import { openReadOnly } from '../open.ts'
import { aggregateTable } from './aggregates.ts'
import { converterOf } from './convert.ts'
import { keptRow } from './kept-row.ts'
import { runQuery } from './query.ts'
import { scanTable } from './scan.ts'
import { rowidAlias, splitRowids } from './split.ts'

/** It reads from one end to the other, a group of rows at most twice; and it is open in every thread. */
const CACHE_KB = 4_000

export async function openSqliteWitness(snapshot: Snapshot): Promise<SourceWitness> {
  const database = openReadOnly(snapshot.location, { cacheKb: CACHE_KB })
  const encoding = String(database.prepare('pragma encoding').get()?.['encoding'])
  return new SqliteWitness(snapshot, database, encoding)
}

class SqliteWitness implements SourceWitness {
  readonly snapshot: string
  readonly #path: string
  readonly #database: DatabaseSync
  readonly #encoding: string

  constructor(snapshot: Snapshot, database: DatabaseSync, encoding: string) {
    this.snapshot = snapshot.name
    this.#path = snapshot.location
    this.#database = database
    this.#encoding = encoding
  }

  async split(table: TableMapping, parts: number): Promise<readonly Json[]> {
    // Refuses a column that cannot be compared before any row is read.
    comparedColumns(table).forEach(converterOf)
    const rowid = rowidAlias(this.#database, table.source)
    return splitRowids(this.#database, table.source, rowid, { parts, rows: table.rows })
  }

  scan(table: TableMapping, range: Json): AsyncIterable<CanonicalBatch> {
    const rowid = rowidAlias(this.#database, table.source)
    return scanTable({ database: this.#database, encoding: this.#encoding, table, rowid, range })
  }

  async aggregates(table: TableMapping): Promise<readonly Aggregate[]> {
    return aggregateTable(this.#database, this.#encoding, table)
  }

  query(sql: string, limits: QueryLimits): Promise<QueryResult> {
    return runQuery(this.#path, sql, limits)
  }

  rowOf(table: TableMapping, cells: readonly RawCell[]): Uint8Array | null {
    return keptRow(table, cells, this.#encoding)
  }

  async close(): Promise<void> {
    if (this.#database.isOpen) this.#database.close()
  }
}
