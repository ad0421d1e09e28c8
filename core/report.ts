/**
 * The report of a migration for people: what was found, where, and what to do. It is what a migration that ends
 * without a certificate leaves behind, so it must name everything that stood in the way of one.
 */
import type { Plan } from './plan.ts'
import { lossName } from './losses.ts'
import { grouped, page, plain, section, table } from './markdown.ts'
import type { SetAside } from './ports/target.ts'
import type { Snapshot } from './snapshot.ts'
import type {
  QueryVerification,
  RowDifference,
  TableVerification,
  Verdict,
  Verification,
} from './verdict.ts'

/** What the report reads of a migration's outcome. */
export interface Reported {
  readonly migrationId: string
  readonly state: string
  readonly verdict: Verdict | null
  readonly plan: Plan | null
  readonly planHash: string | null
  readonly snapshot: Snapshot | null
  readonly tables: readonly ReportedTable[]
  readonly viewsRefused?: readonly { readonly name: string; readonly reason: string }[]
  readonly setAside?: readonly SetAside[]
  readonly verification: Verification | null
  readonly error: { readonly code: string; readonly message: string } | null
}

export interface ReportedTable {
  readonly source: string
  readonly target: string
  readonly rowsSource: number
  readonly rowsTarget: number
  readonly rowsRejected: number
  readonly failure: { readonly code: string; readonly message: string } | null
}

const HEADLINES: Record<Verdict, string> = {
  equivalent: 'Equivalent: every row arrived as planned',
  equivalent_except_declared: 'Equivalent, except for what was declared and accepted',
  different: 'Different: source and target do not agree',
  inconclusive: 'Inconclusive: something could not be compared',
  not_validated: 'Not validated: the rows were carried, but never compared',
}

const ADVICE: Record<Verdict, string> = {
  equivalent: 'The certificate beside this report is the signed form of it.',
  equivalent_except_declared: 'The certificate beside this report is the signed form of it.',
  different:
    'Do not use the target yet. If nobody changed it after the load, please report this: a load that was not ' +
    'disturbed must not end so. If somebody did, stop the writer and load the tables named here again.',
  inconclusive:
    'Do not take this for a pass: remove the reasons named here, then compare again with `sensei verify`.',
  not_validated: 'Compare source and target with `sensei verify` before you rely on the target.',
}

export function renderReport(outcome: Reported): string {
  return page(
    outcome.verdict === null ? `Not finished: ${outcome.state}` : HEADLINES[outcome.verdict],
    outcome.verdict === null ? '' : ADVICE[outcome.verdict],
    facts(outcome),
    outcome.verification === null ? '' : problems(outcome.verification),
    setAside(outcome),
    tables(outcome.tables),
    exceptions(outcome.plan),
    refusedViews(outcome),
    unchecked(outcome.verification),
    section('Next', next(outcome)),
  )
}

function facts({ migrationId, error, plan, planHash, snapshot }: Reported): string {
  const rows = [
    ['Migration', plain(migrationId)],
    ...(error === null ? [] : [['Error', `${error.code}: ${plain(error.message)}`]]),
    ...(plan === null ? [] : [['Source', plain(plan.source.url)]]),
    ...(plan === null ? [] : [['Target schema', plain(plan.target.schema)]]),
    ...(planHash === null ? [] : [['Plan', planHash]]),
    ...(snapshot === null ? [] : [['Snapshot', snapshotText(snapshot)]]),
  ]
  return table(['', ''], rows)
}

function next({ migrationId, verdict, tables: all }: Reported): string {
  const lines = [
    ...(verdict === null
      ? [`Go on where it stopped: \`sensei migrate --resume ${migrationId}\``]
      : []),
    ...(all.some(({ rowsRejected }) => rowsRejected > 0)
      ? [`See the rejected rows: \`sensei migrations rejects ${migrationId}\``]
      : []),
  ]
  return lines.map((line) => `- ${line}`).join('\n')
}

function snapshotText({ kind, name, takenAt, notes }: Snapshot): string {
  return [`${kind} ${plain(name)}, taken ${takenAt}`, ...notes.map(plain)].join('; ')
}

/** Everything that speaks against a pass, worst first. */
function problems(verification: Verification): string {
  return [
    ...verification.tables.map(differences),
    section('Structure', structure(verification)),
    section('Computed by each engine', aggregates(verification.tables)),
    section('Foreign keys', foreignKeys(verification)),
    section('Views and queries', queries([...verification.views, ...verification.queries])),
    section('Self-test of the comparison', mutation(verification)),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
}

function differences({ target, differences: found, rowsRejected }: TableVerification): string {
  const { rowsMissing, rowsExtra, rowsChanged, details } = found
  const total = rowsMissing + rowsExtra + rowsChanged
  if (total === 0) return ''
  const counts =
    `${grouped(rowsMissing)} missing in the target, ${grouped(rowsExtra)} only there, ` +
    `${grouped(rowsChanged)} changed${rowsRejected > 0 ? `; ${grouped(rowsRejected)} were rejected` : ''}.`
  const shown = details.reduce((rows, { times }) => rows + times, 0)
  const rest = total > shown ? `${grouped(total - shown)} more rows are counted, not listed.` : ''
  const rows = details.flatMap(differenceRows)
  return section(
    `Rows of ${plain(target)}`,
    counts,
    table(['row', 'what', 'column', 'source', 'target'], rows),
    rest,
  )
}

function differenceRows({ kind, key, columns, times }: RowDifference): string[][] {
  const what = times > 1 ? `${kind} × ${grouped(times)}` : kind
  if (columns.length === 0) return [[plain(key), what, '', '', '']]
  return columns.map(({ column, source, target }) => [
    plain(key),
    what,
    plain(column),
    kind === 'extra' ? '' : value(source),
    kind === 'missing' ? '' : value(target),
  ])
}

/** NULL is told from the text "NULL" by its italics, an empty text from nothing by its quotes. */
function value(text: string | null): string {
  if (text === null) return '*NULL*'
  return text === '' ? "''" : plain(text)
}

function structure({ structure: findings }: Verification): string {
  const rows = findings.map(({ kind, object, problem }) => [
    plain(kind),
    plain(object),
    plain(problem),
  ])
  return table(['kind', 'object', 'problem'], rows)
}

function aggregates(all: readonly TableVerification[]): string {
  const rows = all.flatMap(({ target, aggregates: list }) =>
    list
      .filter(({ equal }) => !equal)
      .map(({ column, name, source, target: other }) => [
        plain(target),
        column === null ? '' : plain(column),
        plain(name),
        value(source),
        value(other),
      ]),
  )
  return table(['table', 'column', 'what', 'source', 'target'], rows)
}

function foreignKeys({ foreignKeys: keys }: Verification): string {
  const rows = keys
    .filter(({ orphans, declared }) => orphans !== declared)
    .map(({ table: name, name: key, orphans, declared }) => [
      plain(name),
      plain(key),
      grouped(orphans),
      grouped(declared),
    ])
  return table(['table', 'foreign key', 'rows without a parent', 'of them declared'], rows)
}

function queries(all: readonly QueryVerification[]): string {
  const rows = all
    .filter(({ equal }) => equal !== true)
    .map(({ name, equal, rowsSource, rowsTarget, reason }) => [
      plain(name),
      equal === false ? 'different' : `not decided: ${plain(reason ?? 'no reason given')}`,
      grouped(rowsSource),
      grouped(rowsTarget),
    ])
  return table(['name', 'result', 'rows of the source', 'rows of the target'], rows)
}

function mutation({ mutation: { status, mutants, caught, operators } }: Verification): string {
  if (status === 'not run' || caught === mutants) return ''
  const missed = Object.entries(operators)
    .filter(([, operator]) => operator.caught < operator.mutants)
    .map(([operator, counts]) => [plain(operator), grouped(counts.mutants), grouped(counts.caught)])
  return [
    `Of ${grouped(mutants)} deliberate errors the comparison found only ${grouped(caught)}, so it cannot be relied on.`,
    table(['kind of error', 'made', 'found'], missed),
  ].join('\n\n')
}

function tables(all: readonly ReportedTable[]): string {
  const rows = all.map(({ source, target, rowsSource, rowsTarget, rowsRejected, failure }) => [
    source === target ? plain(target) : `${plain(source)} → ${plain(target)}`,
    grouped(rowsSource),
    grouped(rowsTarget),
    grouped(rowsRejected),
    failure === null ? '' : `${failure.code}: ${plain(failure.message)}`,
  ])
  return section(
    'Tables',
    table(['table', 'source rows', 'target rows', 'rejected', 'failure'], rows),
  )
}

function exceptions(plan: Plan | null): string {
  if (plan === null) return ''
  const losses = plan.losses.map((loss) => [plain(lossName(loss)), grouped(loss.rows)])
  const skipped = plan.skipped.map(({ kind, name, table: owner, reason }) => [
    plain(kind),
    owner === null ? plain(name) : `${plain(name)} of ${plain(owner)}`,
    plain(reason),
  ])
  const converted = plan.converted.map(({ kind, name, note }) => [
    plain(kind),
    plain(name),
    plain(note),
  ])
  return [
    section('Declared losses', table(['loss', 'rows'], losses)),
    section('Not carried', table(['kind', 'object', 'reason'], skipped)),
    section('Carried in another form', table(['kind', 'object', 'how'], converted)),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
}

function refusedViews({ viewsRefused = [] }: Reported): string {
  const rows = viewsRefused.map(({ name, reason }) => [plain(name), plain(reason)])
  return section('Views not created', table(['view', 'reason'], rows))
}

/** First what is wrong in the target now: until it is back, rows written by others pass without it. */
function setAside({ migrationId, setAside: all = [] }: Reported): string {
  if (all.length === 0) return ''
  const rows = all.map(({ kind, table: owner, name }) => [
    plain(kind),
    plain(name),
    plain(owner),
    kind === 'trigger' ? 'switched off' : 'dropped',
  ])
  return section(
    'Set aside in the target, and not back yet',
    `For the time of an \`--append\`; resuming or retrying brings them back at its end, and so does \`sensei migrations clean ${migrationId}\`, which gives the load up.`,
    table(['kind', 'name', 'table', 'now'], rows),
  )
}

function unchecked(verification: Verification | null): string {
  if (verification === null) return section('Not checked', 'Nothing was compared.')
  const { mutation: score, notChecked } = verification
  const rows = notChecked.map(({ what, reason }) => [plain(what), plain(reason)])
  const selfTest =
    score.status === 'run'
      ? []
      : [['the comparison itself, by deliberate errors', plain(score.reason ?? 'no reason given')]]
  return section('Not checked', table(['what', 'reason'], [...rows, ...selfTest]))
}
