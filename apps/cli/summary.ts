/**
 * The end of a migration on one screen of 80 x 24: verdict, rows, losses, what was not checked, the certificate, the
 * next command. What does not fit is counted and named by the command that shows it; only paths and commands are
 * never cut.
 */
import { displayName } from '@sensei/core/display'
import { lossName } from '@sensei/core/losses'
import { differencesOf, type Problem, undecidedOf } from '@sensei/core/problems'
import type { RowDifference, TableVerification, Verdict } from '@sensei/core/verdict'
import type { Outcome, TableOutcome } from '@sensei/engine/request'
import { grouped } from './progress/bars.ts'
import { cut, fit, widthOf } from './width.ts'

const COLUMNS = 79
/** One line of the 24 is the prompt that follows. */
const LINES_MAX = 23
const LISTED_MAX = 5
const TITLE_COLUMNS = 12

const VERDICT_WORDS: Record<Verdict, string> = {
  equivalent: 'EQUIVALENT: every row of every table arrived as planned',
  equivalent_except_declared: 'EQUIVALENT, except for what was declared and accepted',
  different: 'DIFFERENT: source and target do not agree',
  inconclusive: 'INCONCLUSIVE: something could not be compared',
  not_validated: 'NOT VALIDATED: the rows were carried, not compared',
}

const GREEN = 32
const YELLOW = 33
const RED = 31

const VERDICT_COLORS: Record<Verdict, number> = {
  equivalent: GREEN,
  equivalent_except_declared: GREEN,
  different: RED,
  inconclusive: YELLOW,
  not_validated: YELLOW,
}

export interface SummaryFacts {
  readonly outcome: Outcome
  /** What it is about, where that is no migration. */
  readonly subject?: readonly [title: string, text: string]
  /** Where the certificate or the report was written. */
  readonly file: string | null
  /** Null for a migration that ran before. */
  readonly seconds: number | null
  readonly next: string
  readonly color: boolean
}

interface Section {
  readonly title: string
  readonly lines: readonly string[]
}

export function summary(facts: SummaryFacts): string {
  const { outcome } = facts
  const head = [
    headline(facts),
    '',
    cut(titled(...(facts.subject ?? (['Migration', outcome.migrationId] as const))), COLUMNS),
    titled('Rows', rowsLine(outcome.tables, facts.seconds)),
  ]
  const tail = [
    titled(outcome.certificate === null ? 'Report' : 'Certificate', facts.file ?? 'none'),
    titled('Next', facts.next),
  ]
  const room = LINES_MAX - head.length - tail.reduce((rows, line) => rows + screenRows(line), 0)
  const sections = squeezed(sectionsOf(outcome), room, restOf(facts))
  return [...head, ...sections, ...tail].join('\n')
}

/** Where everything is listed. A pair that was only compared has no migration to ask for. */
function restOf({ subject, outcome, file }: SummaryFacts): string {
  if (subject === undefined)
    return `sensei migrations get ${outcome.migrationId.slice(0, 8)} --output json`
  if (file === null) return 'add --output json'
  return outcome.certificate === null ? 'in the report' : 'in the page beside the certificate (.md)'
}

function headline({ outcome, color, subject }: SummaryFacts): string {
  const { verdict, state, error } = outcome
  const words =
    verdict === null
      ? `${state.toUpperCase().replace('_', ' ')}${error === null ? '' : `: ${error.code}`}`
      : verdict === 'equivalent_except_declared' && subject !== undefined
        ? 'EQUIVALENT, except for what was declared'
        : VERDICT_WORDS[verdict]
  const shown = cut(words, COLUMNS)
  const paint = verdict === null ? (error === null ? YELLOW : RED) : VERDICT_COLORS[verdict]
  return color ? `\u001b[1;${paint}m${shown}\u001b[0m` : shown
}

function rowsLine(tables: readonly TableOutcome[], seconds: number | null): string {
  const sum = (pick: (table: TableOutcome) => number): number =>
    tables.reduce((total, table) => total + pick(table), 0)
  const rejected = sum((table) => table.rowsRejected)
  const parts = [
    `${grouped(sum((table) => table.rowsTarget))} of ${grouped(sum((table) => table.rowsSource))}`,
    counted(tables.length, 'table'),
    ...(rejected > 0 ? [`${grouped(rejected)} rejected`] : []),
    ...(seconds === null ? [] : [`${seconds.toFixed(1)} s`]),
  ]
  return parts.join(' · ')
}

function sectionsOf(outcome: Outcome): Section[] {
  const compared = outcome.verification !== null
  const differingRows = differenceLines(outcome)
  const undecided = undecidedLines(outcome)
  const none = (lines: string[], word: string): string[] => (lines.length > 0 ? lines : [word])
  return [
    { title: outcome.state === 'failed' ? 'Failed' : 'Stopped', lines: failureLines(outcome) },
    { title: 'Differs', lines: differingRows },
    { title: differingRows.length > 0 ? '' : 'Differs', lines: otherDifferences(outcome) },
    { title: 'Undecided', lines: undecided },
    { title: 'Losses', lines: none(lossLines(outcome), 'none') },
    { title: 'Not carried', lines: skippedLines(outcome) },
    {
      title: 'Not checked',
      lines: compared
        ? none(
            uncheckedLines(outcome),
            undecided.length + (outcome.plan?.skipped.length ?? 0) > 0 ? 'nothing else' : 'nothing',
          )
        : ['anything: no rows were compared'],
    },
  ].filter((section) => section.lines.length > 0)
}

function failureLines({ tables, error }: Outcome): string[] {
  const lines = tables.flatMap(({ failure }) =>
    failure === null
      ? []
      : [`${displayName(failure.table)}: ${displayName(failure.message.split('\n')[0] ?? '')}`],
  )
  return lines.length > 0 || error === null ? lines : error.message.split('\n').map(displayName)
}

/** Counts by table, then rows and columns by name. */
function differenceLines({ verification }: Outcome): string[] {
  const differing = verification?.tables.filter(hasDifferentRows) ?? []
  return [
    ...differing.map(({ target, differences: { rowsChanged, rowsMissing, rowsExtra } }) => {
      const counts = `${grouped(rowsChanged)} changed, ${grouped(rowsMissing)} missing, ${grouped(rowsExtra)} extra`
      return `${displayName(target)}: ${counts}`
    }),
    ...differing.flatMap(({ target, differences }) =>
      differences.details.flatMap((row) => rowLines(displayName(target), row)),
    ),
  ]
}

/** A section of its own, so that many rows do not hide it. That aggregates of such rows differ goes without saying. */
function otherDifferences({ verification }: Outcome): string[] {
  if (verification === null) return []
  const tables = verification.tables.filter((table) => !hasDifferentRows(table))
  return differencesOf({ ...verification, tables }).map(problemLine)
}

function hasDifferentRows({ differences }: TableVerification): boolean {
  return differences.rowsMissing + differences.rowsExtra + differences.rowsChanged > 0
}

function undecidedLines({ verification }: Outcome): string[] {
  return verification === null ? [] : undecidedOf(verification).map(problemLine)
}

function problemLine({ kind, object, problem }: Problem): string {
  return displayName(`${kind === 'undecided' ? '' : `${kind} `}${object}: ${problem}`)
}

function rowLines(table: string, row: RowDifference): string[] {
  const where = `${table} ${displayName(row.key)}`
  if (row.kind === 'changed') {
    return row.columns.map(
      ({ column, source, target }) =>
        `${where}, ${displayName(column)}: ${value(source)} became ${value(target)}`,
    )
  }
  const cells = row.columns.map(
    (cell) =>
      `${displayName(cell.column)} ${value(row.kind === 'missing' ? cell.source : cell.target)}`,
  )
  return [
    `${where}: ${row.kind}${row.times > 1 ? ` × ${grouped(row.times)}` : ''}${cells.length > 0 ? ` (${cells.join(', ')})` : ''}`,
  ]
}

function value(text: string | null): string {
  return text === null ? 'NULL' : `"${cut(displayName(text), 24)}"`
}

function lossLines(outcome: Outcome): string[] {
  return (outcome.plan?.losses ?? []).map(
    (loss) => `${displayName(lossName(loss))} (${counted(loss.rows, 'row')})`,
  )
}

/** By kind, so that a database with many triggers still fits. */
function skippedLines(outcome: Outcome): string[] {
  const kinds = new Map<string, string[]>()
  for (const { kind, name } of outcome.plan?.skipped ?? []) {
    kinds.set(kind, [...(kinds.get(kind) ?? []), displayName(name)])
  }
  if (outcome.viewsRefused.length > 0) {
    kinds.set(
      'refused view',
      outcome.viewsRefused.map(({ name }) => displayName(name)),
    )
  }
  return [...kinds].map(([kind, names]) => `${counted(names.length, kind)}: ${names.join(', ')}`)
}

/** What is not carried is told already, with its reason in the plan, and so is what was left undecided. */
function uncheckedLines({ plan, verification }: Outcome): string[] {
  if (verification === null) return []
  const told = new Set([
    ...(plan?.skipped ?? []).flatMap(({ kind, name, table }) => [
      `${kind} ${name}`,
      `${kind} ${table}.${name}`,
    ]),
    ...undecidedOf(verification).flatMap(({ kind, object }) => [object, `${kind} ${object}`]),
  ])
  const { notChecked, mutation } = verification
  const lines = notChecked
    .filter(({ what }) => !told.has(what))
    .map(({ what, reason }) => `${displayName(what)}: ${displayName(reason)}`)
  return mutation.status === 'run'
    ? lines
    : [...lines, `self-test: ${displayName(mutation.reason ?? 'not run')}`]
}

/** As many lines of each section as fit together, at least one: the longest gives way first. */
function squeezed(sections: readonly Section[], room: number, rest: string): string[] {
  for (let most = LISTED_MAX; most > 1; most -= 1) {
    const lines = sections.flatMap((section) => listed(section, most, rest))
    if (lines.length <= room) return lines
  }
  return sections.flatMap((section) => listed(section, 1, rest)).slice(0, Math.max(0, room))
}

function listed({ title, lines }: Section, most: number, rest: string): string[] {
  const all =
    lines.length > most
      ? [...lines.slice(0, most - 1), hidden(lines.length - most + 1, rest)]
      : lines
  return all.map((line, at) => cut(titled(at === 0 ? title : '', line), COLUMNS))
}

function hidden(count: number, rest: string): string {
  return `… ${grouped(count)} more: ${rest}`
}

function titled(title: string, text: string): string {
  return `${fit(title, TITLE_COLUMNS)}${text}`
}

/** Lines that a terminal of 80 columns makes of one. */
function screenRows(line: string): number {
  return Math.max(1, Math.ceil(widthOf(line) / 80))
}

function counted(count: number, thing: string): string {
  return `${grouped(count)} ${thing}${count === 1 ? '' : 's'}`
}
