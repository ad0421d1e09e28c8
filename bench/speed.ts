import { SenseiError } from '@sensei/core/errors'
import type { Contender, Job } from './contenders/contender.ts'
import type { DataFile } from './data.ts'
import type { Usage } from './measure.ts'
import type { BenchTarget } from './target.ts'

export interface Field {
  readonly target: BenchTarget
  readonly folder: string
  readonly contenders: readonly Contender[]
  readonly say: (line: string) => void
}

/** What one contender did with one dataset: a time for each round, or why there is none. */
export interface Result {
  readonly data: DataFile
  readonly contender: Contender
  readonly usages: readonly Usage[]
  readonly failure: string | undefined
}

/**
 * Times every contender once a round, in turn, so that what the machine does meanwhile falls on all of them alike;
 * each round begins with another one. A contender that fails once is not asked again for that dataset.
 */
export async function race(
  field: Field,
  data: DataFile,
  rounds: number,
  sample = false,
): Promise<Result[]> {
  const { contenders, say } = field
  const usages = new Map<Contender, Usage[]>(contenders.map((contender) => [contender, []]))
  const failures = new Map<Contender, string>()
  const note = (contender: Contender, error: unknown): void => {
    failures.set(contender, error instanceof Error ? error.message : String(error))
    say(`  ${contender.name}: FAILED ${failures.get(contender)}`)
  }
  for (const contender of contenders) {
    say(`${data.dataset.name}: preparing ${contender.name}`)
    await prepare(field, data, contender, sample).catch((error: unknown) => note(contender, error))
  }
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const contender = contenders[(round + turn) % contenders.length]
      if (contender === undefined || failures.has(contender)) continue
      try {
        const usage = await runOnce(field, data, contender, sample)
        usages.get(contender)?.push(usage)
        say(`  round ${round + 1} ${contender.name}: ${usage.seconds.toFixed(2)} s`)
      } catch (error) {
        note(contender, error)
      }
    }
  }
  return contenders.map((contender) => ({
    data,
    contender,
    usages: usages.get(contender) ?? [],
    failure: failures.get(contender),
  }))
}

async function prepare(
  field: Field,
  data: DataFile,
  contender: Contender,
  sample: boolean,
): Promise<void> {
  const job = await newJob(field, data, 'bench_prepare', sample)
  await contender.prepare(job)
  await field.target.dropDatabase('bench_prepare')
}

async function runOnce(
  field: Field,
  data: DataFile,
  contender: Contender,
  sample: boolean,
): Promise<Usage> {
  const database = `bench_${contender.name.replace('-', '_')}`
  const job = await newJob(field, data, database, sample)
  const usage = await contender.run(job)
  if (usage.exitCode !== 0)
    throw new SenseiError('INTERNAL', `exit ${usage.exitCode}: ${lastWords(usage)}`)
  const rows = await field.target.countRows(database, data.dataset.table)
  if (rows !== data.rows)
    throw new SenseiError('INTERNAL', `${rows} of ${data.rows} rows arrived: ${lastWords(usage)}`)
  await field.target.dropDatabase(database)
  return usage
}

async function newJob(
  field: Field,
  data: DataFile,
  database: string,
  sample: boolean,
): Promise<Job> {
  const { target, folder } = field
  const targetUrl = await target.freshDatabase(database)
  return { data, target, database, targetUrl, folder, sample }
}

function lastWords({ stdout, stderr }: Usage): string {
  const lines = `${stdout}\n${stderr}`.split('\n').filter((line) => line.trim() !== '')
  const telling = lines.filter((line) => /error|exhausted|fatal/i.test(line))
  return (telling[0] ?? lines.at(-1) ?? 'it said nothing').trim().slice(0, 300)
}
