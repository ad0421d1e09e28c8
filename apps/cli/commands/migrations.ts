/** `sensei migrations …`: what this machine has moved, and what is left of it. */
import { ownerName } from '@sensei/apps/crew'
import { openSession, type Session } from '@sensei/apps/session'
import { displayName } from '@sensei/core/display'
import { EXIT, type ExitCode, SenseiError } from '@sensei/core/errors'
import type { LifecycleEvent } from '@sensei/core/events'
import { KeptRejects } from '@sensei/core/kept-rejects'
import type { MigrationRecord } from '@sensei/core/ports/journal'
import type { Reject } from '@sensei/core/receipt'
import { type Cleaned, cleanUp } from '@sensei/engine/clean'
import { storedOutcome } from '@sensei/engine/conductor/outcome'
import { actorName } from '../actor.ts'
import { checkEnds, endOf } from '../ends.ts'
import type { Io } from '../io.ts'
import { namedMigration } from '../named-migration.ts'
import { nextCommand } from '../next.ts'
import { OUTPUT_VERSION, outcomeJson } from '../output-json.ts'
import { grouped } from '../progress/bars.ts'
import { restoredLines, setAsideLines } from '../set-aside.ts'
import { summary } from '../summary.ts'
import { cut } from '../width.ts'
import { runMigration } from './migrate.ts'

export interface ListFlags {
  readonly output: 'text' | 'json'
}

export interface OneFlags extends ListFlags {
  readonly source?: string
  readonly target?: string
}

export interface RetryFlags extends OneFlags {
  readonly acceptLoss?: readonly string[]
  readonly maxRejects?: number
  readonly certificate?: string
  readonly progress: 'auto' | 'plain' | 'none'
}

const LISTED_MAX = 200

export async function list(flags: ListFlags, io: Io): Promise<ExitCode> {
  return withSession(io, async (session) => {
    const found = await session.journal.list({ limit: LISTED_MAX })
    if (flags.output === 'json') {
      io.out(JSON.stringify({ schema_version: OUTPUT_VERSION, migrations: found.map(recordJson) }))
      return EXIT.done
    }
    for (const one of found) io.out(recordLine(one))
    if (found.length === 0)
      io.say('No migrations yet. Start one: sensei migrate --source … --target …')
    return EXIT.done
  })
}

export async function get(name: string, flags: ListFlags, io: Io): Promise<ExitCode> {
  return withSession(io, async (session) => {
    const id = await namedMigration(session.journal, name)
    const outcome = await storedOutcome(session.journal, id)
    const events = await session.journal.events(id)
    if (flags.output === 'json') {
      const envelope =
        outcome.certificate === null ? null : (JSON.parse(outcome.certificate) as object)
      io.out(
        JSON.stringify({
          ...outcomeJson(outcome, null, lasted(events)),
          envelope,
          events: events.map(eventJson),
        }),
      )
      return EXIT.done
    }
    const file = outcome.certificate === null ? null : 'kept in the control plane'
    const next = nextCommand(outcome, null, io)
    io.out(summary({ outcome, file, seconds: null, next, color: io.color }))
    io.out('')
    for (const event of events) io.out(eventLine(event))
    for (const line of setAsideLines(outcome)) io.say(line)
    return EXIT.done
  })
}

/** From the target's ledger while it is there, from the control plane once it was cleaned. */
export async function rejects(name: string, flags: OneFlags, io: Io): Promise<ExitCode> {
  return withSession(io, async (session) => {
    const id = await namedMigration(session.journal, name)
    // One object on stdout is made in memory; as text they stream.
    const found = new KeptRejects()
    let shown = 0
    const take = (reject: Reject): void => {
      if (flags.output === 'json') return found.add(reject)
      shown += 1
      io.out(rejectText(reject))
    }
    const total = (await eachReject(session, id, flags, io, take)) ?? found.total + shown
    if (flags.output === 'json') {
      io.out(
        JSON.stringify({
          schema_version: OUTPUT_VERSION,
          migration_id: id,
          total,
          rejects: found.kept,
        }),
      )
    } else {
      io.say(total === 0 ? 'No row was rejected.' : `${grouped(total)} rows were rejected.`)
    }
    return EXIT.done
  })
}

/** Returns how many there were where that is known apart from those that are kept. */
async function eachReject(
  session: Session,
  id: string,
  flags: OneFlags,
  io: Io,
  take: (reject: Reject) => void,
): Promise<number | null> {
  const kept = await session.journal.get(id)
  const archive = (await session.journal.entries(id, 'archive')).at(-1)
  if (archive !== undefined) {
    archive.rejects.forEach(take)
    return archive.rejectsTotal
  }
  const target = await session.openTarget(endOf(io, 'target', flags.target, kept))
  try {
    checkEnds(kept, { target })
    for await (const reject of target.ledger.rejects(id)) take(reject)
    return null
  } finally {
    await target.close()
  }
}

export async function retry(name: string, flags: RetryFlags, io: Io): Promise<ExitCode> {
  return withSession(io, async (session) => {
    const id = await namedMigration(session.journal, name)
    const { state } = await session.journal.get(id)
    if (state !== 'failed') {
      const ended = state === 'completed' || state === 'cancelling' || state === 'cancelled'
      const instead = ended
        ? 'There is nothing to do.'
        : `Go on with: sensei migrate --resume ${id}`
      throw new SenseiError(
        'TRANSITION_REFUSED',
        `Migration ${id} is ${state}; only a failed one is retried. ${instead}`,
      )
    }
    const run = await runMigration(
      session,
      { ...flags, resume: id, validate: true, yes: true },
      io,
      true,
    )
    return run.exit
  })
}

export async function clean(name: string, flags: OneFlags, io: Io): Promise<ExitCode> {
  return withSession(io, async (session) => {
    const id = await namedMigration(session.journal, name)
    const kept = await session.journal.get(id)
    let cleaned: Cleaned
    const cast = await session.cast({
      sourceUrl: endOf(io, 'source', flags.source, kept),
      targetUrl: endOf(io, 'target', flags.target, kept),
      progress: { report: () => undefined },
    })
    try {
      checkEnds(kept, { target: cast.target })
      const request = { migrationId: id, actor: actorName(), owner: ownerName(process.pid) }
      // Nothing stops it half-way but the end of this process, after which it may be run again.
      cleaned = await cleanUp(cast, request, new AbortController().signal)
    } finally {
      await cast.close()
    }
    if (flags.output === 'json') {
      io.out(
        JSON.stringify({
          schema_version: OUTPUT_VERSION,
          migration_id: id,
          cleaned: true,
          given_up: cleaned.givenUp,
          ...keptJson(cleaned),
          restored: cleaned.restored,
          not_valid: cleaned.notValid,
        }),
      )
    }
    io.say(
      `${cleaned.givenUp ? 'It had not ended and is given up; tables that it made, if any, stay. ' : ''}Migration ${id}: ledger, rejects, fence and private copy are gone; manifest and ${keptWords(cleaned)} are kept in the control plane.`,
    )
    for (const line of restoredLines(cleaned)) io.say(line)
    return EXIT.done
  })
}

function keptJson({ rejects: total, rejectsKept }: Cleaned): object {
  return { rejects: total, rejects_kept: rejectsKept }
}

/** What is gone for good is said, never passed over. */
function keptWords({ rejects: total, rejectsKept }: Cleaned): string {
  return rejectsKept === total
    ? 'rejects'
    : `the first ${grouped(rejectsKept)} of ${grouped(total)} rejects`
}

async function withSession(
  io: Io,
  work: (session: Session) => Promise<ExitCode>,
): Promise<ExitCode> {
  const session = await openSession(io.env)
  try {
    return await work(session)
  } finally {
    await session.close()
  }
}

function recordJson(one: MigrationRecord): object {
  const { id, state, failedIn, createdAt, updatedAt, source, target } = one
  return {
    migration_id: id,
    status: state,
    failed_in: failedIn,
    source: source.url,
    target: target.url,
    created_at: createdAt,
    updated_at: updatedAt,
  }
}

function recordLine({ id, state, createdAt, source, target }: MigrationRecord): string {
  const ends = `${displayName(source.url)} -> ${displayName(target.url)}`
  return `${id}  ${state.padEnd(10)}  ${createdAt.slice(0, 16)}  ${ends}`
}

function eventJson({ version, type, state, actor, occurredAt, payload }: LifecycleEvent): object {
  return { version, type, state, actor, occurred_at: occurredAt, payload }
}

function eventLine({ version, occurredAt, type, state, actor }: LifecycleEvent): string {
  return `${String(version).padStart(3)}  ${occurredAt.slice(0, 19)}  ${type} -> ${state}  by ${displayName(actor)}`
}

/** From its first event to its last. */
function lasted(events: readonly LifecycleEvent[]): number {
  const [first, last] = [events[0], events.at(-1)]
  if (first === undefined || last === undefined) return 0
  return (Date.parse(last.occurredAt) - Date.parse(first.occurredAt)) / 1_000
}

function rejectText(reject: Reject): string {
  const cells = reject.raw.map(({ column, class: kind, value }) =>
    cut(`    ${displayName(column)} ${kind}${value === null ? '' : ` ${displayName(value)}`}`, 400),
  )
  const where = `${displayName(reject.table)} ${displayName(reject.key)}`
  const column = reject.column === null ? '' : `, column ${displayName(reject.column)}`
  return [`${where}${column}: ${reject.code} ${displayName(reject.reason)}`, ...cells].join('\n')
}
