/**
 * Loads chunks: fence, ledger row, COPY, rejects, counts and COMMIT in one transaction of the target. The fast way is
 * one COPY for the whole chunk; only when the server refuses a row is the chunk read again and taken apart.
 */
import type { ChunkLoader, LoadRequest, PatchRequest, Run } from '@sensei/core/ports/target'
import type { Receipt } from '@sensei/core/receipt'
import { copyAll, copySql, stopIfAborted } from './copy.ts'
import type { Counts, Step } from './ledger.ts'
import { patchRows } from './patch.ts'
import { blamesRow } from './refusal.ts'
import { Rejecter, type RejectSink } from './rejecter.ts'
import type { Session } from './session.ts'
import { type Writer, worthOneByOne } from './writer.ts'

export class Loader implements ChunkLoader {
  private readonly run: Run
  private readonly writer: Writer
  private readonly chunkRejectsMax: number

  constructor(run: Run, writer: Writer, chunkRejectsMax: number) {
    this.run = run
    this.writer = writer
    this.chunkRejectsMax = chunkRejectsMax
  }

  async load(request: LoadRequest): Promise<Receipt> {
    stopIfAborted(request.signal)
    const step = stepOf(request)
    return this.writer.step(step, (session) => this.carry(session, step, request))
  }

  async loadTogether(requests: readonly LoadRequest[]): Promise<readonly Receipt[] | null> {
    const byStep = new Map(requests.map((request) => [stepOf(request).name, request]))
    try {
      return await this.writer.together(requests.map(stepOf), (session, fresh) =>
        this.carryAll(
          session,
          fresh.map((step) => [step, byStep.get(step.name) as LoadRequest]),
        ),
      )
    } catch (error) {
      if (worthOneByOne(error)) return null
      throw error
    }
  }

  async patch(request: PatchRequest): Promise<Receipt> {
    const step: Step = { name: request.step, kind: 'chunk', table: request.table.target }
    return this.writer.step(step, (session) => patchRows(session, this.run, request))
  }

  close(): Promise<void> {
    return this.writer.close()
  }

  /** One COPY for each chunk. The first row that the server refuses ends them all, to be loaded one by one. */
  private async carryAll(
    session: Session,
    chunks: readonly (readonly [Step, LoadRequest])[],
  ): Promise<readonly Counts[]> {
    const counts: Counts[] = []
    for (const [step, request] of chunks) {
      stopIfAborted(request.signal)
      const sink = this.sinkOf(session, step, request)
      const rejecter = new Rejecter(sink)
      const written = await copyAll(session, sink.sql, request, (batch) => rejecter.unfit(batch))
      await rejecter.flush()
      counts.push(rejecter.counts(written))
    }
    await session.query('set constraints all immediate')
    return counts
  }

  private async carry(session: Session, step: Step, request: LoadRequest): Promise<Counts> {
    const sink = this.sinkOf(session, step, request)
    const whole = await loadWhole(sink, request)
    if (whole !== null) return whole
    return loadApart(sink, request)
  }

  private sinkOf(session: Session, step: Step, request: LoadRequest): RejectSink {
    return {
      session,
      migrationId: this.run.migrationId,
      step,
      table: request.table,
      sql: copySql(request.schema, request.table),
      rejectsMax: this.chunkRejectsMax,
      describe: request.describe,
    }
  }
}

function stepOf({ table, chunk }: LoadRequest): Step {
  const name = `chunk ${chunk.number} of ${table.target}`
  return { name, kind: 'chunk', table: table.target }
}

/** One COPY for the whole chunk; null when the server refuses a row of it. */
async function loadWhole(sink: RejectSink, request: LoadRequest): Promise<Counts | null> {
  const { session } = sink
  const rejecter = new Rejecter(sink)
  await session.query('savepoint whole')
  try {
    const written = await copyAll(session, sink.sql, request, (batch) => rejecter.unfit(batch))
    await session.query('set constraints all immediate')
    await rejecter.flush()
    return rejecter.counts(written)
  } catch (error) {
    if (session.lost || !blamesRow(error)) throw error
  }
  await session.query('rollback to savepoint whole')
  return null
}

/** Batch by batch, each under a savepoint of its own, and down to the row where one is refused. */
async function loadApart(sink: RejectSink, request: LoadRequest): Promise<Counts> {
  const rejecter = new Rejecter(sink)
  let written = 0
  for await (const batch of request.read()) {
    stopIfAborted(request.signal)
    written += await rejecter.place(batch)
  }
  await rejecter.flush()
  return rejecter.counts(written)
}
