/**
 * Writes log entries of all organizations in batches, each in a transaction of its own organization. Logging neither waits
 * nor throws: entries wait in memory up to a bound, what exceeds it is counted, and an entry says so once there is room
 * again. One organization alone takes no more than its share of the room, so that its noise costs no other one an entry.
 * While the store is away, entries wait for it.
 *
 * start() and stop() may be called in any order and again; when stop() returns, everything that was added is written or
 * counted. Each entry has its id before it is written, so one that is written again after a lost reply is there once.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isSenseiError } from '@sensei/core/errors'
import type { Door, Tx } from '../door/door.ts'
import { type LogRow, logRow, type NewLogEntry } from './log-entry.ts'
import { LogQueue, type Room } from './log-queue.ts'

export type { NewLogEntry } from './log-entry.ts'

export interface LogWriterOptions extends Partial<Room> {
  readonly flushMs?: number
  readonly clock?: () => Date
  /** Told now and then how many were dropped since it was told last. */
  readonly onDropped?: (entries: number) => void
}

export interface LogCounts {
  readonly waiting: number
  readonly written: number
  /** Given up because there was no room, or because the store did not take them. */
  readonly dropped: number
  /** Written to the default partition, because their day has none. */
  readonly strayed: number
}

const BATCH_ENTRIES = 500
/** Who reads what was dropped is a person. */
const TELL_MS = 10_000

const INSERT = `
with made as (
  insert into log_entry (org_id, at, id, migration_id, level, component, message, fields)
  select $1, r.at, r.id, r.migration_id, r.level, r.component, r.message, r.fields
  from jsonb_to_recordset($2) r (at timestamptz, id uuid, migration_id uuid, level smallint, component text,
    message text, fields jsonb)
  on conflict (org_id, at, id) do nothing returning tableoid
)
select count(*) filter (where tableoid = 'log_entry_default'::regclass)::int as strayed from made`

export class LogWriter {
  readonly #door: Door
  readonly #queue: LogQueue
  readonly #options: Required<Omit<LogWriterOptions, keyof Room>>
  /** Days (UTC) that have their partition, or cannot get one. */
  readonly #days = new Set<string>()
  /** By organization: dropped, and no entry of its own says so yet. */
  readonly #missed = new Map<string, number>()
  #counts = { written: 0, dropped: 0, strayed: 0 }
  #told = { dropped: 0, at: -TELL_MS }
  #running: Promise<void> | null = null
  #stopping: AbortController | null = null
  #flushing: Promise<void> = Promise.resolve()

  constructor(door: Door, options: LogWriterOptions = {}) {
    this.#door = door
    const { entriesMax = 10_000, bytesMax = 16 * 1024 * 1024, share = 0.5 } = options
    this.#queue = new LogQueue({ entriesMax, bytesMax, share })
    this.#options = {
      flushMs: options.flushMs ?? 250,
      clock: options.clock ?? (() => new Date()),
      onDropped: options.onDropped ?? (() => undefined),
    }
  }

  get counts(): LogCounts {
    return { waiting: this.#queue.entries, ...this.#counts }
  }

  add(orgId: string, entry: NewLogEntry): void {
    const row = logRow(entry, this.#options.clock())
    if (!this.#queue.offer(orgId, row)) this.#miss(orgId, 1)
  }

  start(): void {
    if (this.#running !== null) return
    const stopping = new AbortController()
    this.#stopping = stopping
    this.#running = this.#run(stopping.signal)
  }

  /** A store that is away is asked once more, and not waited for. */
  async stop(): Promise<void> {
    this.#stopping?.abort()
    await this.#running
    this.#running = null
    await this.flush()
    for (const orgId of this.#queue.organizations) {
      this.#end(orgId, this.#queue.oldest(orgId).length, 'dropped')
    }
    this.#tell(0)
  }

  /** Everything that was added before is written or counted when this returns, or waits for a store that is away. */
  async flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#flushAll())
    await this.#flushing
  }

  async #run(stopping: AbortSignal): Promise<void> {
    while (!stopping.aborted) {
      await sleep(this.#options.flushMs, undefined, { signal: stopping, ref: false }).catch(
        () => undefined,
      )
      await this.flush()
      this.#tell(TELL_MS)
    }
  }

  /** A batch of each organization in turn. */
  async #flushAll(): Promise<void> {
    while (this.#queue.entries > 0) {
      for (const orgId of this.#queue.organizations) {
        const batch = this.#queue.oldest(orgId, BATCH_ENTRIES)
        const outcome = await this.#tryWrite(orgId, batch)
        if (outcome === 'away') return
        this.#end(orgId, batch.length, outcome)
      }
    }
    for (const [orgId, missed] of this.#missed) await this.#tellMissed(orgId, missed)
  }

  #end(orgId: string, entries: number, outcome: 'written' | 'dropped'): void {
    this.#queue.take(orgId, entries)
    if (outcome === 'written') this.#counts.written += entries
    else this.#miss(orgId, entries)
  }

  /** Whoever logs is not to hear of it: the counts are. */
  async #tryWrite(
    orgId: string,
    batch: readonly LogRow[],
  ): Promise<'written' | 'dropped' | 'away'> {
    try {
      await this.#ensureDays(orgId, batch)
      this.#counts.strayed += await this.#write(orgId, batch)
      return 'written'
    } catch (error) {
      return isAway(error) ? 'away' : 'dropped'
    }
  }

  async #write(orgId: string, batch: readonly LogRow[]): Promise<number> {
    return this.#door.write(orgId, async (tx) => {
      const rows = await tx.query<{ strayed: number }>(INSERT, [orgId, JSON.stringify(batch)])
      return rows[0]?.strayed ?? 0
    })
  }

  /** Upkeep makes days ahead; this is for when it did not. Without a partition the entries stray and are not lost. */
  async #ensureDays(orgId: string, batch: readonly LogRow[]): Promise<void> {
    const missing = new Set(batch.map(({ at }) => at.slice(0, 10)))
    for (const day of missing) {
      if (this.#days.has(day)) continue
      await this.#door
        .write(orgId, (tx) => makeDay(tx, day))
        .catch((error: unknown) => {
          if (isAway(error)) throw error
        })
      this.#days.add(day)
    }
  }

  #miss(orgId: string, entries: number): void {
    this.#missed.set(orgId, (this.#missed.get(orgId) ?? 0) + entries)
    this.#counts.dropped += entries
  }

  /** Once there is room again; while the store takes nothing, it is told later. */
  async #tellMissed(orgId: string, missed: number): Promise<void> {
    const message = `${missed} log entries were dropped: there was no room for them, or the store did not take them`
    const fields = { dropped: missed }
    const row = logRow({ level: 'warn', component: 'logs', message, fields }, this.#options.clock())
    if ((await this.#tryWrite(orgId, [row])) !== 'written') return
    const rest = (this.#missed.get(orgId) ?? 0) - missed
    if (rest === 0) this.#missed.delete(orgId)
    else this.#missed.set(orgId, rest)
  }

  #tell(everyMs: number): void {
    const dropped = this.#counts.dropped - this.#told.dropped
    const now = performance.now()
    if (dropped === 0 || now - this.#told.at < everyMs) return
    this.#told = { dropped: this.#counts.dropped, at: now }
    this.#options.onDropped(dropped)
  }
}

/** It may take the very same entries later. */
function isAway(error: unknown): boolean {
  return isSenseiError(error) && error.retryable
}

async function makeDay(tx: Tx, day: string): Promise<void> {
  await tx.query('select make_log_days($1::date, 1)', [day])
}
