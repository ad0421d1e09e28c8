/** The one object that `--output json` prints (docs/cli.md). Counts are numbers, digests hex. */
import type { SenseiError } from '@sensei/core/errors'
import { lossName } from '@sensei/core/losses'
import type { Outcome } from '@sensei/engine/request'

export const OUTPUT_VERSION = 1

export function outcomeJson(outcome: Outcome, certificate: string | null, seconds: number): object {
  const { plan, verification } = outcome
  return {
    schema_version: OUTPUT_VERSION,
    migration_id: outcome.migrationId,
    status: outcome.state,
    verdict: outcome.verdict,
    tables: outcome.tables.map((table) => ({
      source: table.source,
      target: table.target,
      rows_source: table.rowsSource,
      rows_target: table.rowsTarget,
      rows_rejected: table.rowsRejected,
      digest: table.digest,
      ...(table.failure === null ? {} : { error: { code: table.failure.code, message: table.failure.message } }),
    })),
    declared_losses: (plan?.losses ?? []).map((loss) => ({ loss: lossName(loss), ...loss })),
    skipped_objects: (plan?.skipped ?? []).map(({ kind, name, table, reason }) => ({ kind, name, table, reason })),
    not_checked: verification?.notChecked ?? [],
    differences: differencesOf(outcome),
    certificate,
    seconds,
    error: outcome.error,
  }
}

/** One entry for each cell that differs; a missing or extra row has no column. */
function differencesOf(outcome: Outcome): object[] {
  return (outcome.verification?.tables ?? []).flatMap((table) =>
    table.differences.details.flatMap((row): object[] =>
      row.columns.length === 0
        ? [{ table: table.target, key: row.key, column: null, kind: row.kind, times: row.times, source: null, target: null }]
        : row.columns.map((cell) => ({ table: table.target, key: row.key, kind: row.kind, ...cell })),
    ),
  )
}

export function errorJson(error: SenseiError): object {
  return {
    schema_version: OUTPUT_VERSION,
    migration_id: null,
    status: 'failed',
    verdict: null,
    tables: [],
    declared_losses: [],
    skipped_objects: [],
    not_checked: [],
    certificate: null,
    seconds: 0,
    error: { code: error.code, message: error.message },
  }
}
