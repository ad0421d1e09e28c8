/** A worker process: opens its own parts and works until it is dismissed. Started by apps/crew.ts. */
import type { TableMapping } from '@sensei/core/plan'
import type { Receipt } from '@sensei/core/receipt'
import { work } from '@sensei/engine/worker/worker'
import { openControl, openSource, openTarget } from '../pillars.ts'
import type { FromWorker, Posting, ToWorker } from './messages.ts'

const say = (message: FromWorker): void => void process.send?.(message)

async function main(posting: Posting): Promise<void> {
  const dismissed = new AbortController()
  process.on('message', (message: ToWorker) => {
    if (message.kind === 'dismiss') dismissed.abort()
  })
  const { assignment } = posting
  const { migrationId } = assignment.run
  const source = await openSource(posting.sourceUrl)
  const target = await openTarget(posting.targetUrl)
  const control = await openControl(posting.control)
  try {
    const plan = (await control.journal.entries(migrationId, 'plan')).at(-1)?.plan
    if (plan === undefined) return
    const reader = await source.openReader(assignment.snapshot)
    const loader = await target.openLoader(assignment.run, posting.owner)
    const onReceipt = (table: TableMapping, receipt: Receipt): void =>
      say({ kind: 'receipt', table: table.source, rows: receipt.rowsRead, total: table.rows })
    const tools = { migrationId, owner: posting.owner, plan, reader, loader, onReceipt }
    await work({ ...tools, tasks: control.tasks, doorbell: control.doorbell }, dismissed.signal)
    await loader.close()
    await reader.close()
  } finally {
    await target.close()
    await control.close()
  }
}

// Whoever started us is gone: what is in hand is rolled back by the closing connection, its lease runs out.
process.on('disconnect', () => process.exit(1))
// The terminal's Ctrl-C reaches the whole group; the conductor decides what it means.
process.on('SIGINT', () => undefined)
process.once('message', (posting: Posting) => {
  main(posting).then(
    () => process.exit(0),
    (error: unknown) => {
      const message = error instanceof Error ? error.message : String(error)
      say({ kind: 'failed', message })
      process.exit(1)
    },
  )
})
say({ kind: 'ready' })
