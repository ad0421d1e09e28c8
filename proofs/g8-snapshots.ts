/**
 * G8: the result is wholly of one snapshot. A migration is killed in its load, its private copy is removed, the source
 * is edited, and the migration is resumed: what stands in the target then is the source as it is now, by the SQL of
 * each engine, and the certificate names the new snapshot. Tables with a key are patched, not written again.
 *
 * The negative control goes on with the old chunks as they are: there the same edits must leave a mixture.
 */
import { readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SenseiError } from '@sensei/core/errors'
import { Client } from 'pg'
import { randomEdits } from './cli/edits.ts'
import { judge } from './cli/oracle.ts'
import { patchedRepository } from './cli/patched-repository.ts'
import { type CliRun, kill, shippedRepository } from './cli/run-cli.ts'
import { Stage } from './cli/stage.ts'
import { writeRecord } from './record.ts'
import { type Random, randomFrom } from './target/random.ts'

export interface Options {
  readonly seed: number
  readonly lost: number
  readonly repository?: string
}

export interface Result {
  readonly seed: number
  readonly lost: number
  /** Chunks that stood in the target when the snapshot was lost. */
  readonly chunksBefore: number
  /** Rows of keyed tables that stood in the target then, and rows that reconciling wrote. */
  readonly rowsBefore: number
  readonly rowsPatched: number
  readonly failures: readonly string[]
}

const ROWS = 400
const CHUNK_ROWS = 20
const EDITS_MAX = 30

export async function run(options: Options): Promise<Result> {
  const repository = options.repository ?? shippedRepository
  const stage = await Stage.set({ repository, rows: ROWS })
  try {
    return await perform(stage, options)
  } finally {
    await stage.close()
  }
}

async function perform(stage: Stage, { seed, lost }: Options): Promise<Result> {
  const random = randomFrom(seed)
  const sums = { chunksBefore: 0, rowsBefore: 0, rowsPatched: 0 }
  const failures: string[] = []
  let done = 0
  while (done < lost && failures.length === 0) {
    const target = await stage.database()
    // In turn with rejects, where a table is loaded whole, and without, where it is patched.
    const whole = done % 2 === 1
    const loaded = await loadPartly(stage, target, await howTo(stage, target, whole), random)
    // Too late: it was completed before it could be killed.
    if (loaded === null) continue
    done += 1
    const copies = path.join(stage.session.privateFolder, 'copies', loaded.id)
    rmSync(copies, { recursive: true, force: true })
    stage.source.run(randomEdits(random, ROWS, 1 + Math.floor(random() * EDITS_MAX)))
    const problem = await resumed(stage, target, loaded, whole)
    if (problem !== null) failures.push(`lost snapshot ${done}: ${problem}`)
    const patched = await patchedRows(target)
    sums.chunksBefore += loaded.chunks
    sums.rowsBefore += loaded.rows
    sums.rowsPatched += patched
    await stage.drop(target)
  }
  if (sums.rowsPatched * 2 > sums.rowsBefore) failures.push('more was written than differed')
  return { seed, lost: done, ...sums, failures }
}

interface Loaded {
  readonly id: string
  readonly snapshot: string
  readonly chunks: number
  readonly rows: number
}

/** Kills the command once some chunks stand in the ledger. */
async function loadPartly(
  stage: Stage,
  target: string,
  how: readonly string[],
  random: Random,
): Promise<Loaded | null> {
  const command = stage.run([
    'migrate',
    '--source',
    stage.source.url,
    '--target',
    target,
    ...how,
    '--chunk-rows',
    String(CHUNK_ROWS),
    '--yes',
    ...certificate(stage),
  ])
  await untilLoaded(target, 1 + Math.floor(random() * 75), command)
  kill(command.process.pid as number)
  const end = await command.ended
  if (end.code === 0) return null
  if (end.code !== null) throw new SenseiError('INTERNAL', `the load failed: ${end.errors}`)
  // Its workers end a moment later; what they finished until then is in the ledger too.
  await sleep(300)
  const name = new URL(target).pathname
  const known = await stage.session.journal.list({ limit: 1_000 })
  const id = known.find((one) => new URL(one.target.url).pathname === name)?.id as string
  const held = await query<{ chunks: number; rows: number; snapshot: string }>(
    target,
    `select count(*)::integer as chunks, coalesce(sum(rows_written) filter (where table_name <> 'loose'), 0)::integer as rows,
       max(snapshot) as snapshot from sensei.ledger where kind = 'chunk'`,
  )
  return { id, ...(held[0] as { chunks: number; rows: number; snapshot: string }) }
}

async function untilLoaded(target: string, chunks: number, command: CliRun): Promise<void> {
  const done = { now: false }
  void command.ended.then(() => (done.now = true))
  const client = new Client({ connectionString: target })
  await client.connect()
  try {
    while (!done.now) {
      const { rows } = await client
        .query<{ n: number }>(
          `select count(*)::integer as n from sensei.ledger where kind = 'chunk'`,
        )
        .catch(() => ({ rows: [{ n: 0 }] }))
      if ((rows[0]?.n ?? 0) >= chunks) return
      await sleep(5)
    }
  } finally {
    await client.end()
  }
}

/** A plan is drawn anew each time: what follows from values is in it too. */
async function howTo(stage: Stage, target: string, whole: boolean): Promise<readonly string[]> {
  if (whole) return ['--accept-loss', 'mixed-to-text:keyed.amount']
  return ['--plan', await stage.plan(target), '--max-rejects', '1000']
}

async function resumed(
  stage: Stage,
  target: string,
  loaded: Loaded,
  whole: boolean,
): Promise<string | null> {
  const args = ['migrate', '--resume', loaded.id, '--target', target, '--yes']
  const end = await stage.run([...args, ...certificate(stage)]).ended
  const found = await judge(stage.source.path, target, whole)
  if (found.wrong.length > 0) return `a mixture in ${found.wrong.join(', ')} (exit ${end.code})`
  if (end.code !== 0) return `exit ${end.code}: ${end.errors}`
  const events = await stage.session.journal.events(loaded.id)
  const replaced = events.findLast((event) => event.type === 'migration.snapshot_replaced')
  const named = (replaced?.payload as { snapshot?: string } | undefined)?.snapshot
  if (named === undefined || named === loaded.snapshot) return 'no event names a new snapshot'
  const { certificate: file } = JSON.parse(end.out) as { certificate: string }
  const { payload } = JSON.parse(readFileSync(file, 'utf8')) as { payload: string }
  const statement = Buffer.from(payload, 'base64').toString()
  return statement.includes(named) ? null : 'the certificate names another snapshot'
}

async function patchedRows(target: string): Promise<number> {
  const rows = await query<{ rows: number }>(
    target,
    `select coalesce(sum(rows_written), 0)::integer as rows from sensei.ledger where step like 'reconcile %'`,
  )
  return rows[0]?.rows ?? 0
}

async function query<R extends object>(target: string, text: string): Promise<R[]> {
  const client = new Client({ connectionString: target })
  await client.connect()
  try {
    return (await client.query<R>(text)).rows
  } finally {
    await client.end()
  }
}

function certificate(stage: Stage): readonly string[] {
  return ['--certificate', path.join(stage.source.folder, 'certificate.json')]
}

/** The same without looking for what an earlier snapshot left. */
export async function control(options: Options): Promise<Result> {
  const patched = patchedRepository([
    {
      file: 'engine/conductor/prepare.ts',
      from: "return findable && held.rowsRejected === 0 ? 'reconcile' : 'load again'",
      to: "return findable ? 'go on' : 'go on'",
    },
  ])
  try {
    return await run({ ...options, repository: patched.folder })
  } finally {
    patched.remove()
  }
}

async function main(): Promise<void> {
  const seed = Number(process.env['SENSEI_SEED'] ?? 8)
  const lost = Number(process.env['SENSEI_PROOF_LOST'] ?? 100)
  process.stdout.write(`G8: ${lost} lost snapshots, seed ${seed}\n`)
  const startedAt = performance.now()
  // A copy, so that work on the repository does not disturb hours of proof.
  const shipped = patchedRepository([])
  const repository = shipped.folder
  const result = await run({ seed, repository, lost })
  const without = await control({ seed, lost: 10 })
  shipped.remove()
  const wrong = [...result.failures]
  if (without.failures.length === 0) wrong.push('no mixture was seen without the mechanism')
  writeRecord('g8', startedAt, {
    guarantee: 'G8',
    run: result,
    without_reconciling: without,
    failures: wrong,
  })
  process.exitCode = wrong.length === 0 ? 0 : 1
}

if (import.meta.main) await main()
