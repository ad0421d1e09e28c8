/** One table: buckets against buckets, then rows against rows where they differ, with the rejects taken into account. */
import { createHash } from 'node:crypto'
import { rowShape } from '@sensei/core/canonical/buckets'
import { parseRow, showCell } from '@sensei/core/canonical/cells'
import { comparedColumns, type TableMapping } from '@sensei/core/plan'
import type { SourceWitness, Witness } from '@sensei/core/ports/witness'
import type { Reject } from '@sensei/core/receipt'
import type { DifferenceReport, RowDifference, TableVerification } from '@sensei/core/verdict'
import { compareAggregates } from './aggregates.ts'
import type { Condensed } from './buckets.ts'
import { type DifferingRow, differences } from './differing.ts'
import { digestOf } from './held-rows.ts'
import { ExpectedRejects } from './rejects.ts'
import { differencesWithUnfit, StrictFindings } from './unfit.ts'

export interface TablePair {
  readonly table: TableMapping
  readonly source: Condensed & { readonly witness: SourceWitness }
  readonly target: Condensed & { readonly witness: Witness }
  readonly rejects: readonly Reject[]
  readonly differencesMax: number
}

export async function compareTable(pair: TablePair): Promise<TableVerification> {
  const { table, source, target } = pair
  const rowsSource = source.buckets.rows + source.buckets.rejected
  const differing = await reportDifferences(pair)
  return {
    source: table.source,
    target: table.target,
    key: rowShape(table).keyColumns === 0 ? null : table.key,
    rowsSource,
    rowsTarget: target.buckets.rows,
    rowsRejected: pair.rejects.length,
    bucketBits: source.buckets.bits,
    // By now without the rows that rejects explain.
    rootSource: source.buckets.root(),
    rootTarget: target.buckets.root(),
    aggregates: compareAggregates(pair, rowsSource),
    differences: differing,
  }
}

class Report {
  readonly #detailsMax: number
  readonly #details: RowDifference[] = []
  readonly #count = { missing: 0, extra: 0, changed: 0 }

  constructor({ differencesMax }: TablePair) {
    this.#detailsMax = differencesMax
  }

  add(difference: RowDifference): void {
    if (difference.times <= 0) return
    this.#count[difference.kind] += difference.times
    if (this.#details.length < this.#detailsMax) this.#details.push(difference)
  }

  get found(): DifferenceReport {
    const { missing, extra, changed } = this.#count
    return {
      details: this.#details,
      rowsMissing: missing,
      rowsExtra: extra,
      rowsChanged: changed,
    }
  }
}

/** Exact counts, and the first rows in detail. Takes each explained reject out of the source's buckets. */
async function reportDifferences(pair: TablePair): Promise<DifferenceReport> {
  const { table, source, rejects } = pair
  const report = new Report(pair)
  const strict = new StrictFindings()
  const expected = new ExpectedRejects({
    table,
    witness: source.witness,
    rejects,
    leftOut: source.buckets.rejected,
  })
  // Subtracted after the comparison, which goes by the buckets as they were scanned.
  const explained: { bucket: number; digest: Buffer; times: number }[] = []
  for await (const row of differences(pair)) {
    const times = expected.explain(row)
    if (times > 0 && row.source !== null)
      explained.push({ bucket: row.source.bucket, digest: digestOf(row.source), times })
    strict.add(row)
    report.add(describeRow(table, { ...row, times: row.times - times }))
  }
  for (const { bucket, digest, times } of explained) {
    for (let time = 0; time < times; time += 1) source.buckets.subtract(bucket, digest)
  }
  for (const key of expected.unexplained())
    report.add({
      kind: 'missing',
      key: `${key}: there is a reject, but no such row in the source`,
      columns: [],
      times: 1,
    })
  if (expected.silent > 0 && rejects.length === 0 && rowShape(table).keyColumns > 0) {
    return reportUnfit(pair, strict, expected.silent)
  }
  report.add(leftOut(expected.silent))
  return report.found
}

/** Nobody rejected the rows that the source's scan left out, so they are looked for in the target by their key. */
async function reportUnfit(
  pair: TablePair,
  strict: StrictFindings,
  silent: number,
): Promise<DifferenceReport> {
  const report = new Report(pair)
  const { hidden, told } = await differencesWithUnfit(pair, strict, (row, unfit) => {
    const described = describeRow(pair.table, row)
    const columns = described.columns.map((cell) => ({ ...cell, source: cell.source ?? UNFIT }))
    report.add(unfit ? { ...described, columns } : described)
  })
  report.add({
    kind: 'changed',
    key: 'rows with a value that the planned type cannot represent and that is NULL in the target',
    columns: [],
    times: hidden,
  })
  report.add(leftOut(silent - told))
  return report.found
}

const UNFIT = '(a value that the planned type cannot represent, or NULL)'

function leftOut(times: number): RowDifference {
  const key = 'rows that the plan cannot represent, without a reject'
  return { kind: 'missing', key, columns: [], times }
}

function describeRow(
  table: TableMapping,
  { kind, key, source, target, times }: DifferingRow,
): RowDifference {
  const keyless = rowShape(table).keyColumns === 0
  const shownKey = keyless
    ? `row ${createHash('sha256').update(key).digest('hex').slice(0, 16)}`
    : parseRow(key)
        .map((cell) => showCell(cell) ?? 'NULL')
        .join(', ')
  const columns = describeColumns(table, source?.bytes ?? null, target?.bytes ?? null)
  return { kind, key: shownKey, columns, times }
}

/** The cells that differ; of a row that only one side has all of them. */

function describeColumns(
  table: TableMapping,
  source: Buffer | null,
  target: Buffer | null,
): RowDifference['columns'] {
  const left = source === null ? [] : parseRow(source)
  const right = target === null ? [] : parseRow(target)
  return comparedColumns(table).flatMap(({ target: column }, place) => {
    const [one, other] = [left[place], right[place]]
    const same =
      one != null &&
      other != null &&
      one.tag === other.tag &&
      Buffer.compare(one.payload, other.payload) === 0
    if (same || (one === null && other === null)) return []
    return [{ column, source: showCell(one), target: showCell(other) }]
  })
}
