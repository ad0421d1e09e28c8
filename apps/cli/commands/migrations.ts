/** `sensei migrations …`: what this machine has moved, and what is left of it. */
import { openSession, type Session } from '@sensei/apps/session'
import { openTarget } from '@sensei/apps/pillars'
import { displayName } from '@sensei/core/display'
import { EXIT, type ExitCode, SenseiError } from '@sensei/core/errors'
import type { MigrationRecord } from '@sensei/core/ports/journal'
import type { Reject } from '@sensei/core/receipt'
import { cleanUp } from '@sensei/engine/clean'
import { storedOutcome } from '@sensei/engine/outcome'
import type { Io } from '../io.ts'
import { outcomeJson } from '../output-json.ts'
import { summary } from '../summary.ts'
import { urlOf } from '../urls.ts'
import { runMigration } from './migrate.ts'

interface ListFlags {
  readonly output: 'text' | 'json'
}

interface OneFlags extends ListFlags {
  readonly source?: string
  readonly target?: string
}

interface RetryFlags extends OneFlags {
  readonly acceptLoss?: readonly string[]
  readonly maxRejects?: number
  readonly certificate?: string
  readonly progress: 'auto' | 'plain' | 'none'
}

const LISTED_MAX = 200

export async function list(flags: ListFlags, io: Io): Promise<ExitCode> {
  return withSession(io, async (session) => {
    const found = await session.journal.list({ limit: LISTED_MAX })
    if (flags.output === 'json') io.out(JSON.stringify({ schema_version: 1, migrations: found.map(asJson) }))
    else for (const one of found) io.out(asLine(one))
    if (found.length === 0 && flags.output === 'text') io.say('No migrations yet. Start one: sensei migrate --source … --target …')
    return EXIT.done
  })
}

export async function get(id: string, flags: ListFlags, io: Io): Promise<ExitCode> {
  return withSession(io, async (session) => {
    const outcome = await storedOutcome(session.journal, id)
    const events = await session.journal.events(id)
    if (flags.output === 'json') {
      io.out(JSON.stringify({ ...outcomeJson(outcome, outcome.certificate, 0), events }))
      return EXIT.done
    }
    io.out(summary({ outcome, file: outcome.certificate === null ? null : 'kept in the control plane', seconds: null, next: `sensei migrations rejects ${id}` }))
    io.out('')
    for (const event of events) io.out(`${String(event.version).padStart(3)}  ${event.occurredAt}  ${event.type} -> ${event.state}`)
    return EXIT.done
  })
}

/** From the target's ledger while it is there, from the control plane once it was cleaned. */
export async function rejects(id: string, flags: OneFlags, io: Io): Promise<ExitCode> {
  return withSession(io, async (session) => {
    const record = await session.journal.get(id)
    const kept = (await session.journal.entries(id, 'archive')).at(-1)
    const target = kept === undefined ? await openTarget(targetUrl(io, flags, record)) : null
    let count = 0
    try {
      for await (const reject of kept?.rejects ?? target?.ledger.rejects(id) ?? []) {
        count += 1
        io.out(flags.output === 'json' ? JSON.stringify(reject) : rejectText(reject))
      }
    } finally {
      await target?.close()
    }
    io.say(count === 0 ? 'No row was rejected.' : `${count} rows were rejected.`)
    return EXIT.done
  })
}

export async function retry(id: string, flags: RetryFlags, io: Io): Promise<ExitCode> {
  return withSession(io, async (session) => {
    const record = await session.journal.get(id)
    if (record.state !== 'failed') {
      throw new SenseiError('TRANSITION_REFUSED', `Migration ${id} is ${record.state}; only a failed one is retried. ${record.state === 'completed' ? 'There is nothing to do.' : `Go on with: sensei migrate --resume ${id}`}`)
    }
    const run = await runMigration(session, { ...flags, resume: id, validate: true, yes: true }, io, true)
    return run.exit
  })
}

export async function clean(id: string, flags: OneFlags, io: Io): Promise<ExitCode> {
  return withSession(io, async (session) => {
    const record = await session.journal.get(id)
    const cast = await session.cast({
      sourceUrl: record.source.url,
      targetUrl: targetUrl(io, flags, record),
      progress: { report: () => undefined, follow: () => () => undefined },
    })
    try {
      await cleanUp(cast, id)
    } finally {
      await cast.close()
    }
    io.say(`Migration ${id}: ledger, rejects, fence and private copy are gone; manifest and rejects are kept in the control plane.`)
    return EXIT.done
  })
}

async function withSession(io: Io, work: (session: Session) => Promise<ExitCode>): Promise<ExitCode> {
  const session = await openSession(io.env)
  try {
    return await work(session)
  } finally {
    await session.close()
  }
}

/** Kept without its secret, which comes again from the flag, the environment or ~/.pgpass. */
function targetUrl(io: Io, flags: OneFlags, record: MigrationRecord): string {
  return flags.target === undefined ? record.target.url : urlOf(io, '--target', flags.target)
}

function asJson(one: MigrationRecord): object {
  const { id, state, failedIn, createdAt, updatedAt, source, target } = one
  return { migration_id: id, status: state, failed_in: failedIn, source: source.url, target: target.url, created_at: createdAt, updated_at: updatedAt }
}

function asLine(one: MigrationRecord): string {
  return `${one.id}  ${one.state.padEnd(11)}  ${one.createdAt.slice(0, 19)}  ${displayName(one.source.url)} -> ${displayName(one.target.url)}`
}

function rejectText(reject: Reject): string {
  const cells = reject.raw.map((cell) => `    ${displayName(cell.column)} ${cell.class}${cell.value === null ? '' : ` ${displayName(cell.value)}`}`)
  return [`${displayName(reject.table)} key ${displayName(reject.key)}: ${reject.code} ${displayName(reject.reason)}`, ...cells].join('\n')
}
