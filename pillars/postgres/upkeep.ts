/**
 * Upkeep throws away what is over: jobs in SQL, owned by sensei_upkeep, which sees nothing else; what is kept how long
 * stands in the table `retention` (migrations/0011_upkeep.sql). Where the server has pg_cron it runs them; the scheduler
 * here runs them otherwise, and goes on with those that pg_cron left lying. A job takes a lock of its own and is run only
 * when it is due, so any number of schedulers is as good as one.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from './door/connection.ts'
import type { ServiceDoor } from './door/services.ts'

export interface UpkeepOptions {
  readonly everyMs?: number
  /** What could not be done now; it is tried again the next time. */
  readonly onError?: (what: string, error: unknown) => void
}

/** How much of each was removed; null for a job that was not due or that somebody else runs. */
export type UpkeepReport = Readonly<Record<string, number | null>>

const EVERY_MS = 60_000

/** How long a job of pg_cron's may be late before it is done here. */
const CRON_LATE = '30 minutes'

/** pg_cron looks this often; a job that is not due costs one look into `retention`. */
const CRON_SCHEDULE = '*/5 * * * *'

/** Runs what is due, each job in a transaction of its own: one that fails leaves the others alone. */
export async function runUpkeep(
  door: ServiceDoor,
  onError: UpkeepOptions['onError'] = () => undefined,
): Promise<UpkeepReport> {
  const jobs = await door.read((tx) =>
    tx.query<{ what: string; patience: string }>(
      `select what, case when exists (select from pg_extension where extname = 'pg_cron') then $1 else '0' end as patience
       from retention order by what`,
      [CRON_LATE],
    ),
  )
  const report: Record<string, number | null> = {}
  for (const { what, patience } of jobs) {
    try {
      const rows = await door.write((tx) =>
        tx.query<{ gone: string | null }>('select run_upkeep($1, $2::interval) as gone', [
          what,
          patience,
        ]),
      )
      const gone = rows[0]?.gone ?? null
      report[what] = gone === null ? null : Number(gone)
    } catch (error) {
      onError(what, error)
    }
  }
  return report
}

/** The scheduler of a process that lives long. */
export class Upkeep {
  readonly #door: ServiceDoor
  readonly #options: UpkeepOptions
  #stopping = new AbortController()
  #running: Promise<void> | null = null

  constructor(door: ServiceDoor, options: UpkeepOptions = {}) {
    this.#door = door
    this.#options = options
  }

  start(): void {
    if (this.#running !== null) return
    this.#stopping = new AbortController()
    this.#running = this.#run(this.#stopping.signal)
  }

  /** When it returns, nothing runs any more. May be called again, and before start. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
    this.#running = null
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { everyMs = EVERY_MS, onError = () => undefined } = this.#options
    while (!signal.aborted) {
      await runUpkeep(this.#door, onError).catch((error: unknown) => onError('upkeep', error))
      await sleep(everyMs, undefined, { signal }).catch(() => undefined)
    }
  }
}

/** Hands the jobs to pg_cron, where this database has it and lends it to whoever is connected. */
export async function scheduleUpkeep(client: Client): Promise<void> {
  const { rows } = await client.query<{ usable: boolean }>(
    `select coalesce(has_schema_privilege(to_regnamespace('cron')::oid, 'usage'), false) as usable
     from pg_extension where extname = 'pg_cron'`,
  )
  if (rows[0]?.usable !== true) return
  await client.query(
    `select cron.schedule('sensei-upkeep ' || what, $1, format('select run_upkeep(%L)', what)) from retention
     where not exists (select from cron.job j where j.jobname = 'sensei-upkeep ' || what)`,
    [CRON_SCHEDULE],
  )
}
