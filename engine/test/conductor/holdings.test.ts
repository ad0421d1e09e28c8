import type { Receipt } from '@sensei/core/receipt'
import { expect, test } from 'vitest'
import { holdingsOf, reconciledStep } from '../../conductor/holdings.ts'
import type { Load } from '../../conductor/load.ts'

function receipt(step: string, snapshot: string): Receipt {
  return {
    migrationId: 'm',
    table: 't',
    step,
    kind: 'chunk',
    rowsRead: 1,
    rowsWritten: 1,
    rowsRejected: 0,
    snapshot,
    epoch: 1,
  }
}

/** The ledger gives its rows by the names of their steps, not by their time. */
function loadOf(rows: readonly Receipt[]): Load {
  const sorted = rows.toSorted((a, b) => (a.step < b.step ? -1 : 1))
  async function* receipts(): AsyncGenerator<Receipt> {
    yield* sorted
  }
  const cast = { target: { ledger: { receipts } } }
  return {
    cast,
    run: { migrationId: 'm' },
    signal: new AbortController().signal,
  } as unknown as Load
}

test('a table that was reconciled to one snapshot after the other is at the last one, however they are named', async () => {
  const rows = [
    receipt('chunk 1 of t', 'first'),
    receipt(reconciledStep('t', 'zebra'), 'zebra'),
    receipt(reconciledStep('t', 'ape'), 'ape'),
  ]
  const held = (await holdingsOf(loadOf(rows))).get('t')
  expect(held?.reconciledTo).toEqual(new Set(['zebra', 'ape']))
  expect([held?.chunks, held?.snapshots]).toEqual([1, new Set(['first'])])
})
