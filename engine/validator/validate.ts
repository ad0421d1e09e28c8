/**
 * Certify, design section 4.4: structure, rows, aggregates, references, views and queries, and the comparison itself by
 * mutants. It reads both sides by witnesses that share nothing with the copier.
 */
import { databaseRoot, columnsDigest } from '@sensei/core/certificate/digests'
import { isSenseiError } from '@sensei/core/errors'
import type { Plan, TableMapping } from '@sensei/core/plan'
import type { Progress } from '@sensei/core/ports/progress'
import type { Scanners } from '@sensei/core/ports/scanners'
import type { Source } from '@sensei/core/ports/source'
import type { Target, TargetWitness } from '@sensei/core/ports/target'
import type { SourceWitness } from '@sensei/core/ports/witness'
import type { Reject } from '@sensei/core/receipt'
import type { Snapshot } from '@sensei/core/snapshot'
import type {
  NotChecked,
  QueryVerification,
  ReferentialVerification,
  StructureFinding,
  TableVerification,
  Verification,
} from '@sensei/core/verdict'
import { workAhead } from './ahead.ts'
import {
  condense,
  type Condensed,
  type SourcePass,
  startSourcePass,
  tablesAhead,
} from './buckets.ts'
import { comparable } from './comparable.ts'
import { compareQueries, type QueryToRun } from './queries.ts'
import { mutationScore } from './mutation.ts'
import { compareTable } from './table.ts'
import { verdictOf } from './verdict.ts'
import { compareViews } from './views.ts'

export interface ValidatorCast {
  readonly source: Source
  readonly target: Target
  readonly scanners: Scanners
  readonly progress: Progress
}

export interface ValidationRequest {
  /** By target table; tables without rejects are absent. */
  readonly rejects: ReadonlyMap<string, readonly Reject[]>
  readonly options: { readonly differencesMax: number; readonly queries: readonly QueryToRun[] }
  readonly signal: AbortSignal
  /** Started beside the copy, on the same snapshot; a new one when absent. */
  readonly sourcePass?: SourcePass
  /** What was found where no plan says how the target is built: its structure has nothing to be compared with. */
  readonly pairing?: {
    readonly structure: readonly StructureFinding[]
    readonly undecided: readonly NotChecked[]
  }
}

interface Validation extends ValidationRequest {
  readonly cast: ValidatorCast
  readonly plan: Plan
  readonly source: SourceWitness
  readonly target: TargetWitness
  readonly pass: SourcePass
  readonly undecided: NotChecked[]
}

export async function validate(
  cast: ValidatorCast,
  plan: Plan,
  snapshot: Snapshot,
  request: ValidationRequest,
): Promise<Verification> {
  const { signal } = request
  const opened: { close(): Promise<void> }[] = []
  const open = <T extends { close(): Promise<void> }>(one: T): T => {
    opened.push(one)
    return one
  }
  // The scans that are under way would keep an interrupted validation busy for minutes.
  const stop = (): void => void cast.scanners.close()
  signal.addEventListener('abort', stop)
  try {
    signal.throwIfAborted()
    const source = open(await cast.source.openWitness(snapshot))
    const target = open(await cast.target.openWitness({ schema: plan.target.schema }))
    const pass = request.sourcePass ?? (await startSourcePass(cast, plan, snapshot))
    open({ close: () => endScans(cast.scanners) })
    open(pass)
    const parts = { cast, plan, source, target, pass, undecided: [] }
    const verification = await compareAll({ ...request, ...parts })
    // What a lost connection left undecided is no finding: this throws, and the validation is done again.
    await target.query('select 1 as there', { timeoutMs: 30_000, rowsMax: 1 })
    return verification
  } catch (error) {
    await cast.scanners.close()
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
    for (const one of opened.toReversed()) await one.close()
  }
}

/** They let go of the target first. What the threads hold is as much as a large certificate takes. */
async function endScans(scanners: Scanners): Promise<void> {
  await scanners.release()
  await scanners.close()
}

async function compareAll(validation: Validation): Promise<Verification> {
  const { plan, target, undecided, pairing } = validation
  const scope = comparable(plan)
  undecided.push(...scope.undecided, ...(pairing?.undecided ?? []))
  const structure = pairing?.structure ?? (await target.structure(plan))
  const tables = await compareTables(validation, scope.tables)
  const foreignKeys = await compareReferences(validation)
  const { compared: views, left: uncomparedViews } = await compareViews(validation, tables)
  const queries = await compareQueries(validation, validation.options.queries, tables)
  const { score: mutation, passedOver } = await mutationScore(validation, scope.tables)
  const unplanned =
    pairing === undefined
      ? []
      : [
          {
            what: 'keys, constraints, indexes and defaults',
            reason: 'there is no plan to compare them with',
          },
        ]
  const notChecked = [
    ...undecided,
    ...unplanned,
    ...scope.left,
    ...uncompared(scope.tables, tables),
    ...uncomparedViews,
    ...unanswered(views, 'view'),
    ...unanswered(queries, 'query'),
    ...passedOver,
  ]
  const findings = {
    tables,
    structure,
    views,
    queries,
    foreignKeys,
    mutation,
    notChecked,
    undecided,
  }
  const verdict = verdictOf(findings, plan)
  return { ...findings, verdict, databaseRoot: rootOf(plan, tables) }
}

/** Tables one after the other, but scanned ahead: the threads never wait for the comparison. */
async function compareTables(
  validation: Validation,
  mappings: readonly TableMapping[],
): Promise<TableVerification[]> {
  const { cast, plan, target, signal } = validation
  const from = {
    side: 'target',
    view: { schema: plan.target.schema, snapshot: target.snapshot },
  } as const
  const scans = workAhead(
    new Map(mappings.map((table) => [table, table])),
    tablesAhead(cast.scanners),
    (table) => condense(cast.scanners, { witness: target, from }, table),
  )
  const stop = (): void => void scans.stop()
  signal.addEventListener('abort', stop)
  const compared: TableVerification[] = []
  try {
    for (const table of mappings) {
      signal.throwIfAborted()
      const verification = await compareOne(validation, table, () => scans.result(table))
      if (verification !== null) compared.push(verification)
    }
  } finally {
    signal.removeEventListener('abort', stop)
    stop()
  }
  return compared
}

/** Null where the target has not the columns: the structure says what is missing, and the verdict is "different" by that. */
async function compareOne(
  { cast, pass, source, target, undecided, ...request }: Validation,
  table: TableMapping,
  scanned: () => Promise<Condensed>,
): Promise<TableVerification | null> {
  try {
    const left = await pass.condensed(table.target)
    const verification = await compareTable({
      table,
      source: { ...left, witness: source },
      target: { ...(await scanned()), witness: target },
      rejects: request.rejects.get(table.target) ?? [],
      differencesMax: request.options.differencesMax,
    })
    report(cast.progress, table.source, verification.rowsSource)
    return verification
  } catch (error) {
    if (!isSenseiError(error, 'TARGET_COLUMNS_DIFFER')) throw error
    undecided.push({ what: `table ${table.target}`, reason: error.message })
    return null
  }
}

function report(progress: Progress, table: string, rows: number): void {
  progress.report({ phase: 'certify', table, unit: 'rows', done: rows, total: rows, message: null })
}

async function compareReferences({
  plan,
  target,
  undecided,
}: Validation): Promise<ReferentialVerification[]> {
  try {
    const counted = await target.orphans(plan)
    return counted.map(({ table, name, orphans }) => ({
      table,
      name,
      orphans,
      declared: declaredOrphans(plan, table, name),
    }))
  } catch (error) {
    undecided.push({
      what: 'foreign keys',
      reason: error instanceof Error ? error.message : String(error),
    })
    return []
  }
}

/** The loss names the source's table and the constraint. */
function declaredOrphans(plan: Plan, target: string, name: string): number {
  const source = plan.tables.find((table) => table.target === target)?.source
  return plan.losses
    .filter(
      ({ rule, table, column }) =>
        rule === 'orphans-not-valid' && table === source && column === name,
    )
    .reduce((sum, { rows }) => sum + rows, 0)
}

/** Aggregates are not compared where rows were rejected, and not of columns where a cell may become NULL. */
function uncompared(
  mappings: readonly TableMapping[],
  tables: readonly TableVerification[],
): NotChecked[] {
  return tables.flatMap((table): NotChecked[] => {
    if (table.rowsRejected > 0) {
      return [
        {
          what: `aggregates of ${table.target}`,
          reason: 'rows were rejected; every row was compared',
        },
      ]
    }
    const columns = mappings.find(({ target }) => target === table.target)?.columns ?? []
    return columns
      .filter((column) => column.source !== null && column.unfit === 'null')
      .map((column) => ({
        what: `aggregates of ${table.target}.${column.target}`,
        reason: 'values that do not fit become NULL; every cell was compared',
      }))
  })
}

function unanswered(queries: readonly QueryVerification[], kind: string): NotChecked[] {
  return queries
    .filter(({ equal }) => equal === null)
    .map(({ name, reason }) => ({ what: `${kind} ${name}`, reason: reason ?? 'it gave no answer' }))
}

function rootOf(plan: Plan, tables: readonly TableVerification[]): string {
  return databaseRoot(
    tables.map((table) => {
      const mapping = plan.tables.find(({ target }) => target === table.target)
      return {
        target: table.target,
        columns_digest: mapping === undefined ? '' : columnsDigest(mapping),
        rows_target: String(table.rowsTarget),
        buckets: String(2 ** table.bucketBits),
        root: table.rootTarget,
      }
    }),
  )
}
