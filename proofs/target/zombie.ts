/**
 * A worker that is about to be stopped: it says where it stands, waits for `go`, and tells how its chunk ended.
 * `place` is either before BEGIN or in the middle of COPY, with half of the rows on their way.
 */
import { isSenseiError } from '@sensei/core/errors'
import type { Run, Target } from '@sensei/core/ports/target'
import { loadRequest } from './rows.ts'

export interface ZombieOrder {
  readonly module: string
  readonly url: string
  readonly run: Run
  readonly place: 'before BEGIN' | 'in mid-COPY'
  readonly number: number
  readonly first: number
  readonly rows: number
}

const order = JSON.parse(process.argv[2] ?? '') as ZombieOrder
const { openTarget } = (await import(order.module)) as { openTarget(url: string): Promise<Target> }
const target = await openTarget(order.url)
const loader = await target.openLoader(order.run, `zombie-${process.pid}`)

const batches = 4
async function stand(): Promise<void> {
  const go = new Promise((resolve) => process.once('message', resolve))
  process.send?.('here')
  await go
}

if (order.place === 'before BEGIN') await stand()
const before = async (batch: number): Promise<void> => {
  if (order.place === 'in mid-COPY' && batch === batches / 2) await stand()
}
try {
  await loader.load(loadRequest({ ...order, batches, before }))
  process.send?.('committed')
} catch (error) {
  process.send?.(isSenseiError(error) ? error.code : String(error))
}
try {
  // A zombie's pool connects again: it must not get in that way either.
  await loader.load(loadRequest({ ...order, number: order.number + 500, batches }))
  process.send?.('committed')
} catch (error) {
  process.send?.(isSenseiError(error) ? error.code : String(error))
}
process.exit(0)
