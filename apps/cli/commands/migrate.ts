/** `sensei migrate`: plan, approve, carry, certify. */
import { randomUUID } from 'node:crypto'
import { displayText } from '@sensei/core/display'
import type { ExitCode } from '@sensei/core/errors'
import type { Plan } from '@sensei/core/plan'
import type { MigrationRecord } from '@sensei/core/ports/journal'
import { ownerName, type Recruits } from '@sensei/apps/crew'
import { loadAdapters, sourceBytes } from '@sensei/apps/pillars'
import { openSession, type Session } from '@sensei/apps/session'
import { MUSTER_BYTES } from '@sensei/engine/cast'
import type { MigrationOptions, MigrationRequest, Outcome } from '@sensei/engine/request'
import { actorName } from '../actor.ts'
import { askApproval } from '../approve.ts'
import { checkEnds, endOf, keptOptions, variableOf } from '../ends.ts'
import { exitOf } from '../exit.ts'
import { namedMigration } from '../named-migration.ts'
import { readPlanFile, readQueries } from '../files.ts'
import { nextCommand } from '../next.ts'
import { onInterrupt } from '../interrupt.ts'
import type { Io } from '../io.ts'
import { outcomeJson } from '../output-json.ts'
import { type ProgressFace, progressFace } from '../progress/face.ts'
import { setAsideLines } from '../set-aside.ts'
import { defaultOptions, mergeOptions } from '../settings.ts'
import { summary } from '../summary.ts'
import { checkWritable, defaultFile, writeOutcomeFile } from '../written.ts'

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
  const session = await openSession(io.env, (recruits) => prepare(recruits, flags, io))
  try {
    return (await runMigration(session, flags, io)).exit
  } finally {
    await session.close()
  }
}

const loadConductor = () => import('@sensei/engine/conductor')

/**
 * While the server of the control plane starts: what a run needs is loaded, and workers for a large source are made ready.
 * What goes wrong here is told by whoever needs it.
 */
function prepare(recruits: Recruits, flags: MigrateFlags, io: Io): void {
  loadAhead()
  muster(recruits, flags, io).catch(() => undefined)
}

async function muster(recruits: Recruits, flags: MigrateFlags, io: Io): Promise<void> {
  if (flags.resume !== undefined) return
  const { sourceUrl } = flags.ends ?? endsOf(flags, null, io)
  const bytes = await sourceBytes(sourceUrl)
  if (bytes === null || bytes < MUSTER_BYTES) return
  recruits.muster(flags.workers ?? defaultOptions().workers)
}

export function loadAhead(): void {
  Promise.all([loadConductor(), loadAdapters('conductor')]).catch(() => undefined)
}

/** The run itself, for every command that is a migration: migrate, demo, retry. */
export async function runMigration(
  session: Session,
  flags: MigrateFlags,
  io: Io,
  retry = false,
): Promise<MigrateRun> {
  const begun = performance.now()
  const { journal } = session
  const kept =
    flags.resume === undefined
      ? null
      : await journal.get(await namedMigration(journal, flags.resume))
  const ends = flags.ends ?? endsOf(flags, kept, io)
  const face = progressFace(io, flags.progress)
  const request = await requestOf(session, flags, kept, { face, retry })
  // Said before the work: whoever finds it killed needs it to resume.
  face.say(`Migration ${request.migrationId}`)
  await checkWritable(flags.certificate ?? defaultFile(request.migrationId))
  const interrupt = onInterrupt((text) => face.say(text))
  try {
    const cast = await session.cast({ ...ends, progress: face })
    try {
      if (kept !== null) checkEnds(kept, cast)
      const { conduct } = await loadConductor()
      const outcome = await conduct(
        cast,
        { ...request, approve: approver(request.options, face, io, interrupt.signal) },
        interrupt.signal,
      )
      face.close()
      await tell(outcome, flags, (performance.now() - begun) / 1_000, io)
      return { outcome, exit: exitOf(outcome) }
    } finally {
      await cast.close()
    }
  } finally {
    face.close()
    const unsettled = await session.settleAudit()
    if (unsettled !== null) io.say(`warning: audit chain: ${displayText(unsettled)}`)
    interrupt.release()
  }
}

async function tell(outcome: Outcome, flags: MigrateFlags, seconds: number, io: Io): Promise<void> {
  const file = await writeOutcomeFile(outcome, flags.certificate)
  const certificate = outcome.certificate === null ? null : file
  const { color } = io
  if (flags.output === 'json') io.out(JSON.stringify(outcomeJson(outcome, certificate, seconds)))
  else
    io.out(
      `\n${summary({ outcome, file, seconds, next: nextCommand(outcome, certificate, io), color })}`,
    )
  for (const line of setAsideLines(outcome)) io.say(line)
  if (outcome.error !== null)
    io.say(`error ${outcome.error.code}: ${displayText(outcome.error.message)}`)
}

/** --yes, of this run or of the first one, or a person who was asked. */
function approver(options: MigrationOptions, face: ProgressFace, io: Io, signal: AbortSignal) {
  return async (plan: Plan): Promise<boolean> => {
    face.close()
    face.expect(rowsOf(plan))
    return options.consent === true || (await askApproval(io, plan, signal))
  }
}

/** Source and target from the flags, or from the migration that is resumed; its secrets come again from outside. */
function endsOf(
  flags: MigrateFlags,
  kept: MigrationRecord | null,
  io: Io,
): { sourceUrl: string; targetUrl: string } {
  return {
    sourceUrl: endOf(io, 'source', flags.source, kept),
    targetUrl: endOf(io, 'target', flags.target, kept),
  }
}

interface RequestParts {
  readonly face: ProgressFace
  readonly retry: boolean
}

async function requestOf(
  session: Session,
  flags: MigrateFlags,
  kept: MigrationRecord | null,
  { face, retry }: RequestParts,
): Promise<Omit<MigrationRequest, 'approve'>> {
  const given = await givenOptions(flags)
  const first = {
    ...defaultOptions(),
    ...given,
    urlsFrom: { source: variableOf(flags.source), target: variableOf(flags.target) },
  }
  if (kept !== null) await expectKept(session, kept.id, face)
  return {
    migrationId: kept?.id ?? randomUUID(),
    resume: kept !== null,
    retry,
    options:
      kept === null
        ? first
        : mergeOptions(keptOptions(kept), await acceptedSince(session, kept.id), given),
    plan: flags.plan === undefined ? null : await readPlanFile(flags.plan, flags),
    actor: actorName(),
    owner: ownerName(process.pid),
  }
}

async function expectKept(session: Session, id: string, face: ProgressFace): Promise<void> {
  const plan = (await session.journal.entries(id, 'plan')).at(-1)?.plan
  if (plan !== undefined) face.expect(rowsOf(plan))
}

/** What was accepted when the plan was approved stays accepted, whoever resumes. */
async function acceptedSince(session: Session, id: string): Promise<readonly string[]> {
  const events = await session.journal.events(id)
  return events.flatMap((event) =>
    event.type === 'migration.approved' ? event.payload.acceptedLosses : [],
  )
}

function rowsOf(plan: Plan): number {
  return plan.tables.reduce((rows, table) => rows + table.rows, 0)
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
    consent: flags.yes,
    validate: flags.validate ? undefined : false,
    queries,
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}
