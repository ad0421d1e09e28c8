/**
 * G9: any one wrong, missing or extra cell gives `different`, and what is equal never does.
 *
 * Pairs of databases with tables of every type, with keys and without, are filled with equal random values by this proof
 * itself. Then one cell or row of many tables is changed in SQL; PostgreSQL's own EXCEPT ALL says which tables differ, and
 * the validator has to name exactly those. Between the rounds the pair is whole again and must be found equal.
 */
import { randomBytes } from 'node:crypto'
import { type FreshDatabase, freshDatabase, type ServerAddress } from '@sensei/contracts/servers'
import type { TableVerification, Verification } from '@sensei/core/verdict'
import { openSource, openTarget } from '@sensei/apps/pillars'
import { threadScanners } from '@sensei/apps/scanners'
import { type ValidatorCast, validate } from '@sensei/engine/validator/validate'
import { Client } from 'pg'
import {
  allMutants,
  isDifferent,
  keepOriginals,
  type Mutant,
  mutate,
  restore,
} from './g9/mutants.ts'
import { makePair, type Pair } from './g9/pair.ts'
import { type Random, randomFrom } from './g9/values.ts'

export interface Options {
  readonly server: ServerAddress
  readonly mutants: number
  readonly seed: number
  /** For negative controls, where one mutant that is missed is enough. */
  readonly untilFirstFailure?: boolean
}

export interface Result {
  mutants: number
  caught: number
  /** Comparisons of equal pairs, one table each. */
  clean: number
  operators: Record<string, number>
  /** What was wrong: empty when the promise holds. */
  failures: string[]
}

const TABLES = 24
const ROWS = 30
/** So many mutants, then other values. */
const MUTANTS_PER_PAIR = 1_000

export async function run(options: Options): Promise<Result> {
  const random = randomFrom(options.seed)
  const result: Result = { mutants: 0, caught: 0, clean: 0, operators: {}, failures: [] }
  while (result.mutants < options.mutants && !done(options, result)) {
    const database = await freshDatabase(options.server)
    try {
      await onePair(
        database,
        { ...options, mutants: Math.min(options.mutants, result.mutants + MUTANTS_PER_PAIR) },
        random,
        result,
      )
    } finally {
      await database.drop()
    }
  }
  return result
}

function done({ untilFirstFailure = false }: Options, { failures }: Result): boolean {
  return untilFirstFailure && failures.length > 0
}

async function onePair(
  database: FreshDatabase,
  options: Options,
  random: Random,
  result: Result,
): Promise<void> {
  const client = new Client({ connectionString: database.url })
  await client.connect()
  const reader = await newReader(client, database)
  const pair = await makePair(client, random, { tables: TABLES, rows: ROWS })
  const urls = { sourceUrl: `sqlite:${pair.snapshot.location}`, targetUrl: reader.url }
  const scanners = threadScanners(urls)
  const target = await openTarget(urls.targetUrl)
  const progress = { report: () => undefined }
  const cast = { source: await openSource(urls.sourceUrl), target, scanners, progress }
  try {
    await keepOriginals(client, pair.plan.tables)
    await client.query(`grant select on all tables in schema public to ${reader.name}`)
    await rounds({ client, pair, cast, options, random, result })
  } finally {
    await scanners.close()
    await target.close()
    await client.query(`drop owned by ${reader.name}; drop role ${reader.name}`)
    await client.end()
    pair.remove()
  }
}

/** A role that may only read: the validator then leaves its self-test out, and all the time goes into this one. */
async function newReader(
  client: Client,
  database: FreshDatabase,
): Promise<{ name: string; url: string }> {
  const name = `g9_${randomBytes(6).toString('hex')}`
  await client.query(`create role ${name} login password 'proof'`)
  const url = new URL(database.url)
  url.username = name
  url.password = 'proof'
  return { name, url: url.href }
}

interface Round {
  readonly client: Client
  readonly pair: Pair
  readonly cast: ValidatorCast
  readonly options: Options
  readonly random: Random
  readonly result: Result
}

async function rounds(round: Round): Promise<void> {
  const { pair, options, random, result, client } = round
  const queues = pair.plan.tables.map((table) => shuffled(allMutants(table), random))
  judgeClean(await compare(round), result)
  while (result.mutants < options.mutants && !done(options, result)) {
    if (queues.every((queue) => queue.length === 0)) break
    const made = new Map<string, Mutant>()
    for (const [place, table] of pair.plan.tables.entries()) {
      const mutant = queues[place]?.pop()
      if (mutant === undefined || !(await mutate(client, table, mutant, random))) continue
      if (await isDifferent(client, table)) made.set(table.target, mutant)
      else await restore(client, [table.target])
      if (result.mutants + made.size >= options.mutants) break
    }
    judge(await compare(round), made, result)
    await restore(client, [...made.keys()])
  }
  judgeClean(await compare(round), result)
}

async function compare({ cast, pair }: Round): Promise<Verification> {
  const options = { differencesMax: 3, queries: [] }
  return validate(cast, pair.plan, pair.snapshot, {
    rejects: new Map(),
    options,
    signal: new AbortController().signal,
  })
}

function judge(
  verification: Verification,
  made: ReadonlyMap<string, Mutant>,
  result: Result,
): void {
  for (const table of verification.tables) {
    const mutant = made.get(table.target)
    const what = JSON.stringify(mutant ?? table.target)
    if (mutant === undefined) {
      result.clean += 1
      if (differs(table))
        result.failures.push(`false alarm: ${what} ${JSON.stringify(table.differences)}`)
      continue
    }
    result.mutants += 1
    result.operators[mutant.operator] = (result.operators[mutant.operator] ?? 0) + 1
    const counted =
      table.differences.rowsMissing + table.differences.rowsExtra + table.differences.rowsChanged
    // Roots and rows must agree about it, and a value is one row, or two where rows were swapped.
    if (differs(table) && counted >= 1 && counted <= 4) result.caught += 1
    else result.failures.push(`missed: ${what} ${JSON.stringify(table.differences)}`)
  }
  if (made.size > 0 && verification.verdict !== 'different')
    result.failures.push(`the verdict is ${verification.verdict} in spite of ${made.size} mutants`)
}

function judgeClean(verification: Verification, result: Result): void {
  judge(verification, new Map(), result)
  if (verification.verdict !== 'equivalent')
    result.failures.push(`the verdict on an equal pair is ${verification.verdict}`)
}

function differs(table: TableVerification): boolean {
  return table.rootSource !== table.rootTarget
}

function shuffled<T>(all: T[], random: Random): T[] {
  return all
    .map((item) => ({ item, order: random() }))
    .sort((left, right) => left.order - right.order)
    .map(({ item }) => item)
}

if (import.meta.main) {
  // Not awaited here: what is imported waits for this very file to be done.
  void import('./g9/record.ts').then(async ({ recordProof }) => {
    process.exitCode = await recordProof()
  })
}
