/**
 * G6: a worker SIGKILLed at any instant loses no row and duplicates none; nor does PostgreSQL, killed with all its
 * backends.
 *
 * Two worker processes load numbered chunks. One of them is killed after a random time and another one starts in its
 * place, as often as asked; then the rest is loaded undisturbed. SQL counts what is there and checks each row's
 * content. The negative control writes the ledger row in a transaction of its own: there the same kills must double rows.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type OwnServer, startPostgres, urlOf } from '@sensei/contracts/servers'
import { SenseiError } from '@sensei/core/errors'
import type { Run, Target } from '@sensei/core/ports/target'
import { writeRecord } from './record.ts'
import { LEDGER_APART, patchedTarget, shippedTarget } from './target/patched-target.ts'
import { type Random, randomFrom } from './target/random.ts'
import { type Found, judge, PLAN } from './target/rows.ts'
import type { WorkerOrder } from './target/worker.ts'

export interface Options {
  readonly version: 15 | 18
  readonly seed: number
  readonly workerKills: number
  readonly serverKills: number
  /** The module whose `openTarget` the workers use. */
  readonly module?: string
}

export interface Result {
  readonly version: number
  readonly seed: number
  readonly workerKills: number
  readonly serverKills: number
  readonly expected: number
  readonly found: Found
  readonly lost: number
  readonly double: number
}

const rowsPerChunk = 2_000
const workers = 2
const lifeMsMax = 250
/** More than the kills leave time for; what is missing at the end is loaded undisturbed. */
const chunksMax = 1_000_000
const restChunks = 10

export async function run(options: Options): Promise<Result> {
  const random = randomFrom(options.seed)
  const server = await startPostgres({ version: options.version })
  const url = urlOf(server, 'postgres')
  try {
    const migration = await prepare(url)
    const common = {
      module: options.module ?? shippedTarget,
      url,
      run: migration,
      rows: rowsPerChunk,
    }
    await disturb(server, random, options, common)
    const through = (await lastChunk(url, migration)) + restChunks
    await undisturbed({ ...common, from: 1, step: 1, through })
    const found = await judge(url)
    const expected = through * rowsPerChunk
    return {
      version: options.version,
      seed: options.seed,
      workerKills: options.workerKills,
      serverKills: options.serverKills,
      expected,
      found,
      lost: expected - found.distinct,
      double: found.rows - found.distinct,
    }
  } finally {
    await server.remove()
  }
}

/** Empty when the promise holds. */
export function failures(result: Result): string[] {
  const { lost, double, found, expected } = result
  const all = [
    lost === 0 ? '' : `${lost} rows lost`,
    double === 0 ? '' : `${double} rows twice`,
    found.wrong === 0 ? '' : `${found.wrong} rows with another content`,
    found.ledger === expected ? '' : `the ledger says ${found.ledger} rows, not ${expected}`,
  ]
  return all.filter((text) => text !== '')
}

async function prepare(url: string): Promise<Run> {
  const target = await openShipped(url)
  try {
    const epoch = await target.takeOver('g6')
    const migration = { migrationId: 'g6', epoch, snapshot: 'generated' }
    await target.builder.createTables(migration, PLAN)
    return migration
  } finally {
    await target.close()
  }
}

type Common = Omit<WorkerOrder, 'from' | 'step' | 'through'>

async function disturb(
  server: OwnServer,
  random: Random,
  options: Options,
  common: Common,
): Promise<void> {
  const hands: ChildProcess[] = []
  const hire = async (at: number): Promise<void> => {
    const order = { ...common, from: at + 1, step: workers, through: chunksMax }
    hands[at] = await start(order)
  }
  try {
    for (let at = 0; at < workers; at++) await hire(at)
    const serverKillEvery = Math.ceil((options.workerKills + 1) / (options.serverKills + 1))
    let serverKills = 0
    for (let kill = 1; kill <= options.workerKills; kill++) {
      const victim = Math.floor(random() * workers)
      await sleep(random() * lifeMsMax)
      await slay(hands[victim] as ChildProcess)
      if (kill % serverKillEvery === 0 && serverKills < options.serverKills) {
        serverKills += 1
        await server.kill9()
        await server.start()
      }
      await hire(victim)
    }
    for (; serverKills < options.serverKills; serverKills++) {
      await sleep(random() * lifeMsMax)
      await server.kill9()
      await server.start()
    }
  } finally {
    for (const hand of hands) await slay(hand)
  }
}

async function start(order: WorkerOrder): Promise<ChildProcess> {
  const file = path.join(import.meta.dirname, 'target/worker.ts')
  const child = fork(file, [JSON.stringify(order)], { execArgv: [] })
  const [message] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as unknown[]
  if (message !== 'ready') {
    throw new SenseiError('WORKER_DIED', `A worker of the proof ended with ${String(message)}`)
  }
  return child
}

/** A worker that failed by itself would be mistaken for one that was killed. */
async function slay(child: ChildProcess): Promise<void> {
  if (child.signalCode === 'SIGKILL') return
  if (child.exitCode !== null) {
    throw new SenseiError('WORKER_DIED', `A worker of the proof ended with ${child.exitCode}`)
  }
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

async function undisturbed(order: WorkerOrder): Promise<void> {
  const child = await start(order)
  if (child.exitCode === null) await once(child, 'exit')
  if (child.exitCode !== 0) {
    throw new SenseiError('WORKER_DIED', `The last worker ended with ${child.exitCode}`)
  }
}

async function lastChunk(url: string, migration: Run): Promise<number> {
  const target = await openShipped(url)
  let last = 0
  for await (const { step } of target.ledger.receipts(migration.migrationId)) {
    last = Math.max(last, Number(/^chunk (\d+) of/.exec(step)?.[1] ?? 0))
  }
  await target.close()
  return last
}

async function openShipped(url: string): Promise<Target> {
  const { openTarget } = await import('@sensei/target/target')
  return openTarget(url)
}

/** The same kills without the mechanism, until rows are there twice. */
export async function control(options: Omit<Options, 'module'>): Promise<Result> {
  const patched = patchedTarget(LEDGER_APART)
  try {
    return await run({ ...options, module: patched.module })
  } finally {
    patched.remove()
  }
}

async function main(): Promise<void> {
  const seed = Number(process.env['SENSEI_SEED'] ?? 6)
  const workerKills = Number(process.env['SENSEI_PROOF_KILLS'] ?? 500)
  const serverKills = Math.ceil(workerKills / 10)
  const startedAt = performance.now()
  // The servers are detached and unreferenced: waiting for one to end would not keep this process.
  const alive = setInterval(() => undefined, 60_000)
  process.stdout.write(
    `G6: ${workerKills} worker kills, ${serverKills} server kills, seed ${seed}\n`,
  )
  const result = await run({ version: 18, seed, workerKills, serverKills })
  const older = await run({
    version: 15,
    seed,
    workerKills: serverKills,
    serverKills: Math.ceil(serverKills / 10),
  })
  const without = await control({
    version: 18,
    seed,
    workerKills: Math.ceil(workerKills / 5),
    serverKills: 0,
  })
  const wrong = [...failures(result), ...failures(older)]
  if (without.double === 0) wrong.push('no row was doubled without the mechanism')
  writeRecord('g6-chunks', startedAt, {
    guarantee: 'G6',
    runs: [result, older],
    ledger_apart: without,
    failures: wrong,
  })
  process.exitCode = wrong.length === 0 ? 0 : 1
  clearInterval(alive)
}

if (import.meta.main) await main()
