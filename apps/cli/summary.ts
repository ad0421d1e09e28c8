/**
 * The end of a migration on one screen of 80 x 24: verdict, rows, losses, what was not checked, the certificate, the
 * next command. What does not fit is counted and named by the command that shows it.
 */
import { displayName } from '@sensei/core/display'
import { lossName } from '@sensei/core/losses'
import type { Verdict } from '@sensei/core/verdict'
import type { Outcome, TableOutcome } from '@sensei/engine/request'
import { fit, grouped } from './progress/bars.ts'

const WIDTH = 79
const LINES_MAX = 23
const LISTED_MAX = 5

const VERDICT_WORDS: Record<Verdict, string> = {
  equivalent: 'EQUIVALENT: every row of every table arrived as planned',
  equivalent_except_declared: 'EQUIVALENT, except for what was declared and accepted',
  different: 'DIFFERENT: source and target do not agree',
  inconclusive: 'INCONCLUSIVE: something could not be compared',
  not_validated: 'NOT VALIDATED: the rows were carried, not compared',
}

export interface SummaryFacts {
  readonly outcome: Outcome
  /** Where the certificate or the report was written. */
  readonly file: string | null
  /** Null for a migration that ran before. */
  readonly seconds: number | null
  readonly next: string
}

export function summary(facts: SummaryFacts): string {
  const { outcome } = facts
  const lines = [
    headline(outcome),
    '',
    `Migration   ${outcome.migrationId}`,
    `Rows        ${rowsLine(outcome.tables, facts.seconds)}`,
    ...listed('Failed', failureLines(outcome)),
    ...listed('Differs', differenceLines(outcome)),
    ...listed('Losses', lossLines(outcome)),
    ...listed('Not carried', skippedLines(outcome)),
    ...listed('Not checked', uncheckedLines(outcome)),
    `${certificateWord(outcome)} ${facts.file ?? 'none'}`,
    `Next        ${facts.next}`,
  ]
  return lines.slice(0, LINES_MAX).map(cut).join('\n')
}

function headline(outcome: Outcome): string {
  if (outcome.verdict !== null) return VERDICT_WORDS[outcome.verdict]
  return `${outcome.state.toUpperCase()}${outcome.error === null ? '' : `: ${outcome.error.code}`}`
}

function rowsLine(tables: readonly TableOutcome[], seconds: number | null): string {
  const sum = (pick: (table: TableOutcome) => number): number =>
    tables.reduce((total, table) => total + pick(table), 0)
  const rejected = sum((table) => table.rowsRejected)
  const parts = [
    `${grouped(sum((table) => table.rowsTarget))} of ${grouped(sum((table) => table.rowsSource))}`,
    `${tables.length} tables`,
    ...(rejected > 0 ? [`${grouped(rejected)} rejected`] : []),
    ...(seconds === null ? [] : [`${seconds.toFixed(1)} s`]),
  ]
  return parts.join(' · ')
}

function failureLines(outcome: Outcome): string[] {
  return outcome.tables.flatMap(({ failure }) =>
    failure === null ? [] : [`${displayName(failure.table)}: ${failure.message.split('\n')[0]}`],
  )
}

function differenceLines(outcome: Outcome): string[] {
  return (outcome.verification?.tables ?? []).flatMap((table) => {
    const { rowsMissing, rowsExtra, rowsChanged } = table.differences
    if (rowsMissing + rowsExtra + rowsChanged === 0) return []
    return [
      `${displayName(table.target)}: ${grouped(rowsChanged)} changed, ${grouped(rowsMissing)} missing, ${grouped(rowsExtra)} extra`,
    ]
  })
}

function lossLines(outcome: Outcome): string[] {
  return (outcome.plan?.losses ?? []).map(
    (loss) => `${displayName(lossName(loss))} (${grouped(loss.rows)} rows)`,
  )
}

/** By kind, so that a database with many triggers still fits. */
function skippedLines(outcome: Outcome): string[] {
  const kinds = new Map<string, string[]>()
  for (const { kind, name } of outcome.plan?.skipped ?? []) {
    kinds.set(kind, [...(kinds.get(kind) ?? []), displayName(name)])
  }
  return [...kinds].map(([kind, names]) => `${names.length} ${kind}: ${names.join(', ')}`)
}

function uncheckedLines(outcome: Outcome): string[] {
  return (outcome.verification?.notChecked ?? []).map(
    ({ what, reason }) => `${displayName(what)}: ${reason}`,
  )
}

function certificateWord(outcome: Outcome): string {
  return outcome.certificate === null ? 'Report     ' : 'Certificate'
}

function listed(title: string, lines: readonly string[]): string[] {
  const shown = lines.slice(0, lines.length > LISTED_MAX ? LISTED_MAX - 1 : LISTED_MAX)
  const hidden = lines.length - shown.length
  const all = hidden > 0 ? [...shown, `… and ${hidden} more (sensei migrations get)`] : shown
  return all.map((line, at) => `${fit(at === 0 ? title : '', 11)} ${line}`)
}

function cut(line: string): string {
  return line.length > WIDTH ? `${line.slice(0, WIDTH - 1)}…` : line
}
