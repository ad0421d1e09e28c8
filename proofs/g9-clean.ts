/**
 * G9, the other half: whole migrations of random databases that nobody touched end with a pass, never with a false alarm.
 * Every loss that the plan declares is accepted, and every reject.
 */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { openSession, type Session } from '@sensei/apps/session'
import { runFolder } from '@sensei/contracts/run-folder'
import { freshDatabase, type ServerAddress } from '@sensei/contracts/servers'
import { lossName } from '@sensei/core/losses'
import { conduct } from '@sensei/engine/conductor'
import type { MigrationOptions, Outcome } from '@sensei/engine/request'
import { makeSource } from './g9/sources.ts'
import { randomFrom } from './g9/values.ts'

export interface Options {
  readonly server: ServerAddress
  readonly migrations: number
  readonly seed: number
}

export interface Result {
  migrations: number
  tables: number
  rows: number
  rejected: number
  verdicts: Record<string, number>
  /** What was wrong: empty when the promise holds. */
  failures: string[]
}

const OPTIONS: Omit<MigrationOptions, 'acceptLosses'> = {
  schema: 'public',
  include: [],
  exclude: [],
  workers: 1,
  chunkRows: 25,
  chunkBytes: 1_000_000,
  maxRejects: 1_000_000,
  append: false,
  validate: true,
  differencesMax: 3,
  queries: [],
  urlsFrom: { source: null, target: null },
}

export async function run({ server, migrations, seed }: Options): Promise<Result> {
  const random = randomFrom(seed)
  const result: Result = {
    migrations: 0,
    tables: 0,
    rows: 0,
    rejected: 0,
    verdicts: {},
    failures: [],
  }
  const folder = mkdtempSync(path.join(runFolder(), 'g9-clean-'))
  const session = await openSession({
    SENSEI_DATA_DIR: mkdtempSync(path.join(runFolder(), 'data-')),
  })
  try {
    for (let number = 1; number <= migrations; number += 1) {
      const location = path.join(folder, `${number}.db`)
      makeSource(location, random)
      judge(await migrate(session, location, server), `migration ${number}`, result)
      rmSync(location)
    }
  } finally {
    await session.close()
    rmSync(folder, { recursive: true })
  }
  return result
}

async function migrate(
  session: Session,
  location: string,
  server: ServerAddress,
): Promise<Outcome> {
  const database = await freshDatabase(server)
  const progress = { report: () => undefined }
  const cast = await session.cast({
    sourceUrl: `sqlite:${location}`,
    targetUrl: database.url,
    progress,
  })
  const migrationId = randomUUID()
  const attempt = (resume: boolean, acceptLosses: readonly string[]): Promise<Outcome> =>
    conduct(
      cast,
      {
        migrationId,
        resume,
        retry: false,
        options: { ...OPTIONS, acceptLosses },
        plan: null,
        approve: () => Promise.resolve(true),
        actor: 'proof',
        owner: `proof/${process.pid}`,
      },
      new AbortController().signal,
    )
  try {
    const first = await attempt(false, [])
    if (first.error?.code !== 'LOSS_NOT_ACCEPTED') return first
    return await attempt(true, (first.plan?.losses ?? []).map(lossName))
  } finally {
    await cast.close()
    await database.drop()
  }
}

function judge(outcome: Outcome, what: string, result: Result): void {
  const verdict = outcome.verdict ?? `${outcome.state}: ${outcome.error?.code ?? 'no error'}`
  result.migrations += 1
  result.tables += outcome.tables.length
  for (const { rowsSource, rowsRejected } of outcome.tables) {
    result.rows += rowsSource
    result.rejected += rowsRejected
  }
  result.verdicts[verdict] = (result.verdicts[verdict] ?? 0) + 1
  if (verdict === 'equivalent' || verdict === 'equivalent_except_declared') return
  const { verification } = outcome
  const found = verification && {
    structure: verification.structure,
    tables: verification.tables.filter(
      ({ rootSource, rootTarget, aggregates }) =>
        rootSource !== rootTarget || aggregates.some(({ equal }) => !equal),
    ),
    notChecked: verification.notChecked,
    foreignKeys: verification.foreignKeys,
    mutation: verification.mutation,
    views: verification.views,
  }
  result.failures.push(
    `${what}: ${verdict} ${outcome.error?.message ?? ''} ${JSON.stringify(found)}`,
  )
}
