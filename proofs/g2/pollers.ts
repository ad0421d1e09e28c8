/**
 * The two ways to read an ordinary outbox, on the very events of the run: a sequence number taken at insert, and either
 * everything above the last one (which loses what commits late), or only what lies below the oldest transaction of the
 * cluster (which waits for a stranger).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '@sensei/postgres/door/connection'

export const SEQUENCE = `
  alter table migration_event add column seq bigint generated always as identity;
  create index on migration_event (seq);
  create index on migration_event (xid, seq)`

const PLAIN = `select id, migration_id, version, seq, xid::text as xid from migration_event
  where seq > $1 order by seq limit 1000`

const BELOW_XMIN = `select id, migration_id, version, seq, xid::text as xid from migration_event
  where (xid, seq) > ($2::text::xid8, $1) and xid < pg_snapshot_xmin(pg_current_snapshot())
  order by xid, seq limit 1000`

interface Row {
  readonly id: string
  readonly migration_id: string
  readonly version: number
  readonly seq: string
  readonly xid: string
}

export class Poller {
  readonly seen = new Set<string>()
  outOfOrder = 0
  readonly #client: Client
  readonly #plain: boolean
  readonly #versions = new Map<string, number>()
  #last = { seq: '0', xid: '0' }
  #ending = false

  constructor(client: Client, kind: 'plain' | 'below xmin') {
    this.#client = client
    this.#plain = kind === 'plain'
  }

  /** Ends after one more look that finds nothing. */
  end(): void {
    this.#ending = true
  }

  async follow(): Promise<void> {
    for (;;) {
      const last = this.#ending
      if ((await this.#look()) > 0) continue
      if (last) return
      await sleep(5)
    }
  }

  async #look(): Promise<number> {
    const { seq, xid } = this.#last
    const { rows } = this.#plain
      ? await this.#client.query<Row>(PLAIN, [seq])
      : await this.#client.query<Row>(BELOW_XMIN, [seq, xid])
    for (const row of rows) {
      this.seen.add(row.id)
      if (row.version < (this.#versions.get(row.migration_id) ?? 0)) this.outOfOrder++
      this.#versions.set(row.migration_id, row.version)
      this.#last = row
    }
    return rows.length
  }
}
