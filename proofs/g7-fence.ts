/**
 * G7: a worker that was stopped cannot write after its successor, and a lost reply to COMMIT is never guessed.
 *
 * Stalls: a worker process is stopped with SIGSTOP before BEGIN or in the middle of COPY. A successor takes over,
 * loads the same rows under other chunk numbers (as after a new split), and only then the worker goes on. Without the
 * fence its rows arrive a second time.
 *
 * Replies: a proxy lets COMMIT through and cuts, or cuts in front of it, which looks the same to the worker. It then
 * loads what it was told is not in; what arrives is counted.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { startProxy, type Verdict } from '@sensei/contracts/proxy'
import { freshDatabase, server as sharedServer, urlOf } from '@sensei/contracts/servers'
import { isSenseiError } from '@sensei/core/errors'
import type { ChunkLoader, Run, Target } from '@sensei/core/ports/target'
import type { Receipt } from '@sensei/core/receipt'
import { writeRecord } from './record.ts'
import { GUESSED, patchedTarget, shippedTarget, UNFENCED } from './target/patched-target.ts'
import { randomFrom } from './target/random.ts'
import { judge, loadRequest, PLAN } from './target/rows.ts'
import type { ZombieOrder } from './target/zombie.ts'

type Version = 15 | 18

export interface StallResult {
  readonly version: Version
  readonly stalls: number
  /** How the stopped workers' attempts ended, by code. */
  readonly ends: Readonly<Record<string, number>>
  readonly stallsWithDoubles: number
  readonly lost: number
}

const rows = 2_000
const PLACES = ['before BEGIN', 'in mid-COPY'] as const

export async function stalls(
  version: Version,
  count: number,
  module = shippedTarget,
): Promise<StallResult> {
  const ends: Record<string, number> = {}
  let stallsWithDoubles = 0
  let lost = 0
  for (let stall = 0; stall < count; stall++) {
    const place = PLACES[stall % PLACES.length] as ZombieOrder['place']
    const outcome = await oneStall(version, place, module)
    for (const end of outcome.ends) ends[end] = (ends[end] ?? 0) + 1
    if (outcome.double > 0) stallsWithDoubles += 1
    lost += outcome.lost
  }
  return { version, stalls: count, ends, stallsWithDoubles, lost }
}

async function oneStall(
  version: Version,
  place: ZombieOrder['place'],
  module: string,
): Promise<{ ends: string[]; double: number; lost: number }> {
  const database = await freshDatabase(await sharedServer(version))
  const target = await openWith(module, database.url)
  try {
    const run = await prepare(target)
    const zombie = await stop({ module, url: database.url, run, place, number: 1, first: 1, rows })
    const epoch = await target.takeOver(run.migrationId)
    const successor = await target.openLoader({ ...run, epoch }, 'successor')
    await successor.load(loadRequest({ number: 1001, first: 1, rows, batches: 4 }))
    await successor.close()
    const ends = await awaken(zombie)
    const found = await judge(database.url)
    return { ends, double: found.rows - found.distinct, lost: rows - found.distinct }
  } finally {
    await target.close()
    await database.drop()
  }
}

async function stop(order: ZombieOrder): Promise<ChildProcess> {
  const file = path.join(import.meta.dirname, 'target/zombie.ts')
  const zombie = fork(file, [JSON.stringify(order)], { execArgv: [] })
  await once(zombie, 'message')
  zombie.kill('SIGSTOP')
  return zombie
}

/** How its two attempts ended, after it was allowed to go on. */
async function awaken(zombie: ChildProcess): Promise<string[]> {
  const ends: string[] = []
  zombie.on('message', (end: string) => ends.push(end))
  const exited = once(zombie, 'exit')
  zombie.send('go')
  zombie.kill('SIGCONT')
  await exited
  return ends
}

export interface ReplyResult {
  readonly version: Version
  readonly seed: number
  readonly swallowed: number
  /** COMMITs whose reply was lost and which the loader found in the ledger, or not. */
  readonly settledAsCommitted: number
  readonly settledAsRolledBack: number
  readonly double: number
  readonly lost: number
  readonly wrong: number
}

export async function swallowedReplies(
  options: { readonly version: Version; readonly count: number; readonly seed: number },
  module = shippedTarget,
): Promise<ReplyResult> {
  const random = randomFrom(options.seed)
  const address = await sharedServer(options.version)
  const database = await freshDatabase(address)
  let next: Verdict = 'forward'
  const proxy = await startProxy(address, ({ sql }) => {
    if (sql !== 'commit') return 'forward'
    const verdict = next
    next = 'forward'
    return verdict
  })
  const direct = await openWith(module, database.url)
  const through = urlOf({ ...address, host: proxy.host, port: proxy.port }, database.name)
  const target = await openWith(module, `${through}?sslmode=disable`)
  const settled = { committed: 0, 'rolled back': 0 }
  try {
    const run = await prepare(direct)
    const loader = await target.openLoader(run, 'worker')
    for (let number = 1; number <= options.count; number++) {
      settled[
        await loadWithoutReply(loader, number, () => {
          next = random() < 0.25 ? 'cut' : 'forward and cut'
        })
      ] += 1
    }
    await loader.close()
    const found = await judge(database.url)
    return {
      version: options.version,
      seed: options.seed,
      swallowed: options.count,
      settledAsCommitted: settled.committed,
      settledAsRolledBack: settled['rolled back'],
      double: found.rows - found.distinct,
      lost: options.count * rowsOfReply - found.distinct,
      wrong: found.wrong,
    }
  } finally {
    await target.close()
    await direct.close()
    await proxy.close()
    await database.drop()
  }
}

const rowsOfReply = 100

/** Loads the chunk whose first COMMIT gets no reply; again, if the loader says that it is not in. */
async function loadWithoutReply(
  loader: ChunkLoader,
  number: number,
  arm: () => void,
): Promise<'committed' | 'rolled back'> {
  const first = (number - 1) * rowsOfReply + 1
  const load = (before?: () => Promise<void>): Promise<Receipt> =>
    loader.load(
      loadRequest({ number, first, rows: rowsOfReply, batches: 1, ...(before && { before }) }),
    )
  try {
    await load(async () => arm())
    return 'committed'
  } catch (error) {
    if (!isSenseiError(error, 'TARGET_UNREACHABLE')) throw error
  }
  await load()
  return 'rolled back'
}

async function prepare(target: Target): Promise<Run> {
  const epoch = await target.takeOver('g7')
  const run = { migrationId: 'g7', epoch, snapshot: 'generated' }
  await target.builder.createTables(run, PLAN)
  return run
}

async function openWith(module: string, url: string): Promise<Target> {
  const { openTarget } = (await import(/* @vite-ignore */ module)) as {
    openTarget(url: string): Promise<Target>
  }
  return openTarget(url)
}

/** The same stalls, with nobody looking at the fence. */
export async function unfenced(version: Version, count: number): Promise<StallResult> {
  const patched = patchedTarget(UNFENCED)
  try {
    return await stalls(version, count, patched.module)
  } finally {
    patched.remove()
  }
}

/** The same lost replies, taken for failures. */
export async function guessed(options: {
  version: Version
  count: number
  seed: number
}): Promise<ReplyResult> {
  const patched = patchedTarget(GUESSED)
  try {
    return await swallowedReplies(options, patched.module)
  } finally {
    patched.remove()
  }
}

export function failures(results: {
  stalls: readonly StallResult[]
  replies: readonly ReplyResult[]
}): string[] {
  const stalled = results.stalls.flatMap((result) => [
    result.stallsWithDoubles === 0 ? '' : `${result.stallsWithDoubles} stalls doubled rows`,
    result.lost === 0 ? '' : `${result.lost} rows lost after stalls`,
    (result.ends['FENCED'] ?? 0) >= result.stalls ? '' : 'a stopped worker was not told FENCED',
    result.ends['committed'] === undefined ? '' : 'a stopped worker committed',
  ])
  const replied = results.replies.flatMap((result) => [
    result.double === 0 ? '' : `${result.double} rows twice after lost replies`,
    result.lost === 0 ? '' : `${result.lost} rows lost after lost replies`,
    result.wrong === 0 ? '' : `${result.wrong} rows with another content`,
  ])
  return [...stalled, ...replied].filter((text) => text !== '')
}

async function main(): Promise<void> {
  const seed = Number(process.env['SENSEI_SEED'] ?? 7)
  const startedAt = performance.now()
  const alive = setInterval(() => undefined, 60_000)
  process.stdout.write(`G7: 40 stalls, 500 swallowed replies to COMMIT, seed ${seed}\n`)
  const results = {
    stalls: [await stalls(18, 40), await stalls(15, 10)],
    replies: [
      await swallowedReplies({ version: 18, count: 500, seed }),
      await swallowedReplies({ version: 15, count: 100, seed }),
    ],
  }
  const without = {
    fence: await unfenced(18, 10),
    ledger: await guessed({ version: 18, count: 20, seed }),
  }
  const wrong = failures(results)
  if (without.fence.stallsWithDoubles === 0) wrong.push('nothing was doubled without the fence')
  if (without.ledger.double === 0) wrong.push('nothing was doubled by guessing')
  writeRecord('g7-fence', startedAt, {
    guarantee: 'G7',
    seed,
    ...results,
    without,
    failures: wrong,
  })
  process.exitCode = wrong.length === 0 ? 0 : 1
  clearInterval(alive)
}

if (import.meta.main) await main()
