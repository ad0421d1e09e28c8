/** The process of one query (query.ts): reads a task, answers once, and may do nothing but select. */
import { constants } from 'node:sqlite'
import { CellBuffer } from '@sensei/core/canonical/cells'
import type { QueryLimits, QueryResult } from '@sensei/core/ports/witness'
import { openReadOnly } from '../open.ts'

export interface QueryTask {
  readonly path: string
  readonly sql: string
  readonly limits: QueryLimits
}

export type QueryAnswer = QueryResult | { readonly error: string }

const ALLOWED: readonly number[] = [
  constants.SQLITE_SELECT,
  constants.SQLITE_READ,
  constants.SQLITE_FUNCTION,
  constants.SQLITE_RECURSIVE,
]

process.once('message', (task: QueryTask) => {
  process.send?.(answer(task), () => process.disconnect())
})

function answer({ path, sql, limits }: QueryTask): QueryAnswer {
  try {
    const database = openReadOnly(path, { doubleQuotedTexts: true })
    database.setAuthorizer((action) =>
      ALLOWED.includes(action) ? constants.SQLITE_OK : constants.SQLITE_DENY,
    )
    const statement = database.prepare(sql)
    statement.setReadBigInts(true)
    statement.setReturnArrays(true)
    const columns = statement.columns().map(({ name }) => name)
    const rows: Uint8Array[] = []
    const deadline = performance.now() + limits.timeoutMs
    for (const row of statement.iterate() as unknown as Iterable<
      (bigint | number | string | Uint8Array | null)[]
    >) {
      if (rows.length === limits.rowsMax) return { columns, rows, cut: true }
      if (performance.now() > deadline) return { error: `it took more than ${limits.timeoutMs} ms` }
      rows.push(canonicalRow(row))
    }
    return { columns, rows, cut: false }
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) }
  }
}

/** Integers by value, floats as bits: the two sides may type one number differently. */
function canonicalRow(row: readonly (bigint | number | string | Uint8Array | null)[]): Uint8Array {
  const out = new CellBuffer(256)
  for (const value of row) {
    if (value === null) out.null()
    else if (typeof value === 'bigint') out.ascii(0x64, value.toString())
    else if (typeof value === 'number') out.ascii(0x66, bitsOf(value))
    else if (typeof value === 'string') out.text(0x74, value)
    else out.cell(0x78, value)
  }
  return Uint8Array.from(out.written())
}

function bitsOf(value: number): string {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(value)
  return bytes.toString('hex')
}
