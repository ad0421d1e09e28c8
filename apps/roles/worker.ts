/** A worker process: opens its own parts and works until it is dismissed. Started by apps/crew.ts. */
import { isSenseiError } from '@sensei/core/errors'
import type { TableMapping } from '@sensei/core/plan'
import type { Receipt } from '@sensei/core/receipt'
import { patiently } from '@sensei/engine/patience'
import { work } from '@sensei/engine/worker/worker'
import { loadAdapters, openSource, openTarget, openTasks } from '../pillars.ts'
import type { FromWorker, Posting, ToWorker } from './messages.ts'

const say = (message: FromWorker): void => void process.send?.(message)

async function main(posting: Posting, dismissed: AbortSignal): Promise<void> {
  const { assignment, owner } = posting
  const { plan, run } = assignment
  const { migrationId } = run
  const [source, control, target] = await Promise.all([
    openSource(posting.sourceUrl),
    openTasks(posting.control),
    patiently(dismissed, () => openTarget(posting.targetUrl)),
  ])
  const reader = await source.openReader(assignment.snapshot)
  const loader = await patiently(dismissed, () => target.openLoader(run, owner))
  const { tasks, doorbell } = control
  const onReceipt = (table: TableMapping, receipt: Receipt): void =>
    say({ kind: 'receipt', table: table.source, rows: receipt.rowsRead, total: table.rows })
  await work({ migrationId, owner, plan, tasks, doorbell, reader, loader, onReceipt }, dismissed)
  await loader.close()
  await reader.close()
  await target.close()
  await control.close()
}

const dismissal = new AbortController()

// Whoever started us is gone: what is in hand is rolled back by the closing connection, its lease runs out.
process.on('disconnect', () => process.exit(1))
// The terminal's Ctrl-C reaches the whole group; the conductor decides what it means.
process.on('SIGINT', () => undefined)
process.on('message', (message: Posting | ToWorker) => {
  if ('kind' in message) return dismissal.abort()
  main(message, dismissal.signal).then(
    () => process.exit(0),
    (error: unknown) => {
      // Dismissed while it still opened its parts: there is nothing to tell.
      if (dismissal.signal.aborted) process.exit(0)
      const text = error instanceof Error ? error.message : String(error)
      const code = isSenseiError(error) ? error.code : 'INTERNAL'
      // The words are on their way when the callback is called; an exit before it would cut them off.
      process.send?.({ kind: 'failed', code, message: text } satisfies FromWorker, () =>
        process.exit(1),
      )
    },
  )
})
say({ kind: 'ready' })
// What cannot be loaded is told by whatever opens it.
await loadAdapters('worker').catch(() => undefined)
