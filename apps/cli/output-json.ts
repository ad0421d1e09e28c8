/** The one object that `--output json` prints (docs/cli.md). Counts are numbers, digests hex. */
import type { SenseiError } from '@sensei/core/errors'
import { lossName } from '@sensei/core/losses'
import type { Plan } from '@sensei/core/plan'
import type { SetAside } from '@sensei/core/ports/target'
import { problemsOf } from '@sensei/core/problems'
import type { Verdict, Verification } from '@sensei/core/verdict'
import type { Outcome, RefusedView, TableOutcome } from '@sensei/engine/request'

export const OUTPUT_VERSION = 1

interface Told {
  readonly migration_id: string | null
  readonly status: string
  readonly verdict: Verdict | null
  readonly tables: readonly object[]
  readonly plan: Plan | null
  readonly viewsRefused?: readonly RefusedView[]
  readonly setAside?: readonly SetAside[]
  readonly verification: Verification | null
  readonly certificate: string | null
  readonly seconds: number
  readonly error: { readonly code: string; readonly message: string } | null
}

/** The fields that every command's object has, in their order. */
export function outputJson(told: Told): object {
  const { plan, verification } = told
  return {
    schema_version: OUTPUT_VERSION,
    migration_id: told.migration_id,
    status: told.status,
    verdict: told.verdict,
    tables: told.tables,
    declared_losses: (plan?.losses ?? []).map((loss) => ({ loss: lossName(loss), ...loss })),
    skipped_objects: [
      ...(plan?.skipped ?? []).map(({ kind, name, table, reason }) => ({
        kind,
        name,
        table,
        reason,
      })),
      ...(told.viewsRefused ?? []).map((view) => ({ kind: 'view', table: null, ...view })),
    ],
    set_aside: told.setAside ?? [],
    not_checked: verification?.notChecked ?? [],
    differences: verification === null ? [] : differencesOf(verification),
    problems: verification === null ? [] : problemsOf(verification),
    certificate: told.certificate,
    seconds: Math.round(told.seconds * 1_000) / 1_000,
    error: told.error,
  }
}

export function outcomeJson(outcome: Outcome, certificate: string | null, seconds: number): object {
  const { migrationId, state, tables, verdict, plan, verification, error } = outcome
  return outputJson({
    migration_id: migrationId,
    status: state,
    verdict,
    tables: tables.map(tableJson),
    plan,
    viewsRefused: outcome.viewsRefused,
    setAside: outcome.setAside,
    verification,
    certificate,
    seconds,
    error,
  })
}

export function errorJson({ code, message }: SenseiError): object {
  return outputJson({
    migration_id: null,
    status: 'failed',
    verdict: null,
    tables: [],
    plan: null,
    verification: null,
    certificate: null,
    seconds: 0,
    error: { code, message },
  })
}

export function tableJson(table: TableOutcome): object {
  const { source, target, rowsSource, rowsTarget, rowsRejected, digest, failure } = table
  return {
    source,
    target,
    rows_source: rowsSource,
    rows_target: rowsTarget,
    rows_rejected: rowsRejected,
    digest,
    ...(failure === null ? {} : { error: { code: failure.code, message: failure.message } }),
  }
}

/** One entry for each cell that differs; a missing or extra row is one entry without a column, with its cells in `row`. */
function differencesOf(verification: Verification): object[] {
  return verification.tables.flatMap(({ target: table, differences }) =>
    differences.details.flatMap(({ key, kind, times, columns }): object[] => {
      const found = { table, key, kind, times }
      if (kind === 'changed') return columns.map((cell) => ({ ...found, ...cell }))
      const cells = columns.map(({ column, source, target }) => [
        column,
        kind === 'missing' ? source : target,
      ])
      return [
        {
          ...found,
          column: null,
          source: null,
          target: null,
          row: Object.fromEntries(cells) as object,
        },
      ]
    }),
  )
}
