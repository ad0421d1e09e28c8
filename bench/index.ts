/**
 * `npm run bench`: how fast Sensei is beside pgloader and beside what PostgreSQL itself can take in, on data of known
 * make, in one run, against one server. Prints the tables; a complete run also writes them to bench/RESULTS.md.
 */
import { existsSync, rmSync } from 'node:fs'
import { chmod, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EXIT, isSenseiError, SenseiError } from '@sensei/core/errors'
import type { Contender } from './contenders/contender.ts'
import { copy } from './contenders/copy.ts'
import { pgloader } from './contenders/pgloader.ts'
import { senseiCopy, senseiVerified } from './contenders/sensei.ts'
import { dataFile } from './data.ts'
import { big, blobs } from './datasets/blobs.ts'
import type { Dataset } from './datasets/dataset.ts'
import { orders } from './datasets/orders.ts'
import { tall } from './datasets/tall.ts'
import { wide } from './datasets/wide.ts'
import { type Fact, machineFacts } from './machine.ts'
import { type BenchOptions, readOptions, USAGE } from './options.ts'
import { markdown, memoryTable, speedTable } from './report.ts'
import { type Field, race, type Result } from './speed.ts'
import { BenchTarget, SERVER_SETTINGS } from './target.ts'

const SPEED_DATASETS = { orders, wide, blobs } as const
const MEMORY_DATASETS: readonly Dataset[] = [tall, blobs, big]
const ALL_CONTENDERS: readonly Contender[] = [senseiCopy, senseiVerified, pgloader, copy]

/** What npm does not bring: Debian's package, and a program in it. */
const NEEDED = { pgloader: '/usr/bin/pgloader', time: '/usr/bin/time' } as const

async function main(argv: readonly string[]): Promise<number> {
  const options = readOptions(argv)
  if (options.help) {
    process.stdout.write(USAGE)
    return EXIT.done
  }
  requirePackages()
  const folder = await mkdtemp(join(tmpdir(), 'sensei-bench-'))
  // Sensei's embedded server runs as a user of its own when root started it, and has to get in here.
  await chmod(folder, 0o711)
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true })
  process.once('exit', removeFolder)
  // A server of the tests does not hold its parent back, and here somebody has to wait until it is gone.
  const hold = setInterval(() => undefined, 60_000)
  let target: BenchTarget | undefined
  try {
    target = await BenchTarget.start(options.postgres)
    const contenders = ALL_CONTENDERS.filter(({ name }) => options.contenders.includes(name))
    const field: Field = { target, folder, contenders, say: progress }
    return await bench(field, options, argv)
  } finally {
    await target?.server.remove()
    removeFolder()
    clearInterval(hold)
  }
}

async function bench(
  field: Field,
  options: BenchOptions,
  argv: readonly string[],
): Promise<number> {
  const facts = [...machineFacts(), ...(await versionFacts(field))]
  const speed: Result[] = []
  const memory: Result[] = []
  for (const part of options.only) {
    if (part === 'memory') memory.push(...(await memoryRun(field, options.rowsFactor)))
    else
      speed.push(
        ...(await race(
          field,
          await dataOf(SPEED_DATASETS[part], options.rowsFactor),
          options.rounds,
        )),
      )
  }
  if (speed.length > 0) process.stdout.write(`${speedTable(speed).join('\n')}\n\n`)
  if (memory.length > 0) process.stdout.write(`${memoryTable(memory).join('\n')}\n\n`)
  const command = ['npm run bench', ...(argv.length === 0 ? [] : ['--', ...argv])].join(' ')
  const date = new Date().toISOString().slice(0, 10)
  const { rounds } = options
  const text = markdown({ command, date, facts, settings: SERVER_SETTINGS, rounds, speed, memory })
  const out =
    options.out ?? (isComplete(options) ? join(import.meta.dirname, 'RESULTS.md') : undefined)
  if (out !== undefined) await writeFile(out, text)
  return [...speed, ...memory].every(({ failure }) => failure === undefined)
    ? EXIT.done
    : EXIT.failed
}

/** Sensei with everything verified and pgloader, once each; the limit has no client whose memory could be seen. */
async function memoryRun(field: Field, factor: number): Promise<Result[]> {
  const contenders = field.contenders.filter(
    ({ name }) => name === 'sensei-verified' || name === 'pgloader',
  )
  const results: Result[] = []
  for (const dataset of MEMORY_DATASETS) {
    results.push(...(await race({ ...field, contenders }, await dataOf(dataset, factor), 1, true)))
  }
  return results
}

async function dataOf(dataset: Dataset, factor: number) {
  const rows = Math.max(1, Math.round(dataset.rows * factor))
  progress(`${dataset.name}: ${rows} rows`)
  return dataFile(dataset, rows)
}

async function versionFacts({ contenders, target }: Field): Promise<Fact[]> {
  const facts: Fact[] = [{ name: 'PostgreSQL', value: await target.versionText() }]
  for (const contender of contenders) {
    facts.push({ name: contender.title, value: await contender.version() })
  }
  return facts
}

function requirePackages(): void {
  const missing = Object.entries(NEEDED).filter(([, file]) => !existsSync(file))
  if (missing.length === 0) return
  const names = missing.map(([name]) => name).join(' ')
  throw new SenseiError(
    'USAGE',
    `The bench needs ${names}. Install with:\n\n    sudo apt-get install -y ${names}\n`,
  )
}

/** Only a run of all contenders on all data at full size may replace the published figures. */
function isComplete({ rowsFactor, only, contenders }: BenchOptions): boolean {
  return rowsFactor === 1 && only.length === 4 && contenders.length === ALL_CONTENDERS.length
}

function progress(line: string): void {
  process.stderr.write(`${line}\n`)
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!isSenseiError(error)) throw error
  process.stderr.write(`bench: ${error.message}\n`)
  process.exitCode = error.exitCode
}
