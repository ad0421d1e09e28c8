/** `sensei migrate`: plan, approve, carry, certify. */
import { randomUUID } from 'node:crypto'
import { hostname, userInfo } from 'node:os'
import { EXIT, type ExitCode, SenseiError } from '@sensei/core/errors'
import type { Plan } from '@sensei/core/plan'
import { openSession, type Session } from '@sensei/apps/session'
import type { Cast } from '@sensei/engine/cast'
import { conduct } from '@sensei/engine/conductor'
import type { MigrationOptions, MigrationRequest, Outcome } from '@sensei/engine/request'
import { exitOf } from '../exit.ts'
import { readPlanFile, readQueries } from '../files.ts'
import { onInterrupt } from '../interrupt.ts'
import type { Io } from '../io.ts'
import { outcomeJson } from '../output-json.ts'
import { type ProgressFace, progressFace } from '../progress/face.ts'
import { defaultOptions, mergeOptions } from '../settings.ts'
import { summary } from '../summary.ts'
import { urlOf } from '../urls.ts'
import { writeOutcomeFile } from '../written.ts'

export interface MigrateFlags {
  readonly source?: string
  readonly target?: string
  /** Set by commands that know both ends themselves. */
  readonly ends?: { readonly sourceUrl: string; readonly targetUrl: string }
  readonly schema?: string
  readonly include?: readonly string[]
  readonly exclude?: readonly string[]
  readonly workers?: number
  readonly chunkRows?: number
  readonly plan?: string
  readonly acceptLoss?: readonly string[]
  readonly maxRejects?: number
  readonly append?: boolean
  readonly query?: readonly string[]
  readonly validate: boolean
  readonly certificate?: string
  readonly yes?: boolean
  readonly resume?: string
  readonly output: 'text' | 'json'
  readonly progress: 'auto' | 'plain' | 'none'
}

export interface MigrateRun {
  readonly outcome: Outcome
  readonly exit: ExitCode
}

export async function migrate(flags: MigrateFlags, io: Io): Promise<ExitCode> {
  const session = await openSession(io.env)
  try {
    return (await runMigration(session, flags, io)).exit
  } finally {
    await session.close()
  }
}

/** The run itself, for every command that is a migration: migrate, demo, retry. */
export async function runMigration(
  session: Session,
  flags: MigrateFlags,
  io: Io,
  retry = false,
): Promise<MigrateRun> {
  const begun = performance.now()
  const face = progressFace(io, flags.output === 'json' && !io.live ? 'none' : flags.progress)
  const interrupt = onInterrupt(io)
  const ends = flags.ends ?? (await endsOf(session, flags, io))
  const request = await requestOf(session, flags, face, retry)
  const cast = await session.cast({ ...ends, progress: face })
  try {
    if (flags.resume !== undefined) await checkEnds(session, flags.resume, cast)
    const outcome = await conduct(cast, request, interrupt.signal)
    const seconds = (performance.now() - begun) / 1_000
    face.close()
    const file = await writeOutcomeFile(outcome, flags.certificate)
    if (flags.output === 'json') io.out(JSON.stringify(outcomeJson(outcome, outcome.certificate === null ? null : file, seconds)))
    else io.out(summary({ outcome, file, seconds, next: nextCommand(outcome, file) }))
    if (outcome.error !== null) io.say(`error ${outcome.error.code}: ${outcome.error.message}`)
    return { outcome, exit: exitOf(outcome) }
  } finally {
    face.close()
    interrupt.release()
    await cast.close()
  }
}

/** Source and target from the flags, or from the migration that is resumed; its secrets come again from outside. */
async function endsOf(
  session: Session,
  flags: MigrateFlags,
  io: Io,
): Promise<{ sourceUrl: string; targetUrl: string }> {
  const kept = flags.resume === undefined ? null : await session.journal.get(flags.resume)
  const pick = (flag: 'source' | 'target'): string => {
    const given = flags[flag]
    const known = kept?.[flag].url
    if (given === undefined && known !== undefined) return known
    if (given === undefined) throw new SenseiError('USAGE', `--${flag} is missing. Name the ${flag} database, or --resume ID.`)
    return urlOf(io, `--${flag}`, given)
  }
  return { sourceUrl: pick('source'), targetUrl: pick('target') }
}

async function requestOf(
  session: Session,
  flags: MigrateFlags,
  face: ProgressFace,
  retry: boolean,
): Promise<MigrationRequest> {
  const given = await givenOptions(flags)
  const kept = flags.resume === undefined ? null : await session.journal.get(flags.resume)
  const options =
    kept === null
      ? { ...defaultOptions(), ...given }
      : mergeOptions(kept.options as unknown as MigrationOptions, given)
  return {
    migrationId: flags.resume ?? randomUUID(),
    resume: kept !== null,
    retry,
    options,
    plan: flags.plan === undefined ? null : await readPlanFile(flags.plan),
    approve: (plan: Plan) => {
      face.expect(plan.tables.reduce((rows, table) => rows + table.rows, 0))
      return Promise.resolve(flags.yes === true)
    },
    actor: `user:${userInfo().username}`,
    owner: `${hostname()}/${process.pid}`,
  }
}

async function givenOptions(flags: MigrateFlags): Promise<Partial<MigrationOptions>> {
  const queries = flags.query === undefined ? undefined : await readQueries(flags.query)
  const given = {
    schema: flags.schema,
    include: flags.include,
    exclude: flags.exclude,
    workers: flags.workers,
    chunkRows: flags.chunkRows,
    acceptLosses: flags.acceptLoss,
    maxRejects: flags.maxRejects,
    append: flags.append,
    validate: flags.validate ? undefined : false,
    queries,
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

function nextCommand(outcome: Outcome, file: string | null): string {
  const { error, migrationId, verdict } = outcome
  if (outcome.certificate !== null) return `sensei certificate verify ${file}`
  if (error?.code === 'LOSS_NOT_ACCEPTED' || error?.code === 'PLAN_NEEDS_APPROVAL') {
    return `sensei migrate --resume ${migrationId} --yes`
  }
  if (error !== null && exitOf(outcome) === EXIT.interrupted) return `sensei migrate --resume ${migrationId}`
  if (error !== null) return `sensei migrations retry ${migrationId}`
  if (verdict === 'not_validated') return 'sensei verify --source … --target …'
  return `sensei migrations get ${migrationId}`
}

/** Compared as the adapters write them: a relative path and an absolute one name the same file. */
async function checkEnds(session: Session, id: string, cast: Cast): Promise<void> {
  const kept = await session.journal.get(id)
  if (cast.source.url !== kept.source.url) throw otherEnd('source', kept.source.url)
  if (cast.target.url !== kept.target.url) throw otherEnd('target', kept.target.url)
}

function otherEnd(flag: string, known: string): SenseiError {
  return new SenseiError('USAGE', `This migration's ${flag} is ${known}; another one cannot be resumed into. Leave --${flag} out, or start a new migration.`)
}
