/** What came of a migration, told from what it left behind: also of one that was completed long ago. */
import { ERROR_CODES, type ErrorCode, type SenseiError } from '@sensei/core/errors'
import type { EventPayloads, LifecycleEvent } from '@sensei/core/events'
import type { Plan, TableMapping } from '@sensei/core/plan'
import type { Journal } from '@sensei/core/ports/journal'
import type { Verdict, Verification } from '@sensei/core/verdict'
import type { Life } from './life.ts'
import type { PlanInForce } from './plans.ts'
import { keptRefusedViews } from './refused-views.ts'
import { keptSetAside } from './set-aside.ts'
import type { Outcome, TableFailure, TableOutcome } from '../request.ts'
import { knownSnapshot } from '../scout/scout.ts'

interface Counts {
  read: number
  written: number
  rejected: number
  /** Its rows were exchanged to equal the snapshot's: then sums over chunks say nothing. */
  reconciled: boolean
}

export function outcomeOf(life: Life, error: SenseiError | null): Promise<Outcome> {
  return tell(life.cast.journal, life.id, { plan: life.plan, failures: life.failures, error })
}

/** Throws MIGRATION_NOT_FOUND. */
export function storedOutcome(journal: Journal, migrationId: string): Promise<Outcome> {
  return tell(journal, migrationId, { plan: null, failures: [], error: null })
}

/** What this process knows besides what is written down. */
interface Known {
  readonly plan: PlanInForce | null
  readonly failures: readonly TableFailure[]
  readonly error: SenseiError | null
}

async function tell(
  journal: Journal,
  id: string,
  { failures, error, ...known }: Known,
): Promise<Outcome> {
  const { state } = await journal.get(id)
  const last = (await journal.events(id)).at(-1)
  const plan = known.plan ?? (await journal.entries(id, 'plan')).at(-1) ?? null
  const verification = (await journal.entries(id, 'verification')).at(-1) ?? null
  const certificate = (await journal.entries(id, 'certificate')).at(-1) ?? null
  const current = state === 'completed' || state === 'validating' ? verification : null
  return {
    migrationId: id,
    state,
    verdict: current?.verdict ?? toldBy(last),
    plan: plan?.plan ?? null,
    planHash: plan?.hash ?? null,
    snapshot: await knownSnapshot(journal, id),
    tables:
      plan === null
        ? []
        : await tablesOf(journal, id, plan.plan, current?.verification ?? null, failures),
    viewsRefused: await keptRefusedViews(journal, id),
    setAside: await keptSetAside(journal, id),
    verification: current?.verification ?? null,
    certificate: current === null ? null : (certificate?.envelope ?? null),
    error: error === null ? failureOf(last) : { code: error.code, message: error.message },
  }
}

/** The verdict that the last event tells: of a migration that was not validated, only the event knows it. */
function toldBy(last: LifecycleEvent | undefined): Verdict | null {
  if (last?.type !== 'migration.completed') return null
  return (last.payload as EventPayloads['completed']).verdict
}

function failureOf(last: LifecycleEvent | undefined): Outcome['error'] {
  if (last?.type !== 'migration.failed') return null
  const { code, message } = last.payload as EventPayloads['failed']
  return { code: code in ERROR_CODES ? (code as ErrorCode) : 'INTERNAL', message }
}

async function tablesOf(
  journal: Journal,
  id: string,
  plan: Plan,
  verification: Verification | null,
  failures: readonly TableFailure[],
): Promise<readonly TableOutcome[]> {
  const verified = new Map(verification?.tables.map((table) => [table.target, table]))
  // Of 10,000 tables there are 70,000 receipts: they are asked only about what nobody has compared.
  const compared = plan.tables.every((table) => verified.has(table.target))
  const counts = compared ? new Map<string, Counts>() : await countsOf(journal, id)
  const failed = new Map(failures.map((failure) => [failure.table, failure]))
  return plan.tables.map((table: TableMapping) => {
    const seen = verified.get(table.target)
    const counted = counts.get(table.target)
    return {
      source: table.source,
      target: table.target,
      rowsSource: seen?.rowsSource ?? table.rows,
      rowsTarget: seen?.rowsTarget ?? writtenTo(table, counted),
      rowsRejected: seen?.rowsRejected ?? counted?.rejected ?? 0,
      digest: seen?.rootTarget ?? null,
      failure: failed.get(table.source) ?? null,
    }
  })
}

function writtenTo(table: TableMapping, counted: Counts | undefined): number {
  if (counted === undefined) return 0
  return counted.reconciled ? table.rows : counted.written
}

async function countsOf(journal: Journal, id: string): Promise<ReadonlyMap<string, Counts>> {
  const counts = new Map<string, Counts>()
  for (const { receipt } of await journal.entries(id, 'receipt')) {
    if (receipt.table === null) continue
    const sum = counts.get(receipt.table) ?? { read: 0, written: 0, rejected: 0, reconciled: false }
    sum.reconciled ||= receipt.step.startsWith('reconciled ')
    sum.read += receipt.rowsRead
    sum.written += receipt.rowsWritten
    sum.rejected += receipt.rowsRejected
    counts.set(receipt.table, sum)
  }
  return counts
}
