/** What the target's ledger says is in, table by table: the truth, whatever the tasks say. */
import type { Receipt } from '@sensei/core/receipt'
import { patiently } from '../patience.ts'
import type { Load } from './load.ts'

export interface Holding {
  readonly chunks: number
  readonly rowsRead: number
  readonly rowsRejected: number
  /** Snapshots that its chunks were read from. */
  readonly snapshots: ReadonlySet<string>
  /** Snapshots that all of it was reconciled to; one that was replaced never comes back. */
  readonly reconciledTo: ReadonlySet<string>
}

export const NOTHING_HELD: Holding = {
  chunks: 0,
  rowsRead: 0,
  rowsRejected: 0,
  snapshots: new Set(),
  reconciledTo: new Set(),
}

/** By target table; tables without chunks are absent. */
export type Holdings = ReadonlyMap<string, Holding>

/** Of these target tables only, when they are named. */
export function holdingsOf(load: Load, tables?: readonly string[]): Promise<Holdings> {
  return patiently(load.signal, () => readHoldings(load, tables))
}

async function readHoldings({ cast, run }: Load, tables?: readonly string[]): Promise<Holdings> {
  const holdings = new Map<string, Holding>()
  for await (const receipt of cast.target.ledger.receipts(run.migrationId, tables)) {
    if (receipt.kind !== 'chunk' || receipt.table === null) continue
    const before = holdings.get(receipt.table) ?? { ...NOTHING_HELD, snapshots: new Set() }
    holdings.set(receipt.table, withReceipt(before, receipt))
  }
  return holdings
}

/** Chunks count what is in; the patches of a reconcile only say which rows were exchanged. */
function withReceipt(before: Holding, receipt: Receipt): Holding {
  if (receipt.step === reconciledStep(receipt.table as string, receipt.snapshot)) {
    return { ...before, reconciledTo: new Set([...before.reconciledTo, receipt.snapshot]) }
  }
  if (!receipt.step.startsWith('chunk ')) return before
  const { snapshots } = before
  return {
    ...before,
    chunks: before.chunks + 1,
    rowsRead: before.rowsRead + receipt.rowsRead,
    rowsRejected: before.rowsRejected + receipt.rowsRejected,
    snapshots: snapshots.has(receipt.snapshot)
      ? snapshots
      : new Set([...snapshots, receipt.snapshot]),
  }
}

/** The step that closes a reconcile: its ledger row says that nothing of the table differs from that snapshot. */
export function reconciledStep(target: string, snapshot: string): string {
  return `reconciled ${target} to ${snapshot}`
}
