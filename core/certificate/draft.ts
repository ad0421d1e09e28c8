/** Turns the outcome of a migration, or of `verify`, into the statement that is signed. */
import { SenseiError } from '../errors.ts'
import { lossName } from '../losses.ts'
import type { Plan } from '../plan.ts'
import type { Snapshot } from '../snapshot.ts'
import type { QueryVerification, Verification } from '../verdict.ts'
import { mutationScore } from './consistency.ts'
import { byTargetName, columnsDigest, databaseRoot } from './digests.ts'
import { ENCODING, PREDICATE_TYPE, STATEMENT_TYPE } from './statement.ts'
import type { CertifiedTable, Predicate, Statement } from './statement.ts'

export interface CertificateDraft {
  readonly tool: Predicate['tool']
  readonly migrationId: string
  readonly organization?: string
  readonly issuedAt: Date
  readonly source: Predicate['source']
  readonly target: Predicate['target']
  readonly snapshot: Snapshot
  readonly plan: Plan
  readonly planHash: string
  readonly planVersion: number
  readonly receipts: Predicate['receipts']
  /** One entry for each table with rejects; `rejectsDigest` makes the digest. */
  readonly rejects: readonly { table: string; count: number; digest: string }[]
  /** Who or what accepted a loss, by its name (`rule:table.column`). */
  readonly acceptedBy: (lossName: string) => string
  readonly verification: Verification
}

/** The statement of a passed verification; any other verdict gets a report instead (core/report.ts). */
export function draftStatement(draft: CertificateDraft): Statement {
  const { verdict } = draft.verification
  if (verdict !== 'equivalent' && verdict !== 'equivalent_except_declared') {
    throw new SenseiError('INTERNAL', `the verdict "${verdict}" gets no certificate`)
  }
  refuseFailedChecks(draft.verification)
  const tables = certifiedTables(draft)
  const root = databaseRoot(tables)
  return {
    _type: STATEMENT_TYPE,
    subject: [{ name: draft.target.database, digest: { sha256: root } }],
    predicateType: PREDICATE_TYPE,
    predicate: {
      tool: draft.tool,
      migration_id: draft.migrationId,
      ...(draft.organization === undefined ? {} : { organization: draft.organization }),
      issued_at: draft.issuedAt.toISOString(),
      source: draft.source,
      target: draft.target,
      snapshot: certifiedSnapshot(draft.snapshot),
      plan: { hash: draft.planHash, version: draft.planVersion },
      verdict,
      receipts: draft.receipts,
      encoding: ENCODING,
      tables,
      database_root: root,
      ...exceptions(draft),
      ...objects(draft.plan),
      ...checks(draft.verification),
    },
  }
}

/** A verdict that its own findings contradict must not become a certificate. */
function refuseFailedChecks(verification: Verification): void {
  const failed = [
    ...verification.structure.map(({ kind, object }) => `structure: ${kind} ${object}`),
    ...verification.tables.flatMap(({ target, differences, aggregates }) => [
      ...(differences.rowsMissing + differences.rowsExtra + differences.rowsChanged > 0
        ? [`rows of ${target}`]
        : []),
      ...aggregates.filter(({ equal }) => !equal).map(({ name }) => `${name} of ${target}`),
    ]),
    ...[...verification.views, ...verification.queries]
      .filter(({ equal }) => equal !== true)
      .map(({ name }) => `query ${name}`),
    ...verification.foreignKeys
      .filter(({ orphans, declared }) => orphans !== declared)
      .map(({ table, name }) => `foreign key ${name} of ${table}`),
  ]
  if (failed.length > 0) {
    throw new SenseiError(
      'INTERNAL',
      `the verdict "${verification.verdict}" contradicts its findings: ${failed.slice(0, 5).join(', ')}`,
    )
  }
}

function certifiedTables({ plan, verification }: CertificateDraft): CertifiedTable[] {
  const mappings = new Map(plan.tables.map((mapping) => [mapping.target, mapping]))
  return verification.tables
    .map((table): CertifiedTable => {
      const mapping = mappings.get(table.target)
      if (mapping === undefined || table.rootSource !== table.rootTarget) {
        throw new SenseiError('INTERNAL', `table "${table.target}" is not fit for a certificate`)
      }
      return {
        source: table.source,
        target: table.target,
        key: table.key === null ? null : [...table.key],
        rows_source: count(table.rowsSource),
        rows_target: count(table.rowsTarget),
        rows_rejected: count(table.rowsRejected),
        buckets: count(2 ** table.bucketBits),
        root: table.rootTarget,
        columns_digest: columnsDigest(mapping),
      }
    })
    .sort(byTargetName)
}

function certifiedSnapshot(snapshot: Snapshot): Predicate['snapshot'] {
  return {
    kind: snapshot.kind,
    name: snapshot.name,
    sha256: snapshot.sha256,
    taken_at: new Date(snapshot.takenAt).toISOString(),
    notes: [...snapshot.notes],
  }
}

function exceptions({
  plan,
  rejects,
  acceptedBy,
}: CertificateDraft): Pick<Predicate, 'rejects' | 'losses'> {
  return {
    rejects: rejects
      .filter((reject) => reject.count > 0)
      .map((reject) => ({
        table: reject.table,
        count: count(reject.count),
        digest: reject.digest,
      })),
    losses: plan.losses.map((loss) => ({
      rule: loss.rule,
      table: loss.table,
      column: loss.column,
      rows: count(loss.rows),
      accepted_by: acceptedBy(lossName(loss)),
    })),
  }
}

function objects(
  plan: Plan,
): Pick<Predicate, 'computed_columns' | 'converted_objects' | 'skipped_objects'> {
  return {
    computed_columns: plan.tables.flatMap((table) =>
      table.columns
        .filter((column) => column.expression !== undefined)
        .map((column) => ({
          table: table.target,
          column: column.target,
          expression: column.expression ?? '',
        })),
    ),
    converted_objects: plan.converted.map(({ kind, name, note }) => ({ kind, name, note })),
    skipped_objects: plan.skipped.map(({ kind, name, table, reason }) => ({
      kind,
      name,
      table,
      reason,
    })),
  }
}

function checks(
  verification: Verification,
): Pick<Predicate, 'not_checked' | 'aggregates' | 'foreign_keys' | 'queries' | 'mutation'> {
  return {
    not_checked: verification.notChecked.map(({ what, reason }) => ({ what, reason })),
    aggregates: verification.tables.flatMap(comparedAggregates),
    foreign_keys: verification.foreignKeys.map(({ table, name, orphans }) => ({
      table,
      name,
      orphans: count(orphans),
    })),
    queries: [
      ...verification.views.map((view) => replayed('view', view)),
      ...verification.queries.map((query) => replayed('query', query)),
    ],
    mutation: mutation(verification),
  }
}

/** Names only: sums, minima and maxima are data, and a certificate is made to be shown around. */
function comparedAggregates(table: Verification['tables'][number]): Predicate['aggregates'] {
  const byColumn = new Map<string | null, string[]>()
  for (const { column, name } of table.aggregates) {
    byColumn.set(column, [...(byColumn.get(column) ?? []), name])
  }
  return Array.from(byColumn, ([column, compared]) => ({ table: table.target, column, compared }))
}

function replayed(kind: 'view' | 'query', query: QueryVerification): Predicate['queries'][number] {
  return { kind, name: query.name, rows: count(query.rowsTarget), ordered: query.ordered }
}

function mutation({ mutation: score }: Verification): Predicate['mutation'] {
  if (score.status === 'not run')
    return { status: 'not run', reason: score.reason ?? 'no reason given' }
  return {
    status: 'run',
    mutants: count(score.mutants),
    caught: count(score.caught),
    score: mutationScore(BigInt(score.caught), BigInt(score.mutants)),
    per_operator: Object.entries(score.operators)
      .map(([operator, { mutants, caught }]) => ({
        operator,
        mutants: count(mutants),
        caught: count(caught),
      }))
      .sort((left, right) => (left.operator < right.operator ? -1 : 1)),
  }
}

function count(value: number): string {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new SenseiError('INTERNAL', `${value} is not a count`)
  }
  return String(value)
}
