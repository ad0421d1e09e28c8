/** `sensei events …`: what happened to migrations, and groups that are to hear it again. */
import { setTimeout as sleep } from 'node:timers/promises'
import { openControlPlane, openEventLog, openEventTail } from '@sensei/apps/pillars'
import { displayName } from '@sensei/core/display'
import { EXIT, type ExitCode, SenseiError } from '@sensei/core/errors'
import type { LifecycleEvent } from '@sensei/core/events'
import { type From, PARTITIONS } from '@sensei/core/ports/event-log'
import type { Io } from '../io.ts'
import { OUTPUT_VERSION } from '../output-json.ts'

export interface TailFlags {
  readonly migration?: string
  readonly follow?: boolean
  readonly limit: number
  readonly output: 'text' | 'json'
}

export interface ReplayFlags {
  readonly group?: string
  readonly from?: string
  readonly migration?: string
  readonly output: 'text' | 'json'
}

const LOOK_EVERY_MS = 500

export async function tail(flags: TailFlags, io: Io): Promise<ExitCode> {
  const plane = await openControlPlane(io.env)
  const log = await openEventTail(plane, flags.migration)
  try {
    const first = await log.tail.last(flags.limit)
    if (flags.follow !== true && flags.output === 'json') {
      const events = first.events.map(eventJson)
      io.out(JSON.stringify({ schema_version: OUTPUT_VERSION, events }))
      return EXIT.done
    }
    const show = (event: LifecycleEvent): void =>
      io.out(flags.output === 'json' ? JSON.stringify(eventJson(event)) : eventLine(event))
    first.events.forEach(show)
    let stopped = false
    process.once('SIGINT', () => (stopped = true))
    for (let place = first.next; flags.follow === true && !stopped; ) {
      const page = await log.tail.after(place)
      page.events.forEach(show)
      place = page.next
      if (page.events.length === 0) await sleep(LOOK_EVERY_MS)
    }
    return EXIT.done
  } finally {
    await log.close()
    await plane.close()
  }
}

export async function replay(flags: ReplayFlags, io: Io): Promise<ExitCode> {
  const { group, from: place, migration: migrationId } = flags
  if (group === undefined || place === undefined) {
    throw new SenseiError('USAGE', 'events replay needs --group NAME and --from PLACE.')
  }
  const from = fromOf(place)
  const plane = await openControlPlane(io.env)
  const log = await openEventLog(plane)
  try {
    await log.replay(group, migrationId === undefined ? { from } : { from, migrationId })
    const lag = await log.lag(group)
    const waiting = lag.reduce((sum, { position, head }) => sum + head - position, 0)
    if (flags.output === 'json') {
      const partitions = lag.map(({ partition, position, head }) => ({ partition, position, head }))
      const of = { group, from: place, migration_id: migrationId ?? null }
      io.out(JSON.stringify({ schema_version: OUTPUT_VERSION, ...of, waiting, partitions }))
    } else {
      io.out(`Group ${displayName(group)} goes on from ${place}: ${waiting} positions wait.`)
    }
    return EXIT.done
  } finally {
    await log.close()
    await plane.close()
  }
}

/** `earliest`, `now`, a position of every partition, `partition:position`, or a time. */
export function fromOf(text: string): From {
  if (text === 'earliest' || text === 'now') return text
  const place = /^(?:(\d{1,2}):)?(\d{1,15})$/.exec(text)
  const position = Number(place?.[2])
  if (place?.[1] === undefined && position > 0) return { position }
  const partition = Number(place?.[1])
  if (partition < PARTITIONS && position > 0) return { position, partition }
  if (/^\d{4}-\d\d-\d\d(T.+(Z|[+-]\d\d:\d\d))?$/.test(text) && !Number.isNaN(Date.parse(text))) {
    return { time: new Date(text).toISOString() }
  }
  throw new SenseiError(
    'USAGE',
    `--from takes "earliest", "now", a position such as 1500 or 3:1500 (of partition 3), or a time such as ` +
      `2026-11-23T06:00:00Z, not ${JSON.stringify(text)}.`,
  )
}

function eventJson(event: LifecycleEvent): object {
  return {
    id: event.id,
    migration_id: event.migrationId,
    version: event.version,
    type: event.type,
    state: event.state,
    failed_in: event.failedIn,
    payload: event.payload,
    actor: event.actor,
    occurred_at: event.occurredAt,
  }
}

function eventLine({
  occurredAt,
  migrationId,
  version,
  type,
  state,
  actor,
}: LifecycleEvent): string {
  return `${occurredAt}  ${migrationId}  ${version}  ${type}  ${state}  ${displayName(actor)}`
}
