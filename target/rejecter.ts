/**
 * Takes a batch apart until every row that the server refuses stands alone, and keeps those rows. The line number in
 * the server's message says where to cut; it is a hint only: a part that is refused again is cut again, and a row is
 * rejected for its own refusal, never for its neighbour's.
 */
import { SenseiError } from '@sensei/core/errors'
import { copiedColumns, type TableMapping } from '@sensei/core/plan'
import type { CopyBatch } from '@sensei/core/ports/source'
import type { LoadRequest } from '@sensei/core/ports/target'
import type { DatabaseError } from 'pg'
import { copyBytes } from './copy.ts'
import { type Counts, keepReject, type Step } from './ledger.ts'
import { blamesRow } from './refusal.ts'
import type { Session } from './session.ts'
import { tupleOffsets } from './tuples.ts'

export interface RejectSink {
  readonly session: Session
  readonly migrationId: string
  readonly step: Step
  readonly table: TableMapping
  readonly sql: string
  readonly rejectsMax: number
  readonly describe: LoadRequest['describe']
}

interface Pending {
  readonly ordinal: number
  readonly column: string | null
  readonly code: string
  readonly reason: string
}

/** Tuples `from` to `to` (exclusive) of a batch. */
interface Part {
  readonly from: number
  readonly to: number
}

export class Rejecter {
  private readonly sink: RejectSink
  /** Source rows of the chunk before the current batch; ordinals count from 0. */
  private seen = 0
  private rejected = 0
  private pending: Pending[] = []

  constructor(sink: RejectSink) {
    this.sink = sink
  }

  counts(written: number): Counts {
    return {
      rowsRead: written + this.rejected,
      rowsWritten: written,
      rowsRejected: this.rejected,
    }
  }

  /** Notes the rows that the reader could not represent. */
  unfit(batch: CopyBatch): void {
    for (const { ordinal, column, reason } of batch.unfit) {
      this.note({ ordinal, column, code: 'unfit', reason })
    }
    this.seen += batch.rows + batch.unfit.length
  }

  /** Writes what the server takes of the batch; returns how many rows that is. */
  async place(batch: CopyBatch): Promise<number> {
    const offsets = tupleOffsets(batch.bytes)
    const ordinals = ordinalsOf(this.seen, offsets.length - 1, batch)
    this.unfit(batch)
    const parts: Part[] = [{ from: 0, to: offsets.length - 1 }]
    let written = 0
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      if (part.from === part.to) continue
      const bytes = batch.bytes.subarray(offsets[part.from], offsets[part.to])
      const refusal = await this.attempt(bytes)
      if (refusal === null) written += part.to - part.from
      else if (part.to - part.from === 1) this.reject(ordinals[part.from] as number, refusal)
      else parts.push(...cut(part, refusal).reverse())
    }
    return written
  }

  /** Keeps what was noted, in the transaction of the rows. */
  async flush(): Promise<void> {
    const { session, migrationId, step, table, describe } = this.sink
    for (const { ordinal, column, code, reason } of this.pending) {
      const { key, raw } = await describe(ordinal)
      await keepReject(session, migrationId, {
        ordinal,
        table: table.target,
        step: step.name,
        key,
        column,
        code,
        reason,
        raw,
      })
    }
    this.pending = []
  }

  private async attempt(bytes: Uint8Array): Promise<DatabaseError | null> {
    const { session, sql } = this.sink
    await session.query('savepoint part')
    try {
      await copyBytes(session, sql, bytes)
      await session.query('set constraints all immediate')
    } catch (error) {
      if (session.lost || !blamesRow(error)) throw error
      await session.query('rollback to savepoint part')
      return error as DatabaseError
    }
    await session.query('release savepoint part')
    return null
  }

  private reject(ordinal: number, refusal: DatabaseError): void {
    this.note({
      ordinal,
      column: columnOf(refusal, this.sink.table),
      code: refusal.code ?? 'unknown',
      reason:
        refusal.detail === undefined ? refusal.message : `${refusal.message}: ${refusal.detail}`,
    })
  }

  private note(pending: Pending): void {
    this.rejected += 1
    this.pending.push(pending)
    if (this.rejected <= this.sink.rejectsMax) return
    throw new SenseiError(
      'TOO_MANY_REJECTS',
      `More than ${this.sink.rejectsMax} rows of "${this.sink.step.name}" are refused, the last one ` +
        `because: ${pending.reason}. Change the plan of table "${this.sink.table.target}"`,
      { details: { table: this.sink.table.target, column: pending.column, code: pending.code } },
    )
  }
}

/** Source ordinals of the tuples in a batch: those of the unfit rows are left out. */
function ordinalsOf(start: number, tuples: number, batch: CopyBatch): readonly number[] {
  const unfit = new Set(batch.unfit.map((row) => row.ordinal))
  const ordinals: number[] = []
  for (let ordinal = start; ordinals.length < tuples; ordinal++) {
    if (!unfit.has(ordinal)) ordinals.push(ordinal)
  }
  return ordinals
}

function cut(part: Part, refusal: DatabaseError): Part[] {
  const line = Number(/^COPY .*, line (\d+)/m.exec(refusal.where ?? '')?.[1] ?? 0)
  const at = part.from + line - 1
  if (line >= 1 && at < part.to) {
    return [
      { from: part.from, to: at },
      { from: at, to: at + 1 },
      { from: at + 1, to: part.to },
    ]
  }
  const middle = (part.from + part.to) >> 1
  return [
    { from: part.from, to: middle },
    { from: middle, to: part.to },
  ]
}

/** The column field of the error, else the one that COPY's context line names. */
function columnOf(refusal: DatabaseError, table: TableMapping): string | null {
  const names = copiedColumns(table).map((column) => column.target)
  const field = refusal.column
  if (field !== undefined && names.includes(field)) return field
  const where = refusal.where ?? ''
  const named = names.filter((name) => {
    const at = where.indexOf(`, column ${name}`)
    const after = where.charAt(at + `, column ${name}`.length)
    return at >= 0 && (after === '' || after === ':' || after === '\n')
  })
  return named.sort((left, right) => right.length - left.length)[0] ?? null
}
