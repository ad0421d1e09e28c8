import type { DataFile } from './data.ts'
import type { Fact } from './machine.ts'
import type { Result } from './speed.ts'

export interface Report {
  readonly command: string
  readonly date: string
  readonly facts: readonly Fact[]
  readonly settings: Readonly<Record<string, string>>
  readonly rounds: number
  readonly speed: readonly Result[]
  readonly memory: readonly Result[]
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const low = sorted[Math.ceil(middle) - 1] ?? Number.NaN
  const high = sorted[Math.floor(middle)] ?? Number.NaN
  return (low + high) / 2
}

export function medianSeconds(result: Result): number | undefined {
  return result.usages.length === 0
    ? undefined
    : median(result.usages.map((usage) => usage.seconds))
}

/** How many times as fast as pgloader, on the same data in the same run. */
export function ratioToPgloader(result: Result, all: readonly Result[]): number | undefined {
  const peer = all.find(
    ({ data, contender }) => data.dataset === result.data.dataset && contender.name === 'pgloader',
  )
  const own = medianSeconds(result)
  const other = peer === undefined ? undefined : medianSeconds(peer)
  return own === undefined || other === undefined ? undefined : other / own
}

export function speedTable(results: readonly Result[]): string[] {
  const head = [
    'data',
    'contender',
    'median s',
    'x pgloader',
    'rounds s',
    'client CPU s',
    'largest process MB',
  ]
  const rows = results.map((result) => {
    const { data, contender, usages, failure } = result
    const seconds = medianSeconds(result)
    if (failure !== undefined || seconds === undefined) {
      return [data.dataset.name, contender.title, 'failed', '', short(failure ?? 'not run'), '', '']
    }
    const inServer = contender.name === 'copy'
    return [
      data.dataset.name,
      contender.title,
      seconds.toFixed(2),
      ratioToPgloader(result, results)?.toFixed(2) ?? '',
      usages.map((usage) => usage.seconds.toFixed(2)).join(' '),
      inServer ? '' : median(usages.map((usage) => usage.cpuSeconds)).toFixed(1),
      inServer ? '' : megabytes(Math.max(...usages.map((usage) => usage.peakRssKb))),
    ]
  })
  return table(head, rows)
}

export function memoryTable(results: readonly Result[]): string[] {
  const head = [
    'data',
    'contender',
    'sum of PSS MB',
    'largest RSS MB',
    'sum of RSS MB',
    'processes',
    's',
  ]
  const rows = results.map(({ data, contender, usages, failure }) => {
    const usage = usages[0]
    if (usage?.memory === undefined) {
      return [data.dataset.name, contender.title, 'failed', '', short(failure ?? 'not run'), '', '']
    }
    const { memory } = usage
    return [
      data.dataset.name,
      contender.title,
      megabytes(memory.sumPssKb),
      // The kernel's own mark sees peaks that fall between two samples.
      megabytes(Math.max(memory.singleRssKb, usage.peakRssKb)),
      megabytes(memory.sumRssKb),
      String(memory.processes),
      usage.seconds.toFixed(1),
    ]
  })
  return table(head, rows)
}

export function markdown(report: Report): string {
  const all = [...report.speed, ...report.memory].map(({ data }) => [data.path, data] as const)
  const files = [...new Map(all).values()]
  return [
    '# Results of the bench',
    '',
    `Written by \`${report.command}\` on ${report.date}. Only the ratios mean something elsewhere: the same run gives`,
    'every contender the same server, the same file and the same minutes of the same machine, in turn.',
    '',
    ...table(
      ['', ''],
      report.facts.map(({ name, value }) => [name, value]),
    ),
    '',
    ...table(['data', 'rows', 'SQLite file MB'], files.map(fileLine)),
    '',
    ...section('Speed', report.speed, speedNotes(report.rounds), speedTable),
    ...section('Memory', report.memory, MEMORY_NOTES, memoryTable),
    '## Tables',
    '',
    'As PostgreSQL holds them in the end, and as the limit makes them; `id` becomes the primary key.',
    '',
    '```sql',
    ...files.map(({ dataset }) => `${dataset.createTarget.replaceAll(/\n {2}/g, '\n')};`),
    '```',
    '',
    '## Server',
    '',
    Object.entries(report.settings)
      .map(([name, value]) => `\`${name} = ${value}\``)
      .join(' · '),
    '',
  ].join('\n')
}

function section(
  title: string,
  results: readonly Result[],
  notes: string,
  write: (results: readonly Result[]) => string[],
): string[] {
  return results.length === 0 ? [] : [`## ${title}`, '', notes, '', ...write(results), '']
}

function speedNotes(rounds: number): string {
  return (
    `Wall time of the whole process, median of ${rounds}, rounds interleaved. All end with the same table of the same ` +
    'types and its primary key, logged and durable; the rows are counted after each run. Sensei includes its private ' +
    'copy of the source, its ledger and the start and stop of its embedded control plane (not the first initialisation). ' +
    'The limit has no client: its time is that of the statements. CPU is that of the client and its children, without ' +
    'the target server.'
  )
}

const MEMORY_NOTES =
  'One run each, everything verified for Sensei, sampled from /proc every 150 ms over the whole process tree without ' +
  'database servers. PSS divides a page among the processes that share it, so its sum is what the tree holds; RSS ' +
  'counts it in each.'

function fileLine({ dataset, rows, bytes }: DataFile): string[] {
  return [dataset.name, rows.toLocaleString('en'), (bytes / 1e6).toFixed(1)]
}

function megabytes(kilobytes: number): string {
  return (kilobytes / 1_024).toFixed(0)
}

function short(text: string): string {
  return text.replaceAll('|', '/').replaceAll(/\s+/g, ' ').slice(0, 160)
}

/** A Markdown table that is aligned for reading on a terminal too. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((cell, at) =>
    Math.max(3, cell.length, ...rows.map((row) => row[at]?.length ?? 0)),
  )
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, at) => (cells[at] ?? '').padEnd(width)).join(' | ')} |`
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)]
}
