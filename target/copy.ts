/** COPY into one table over a session: a whole stream of batches, or one piece of bytes. */
import { SenseiError } from '@sensei/core/errors'
import { copiedColumns, type TableMapping } from '@sensei/core/plan'
import type { CopyBatch } from '@sensei/core/ports/source'
import type { LoadRequest } from '@sensei/core/ports/target'
import { quoteIdent, quoteQualified } from '@sensei/core/sql'
import { CopyIn } from './copy-in.ts'
import type { Session } from './session.ts'

const failMsMax = 2_000

export type CopyRequest = Pick<LoadRequest, 'read' | 'onRows' | 'signal'>

/** One COPY of everything that `read` yields; bounded memory, stopped by the signal. */
export async function copyAll(
  session: Session,
  sql: string,
  request: CopyRequest,
  seen: (batch: CopyBatch) => void,
): Promise<number> {
  const copy = session.submit(new CopyIn(sql))
  let announced = 0
  let taken = 0
  try {
    await copy.begin()
    for await (const batch of request.read()) {
      stopIfAborted(request.signal)
      await abortable(copy.write(batch.bytes), request.signal)
      announced += batch.rows
      seen(batch)
      request.onRows(batch.rows, batch.bytes.length)
    }
    stopIfAborted(request.signal)
    taken = await copy.finish()
  } catch (error) {
    await endCopy(session, copy, error)
    throw error
  }
  return sameCount(taken, announced)
}

/** One COPY of these bytes; the caller holds a savepoint. */
export async function copyBytes(session: Session, sql: string, bytes: Uint8Array): Promise<number> {
  const copy = session.submit(new CopyIn(sql))
  try {
    await copy.begin()
    await copy.write(bytes)
    return await copy.finish()
  } catch (error) {
    await endCopy(session, copy, error)
    throw error
  }
}

/** Leaves the connection ready for a ROLLBACK, or gives it up: a server that does not answer is not waited for. */
async function endCopy(session: Session, copy: CopyIn, error: unknown): Promise<void> {
  if (copy.refused) return session.note(error)
  const ended = await Promise.race([
    copy.fail('stopped by the loader').then(() => true),
    new Promise<false>((resolve) => setTimeout(resolve, failMsMax, false).unref()),
  ])
  if (!ended) session.destroy()
}

export function copySql(schema: string, table: TableMapping): string {
  const columns = copiedColumns(table).map((column) => quoteIdent(column.target))
  const list = columns.length === 0 ? '' : ` (${columns.join(', ')})`
  return `copy ${quoteQualified(schema, table.target)}${list} from stdin (format binary)`
}

function sameCount(taken: number, announced: number): number {
  if (taken === announced) return taken
  throw new SenseiError(
    'INTERNAL',
    `The reader announced ${announced} rows and PostgreSQL took ${taken}; nothing of the chunk was kept`,
  )
}

export function stopIfAborted(signal: AbortSignal): void {
  if (signal.aborted) {
    throw new SenseiError(
      'INTERRUPTED',
      'Stopped; the chunk in flight was rolled back. Resume to go on',
    )
  }
}

/** A server that takes no more bytes must not keep a chunk that is to stop. */
async function abortable(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<void>()
  const stop = (): void => aborted.resolve()
  signal.addEventListener('abort', stop)
  try {
    await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', stop)
  }
  work.catch(() => undefined)
  stopIfAborted(signal)
}
