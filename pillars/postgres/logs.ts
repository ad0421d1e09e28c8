/**
 * Writes log entries in batches. Logging neither waits nor throws: entries wait in memory up to a bound, what exceeds it
 * is counted, and an entry says so once there is room again. start() and stop() may be called in any order and again;
 * when stop() returns, everything that was added is written or counted.
 *
 * Each batch has its ids before it is written, so one that is run again after a lost reply is written once.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Door, Tx } from './door.ts'
import { type LogRow, logRow, type NewLogEntry, weightOf } from './log-entry.ts'

export type { NewLogEntry } from './log-entry.ts'

export interface LogWriterOptions {
  readonly entriesMax?: number
  readonly bytesMax?: number
  readonly flushMs?: number
  readonly clock?: () => Date
}

export interface LogCounts {
  readonly written: number
  /** Given up because there was no room, or because the store did not take them. */
  readonly dropped: number
  /** Written to the default partition, because their day has none. */
  readonly strayed: number
}

const BATCH_ENTRIES = 500

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
  readonly #orgId: string
  readonly #options: Required<LogWriterOptions>
  /** Days (UTC) that have their partition, or cannot get one. */
  readonly #days = new Set<string>()
  #waiting: LogRow[] = []
  #bytes = 0
  #missed = 0
  #counts = { written: 0, dropped: 0, strayed: 0 }
  #running: Promise<void> | null = null
  #stopping: AbortController | null = null

  constructor(door: Door, orgId: string, options: LogWriterOptions = {}) {
    this.#door = door
    this.#orgId = orgId
    this.#options = {
      entriesMax: options.entriesMax ?? 10_000,
      bytesMax: options.bytesMax ?? 16 * 1024 * 1024,
      flushMs: options.flushMs ?? 250,
      clock: options.clock ?? (() => new Date()),
    }
  }

  get counts(): LogCounts {
    return { ...this.#counts }
  }

  add(entry: NewLogEntry): void {
    const { entriesMax, bytesMax, clock } = this.#options
    const row = logRow(entry, clock())
    const bytes = weightOf(row)
    if (this.#waiting.length >= entriesMax || this.#bytes + bytes > bytesMax) {
      this.#miss(1)
      return
    }
    this.#waiting.push(row)
    this.#bytes += bytes
  }

  start(): void {
    if (this.#running !== null) return
    const stopping = new AbortController()
    this.#stopping = stopping
    this.#running = this.#run(stopping.signal)
  }

  async stop(): Promise<void> {
    this.#stopping?.abort()
    await this.#running
    this.#running = null
    await this.flush()
  }

  /** Everything that was added before is written or counted when this returns. */
  async flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, BATCH_ENTRIES)
      this.#bytes -= batch.reduce((sum, row) => sum + weightOf(row), 0)
      try {
        await this.#write(batch)
      } catch {
        // The door has been patient already, and whoever logs is not to hear of it: the counts are.
        this.#miss(batch.length)
      }
    }
    await this.#tellMissed()
  }

  async #run(stopping: AbortSignal): Promise<void> {
    while (!stopping.aborted) {
      await sleep(this.#options.flushMs, undefined, { signal: stopping }).catch(() => undefined)
      await this.flush()
    }
  }

  async #write(batch: readonly LogRow[]): Promise<void> {
    await this.#ensureDays(batch)
    const strayed = await this.#door.write(this.#orgId, async (tx) => {
      const rows = await tx.query<{ strayed: number }>(INSERT, [this.#orgId, JSON.stringify(batch)])
      return rows[0]?.strayed ?? 0
    })
    this.#counts.written += batch.length
    this.#counts.strayed += strayed
  }

  /** Upkeep makes days ahead; this is for when it did not. Without a partition the entries stray and are not lost. */
  async #ensureDays(batch: readonly LogRow[]): Promise<void> {
    const missing = new Set(batch.map(({ at }) => at.slice(0, 10)))
    for (const day of missing) {
      if (this.#days.has(day)) continue
      await this.#door.write(this.#orgId, (tx) => makeDay(tx, day)).catch(() => undefined)
      this.#days.add(day)
    }
  }

  #miss(entries: number): void {
    this.#missed += entries
    this.#counts.dropped += entries
  }

  /** Once there is room again; while the store takes nothing, it is told later. */
  async #tellMissed(): Promise<void> {
    const missed = this.#missed
    if (missed === 0) return
    const message = `${missed} log entries were dropped: there was no room for them, or the store did not take them`
    const fields = { dropped: missed }
    const row = logRow({ level: 'warn', component: 'logs', message, fields }, this.#options.clock())
    const told = await this.#write([row]).then(
      () => true,
      () => false,
    )
    if (told) this.#missed -= missed
  }
}

async function makeDay(tx: Tx, day: string): Promise<void> {
  await tx.query('select make_log_days($1::date, 1)', [day])
}
