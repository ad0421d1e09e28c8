/**
 * `scripts/node bench/outbox/index.ts [events]`: how fast the outbox is drained (read, handed to a consumer, cursor moved)
 * in batches of 1,000, beside the two ordinary pollers on the same events in the same run. Goal: 20,000 events/s.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { startPostgres } from '@sensei/contracts/servers'
import type { LoggedEvent } from '@sensei/core/ports/event-log'
import { openEventLog } from '@sensei/embedded/event-log'
import { type Client, type ConnectionSettings, connect } from '@sensei/postgres/door/connection'
import { lifecycleEvent } from '@sensei/postgres/record/lifecycle-event'
import { EVENT, type EventRow } from '@sensei/postgres/outbox/outbox'
import { provision } from '@sensei/postgres/setup/provision'
import { provisionService } from '@sensei/postgres/door/services'
import { median } from '../report.ts'

const ROUNDS = 3
const MIGRATIONS = 600
const BATCH = 1_000

/** Rows as the triggers would have left them; made in bulk, since how they came to be is not measured here. */
const FILL = `
set session_replication_role = 'replica';
with c as (
  insert into connection (org_id, engine, url) select id, 'sqlite', 'sqlite:/bench.db' from organization limit 1
  returning org_id, id
)
insert into migration (org_id, id, source_id, target_id, options, status, version)
select c.org_id, gen_random_uuid(), c.id, c.id, '{}', 'running', $events / ${MIGRATIONS}
from c, generate_series(1, ${MIGRATIONS});
insert into migration_event (org_id, id, migration_id, version, type, status, payload, actor, partition)
select m.org_id, gen_random_uuid(), m.id, v, 'migration.taken_over', 'running',
  '{"owner": "bench-0c2f3f6c-5d3b-4a3e-9b60-2f6f7c1d8a11"}', 'bench', m.partition
from generate_series(1, $events / ${MIGRATIONS}) v, migration m order by v;
insert into outbox (org_id, partition, position, event_id)
select org_id, partition, row_number() over (partition by partition order by version, migration_id), id
from migration_event;
update outbox_partition p set last_position = (select max(position) from outbox o where o.partition = p.partition);
alter table migration_event add column seq bigint generated always as identity;
create index on migration_event (seq);
create index on migration_event (xid, seq);
create table naive_cursor (name text primary key, seq bigint not null, xid xid8 not null);
set session_replication_role = 'origin';
analyze`

interface Contender {
  readonly name: string
  /** Drains everything from the beginning; returns how many events the consumer got. */
  drain(round: number): Promise<number>
}

const PLAIN = `select ${EVENT}, e.seq, e.xid::text as xid from migration_event e
  where e.seq > $1 and $2::text is not null order by e.seq limit ${BATCH}`
const BELOW_XMIN = `select ${EVENT}, e.seq, e.xid::text as xid from migration_event e
  where (e.xid, e.seq) > ($2::text::xid8, $1) and e.xid < pg_snapshot_xmin(pg_current_snapshot())
  order by e.xid, e.seq limit ${BATCH}`

function poller(name: string, sql: string, client: Client): Contender {
  return {
    name,
    async drain() {
      await client.query('set synchronous_commit = off')
      let [seq, xid, handed] = ['0', '0', 0]
      for (;;) {
        const { rows } = await client.query<EventRow & { seq: string; xid: string }>(sql, [
          seq,
          xid,
        ])
        const last = rows.at(-1)
        if (last === undefined) return handed
        handed += rows.map(lifecycleEvent).length
        ;({ seq, xid } = last)
        await client.query(
          `insert into naive_cursor values ($1, $2, $3::text::xid8)
           on conflict (name) do update set seq = excluded.seq, xid = excluded.xid`,
          [name, seq, xid],
        )
      }
    },
  }
}

function groups(settings: ConnectionSettings, events: number): Contender {
  return {
    name: 'consumer group',
    async drain(round) {
      const log = await openEventLog(settings)
      let handed = 0
      const group = `bench-${round}`
      const consumer = async ({ events: some }: { events: readonly LoggedEvent[] }) => {
        handed += some.length
      }
      await log.consume(group, consumer, { batchEventsMax: BATCH })
      while (handed < events) await sleep(5)
      for (;;) {
        const lag = await log.lag(group)
        if (lag.every(({ position, head }) => position === head)) break
        await sleep(5)
      }
      await log.close()
      return handed
    },
  }
}

async function main(): Promise<void> {
  const wanted = Math.max(MIGRATIONS, Number(process.argv[2] ?? 120_000))
  const events = wanted - (wanted % MIGRATIONS)
  const server = await startPostgres({ version: 18 })
  const awake = setInterval(() => undefined, 60_000)
  const { host, port, user, password } = server
  const admin = { host, port, user, password, database: 'postgres' }
  await provision(admin, { user: 'bench_app', password: 'bench' })
  const login = { user: 'bench_consumer', password: 'bench' }
  const settings = await provisionService(admin, 'consumer', login)
  const client = await connect(admin)
  try {
    await client.query(FILL.replaceAll('$events', String(events)))
    const contenders = [
      groups(settings, events),
      poller('plain poller', PLAIN, client),
      poller('poller below the xmin', BELOW_XMIN, client),
    ]
    const rates = new Map<string, number[]>(contenders.map(({ name }) => [name, []]))
    for (let round = 0; round < ROUNDS; round++) {
      for (const { name, drain } of contenders) {
        const began = performance.now()
        const handed = await drain(round)
        const rate = handed / ((performance.now() - began) / 1000)
        rates.get(name)?.push(rate)
        process.stderr.write(
          `round ${round + 1}, ${name}: ${handed} events, ${Math.round(rate)}/s\n`,
        )
        if (handed !== events) process.exitCode = 1
      }
    }
    print(events, rates)
  } finally {
    await client.end()
    await server.remove()
    clearInterval(awake)
  }
}

function print(events: number, rates: ReadonlyMap<string, readonly number[]>): void {
  const plain = median(rates.get('plain poller') ?? [])
  process.stdout.write(
    `| ${events} events, batches of ${BATCH} | events/s | x plain poller | rounds |\n|---|---|---|---|\n`,
  )
  for (const [name, all] of rates) {
    const own = median(all)
    const rounds = all.map((rate) => Math.round(rate)).join(' ')
    process.stdout.write(
      `| ${name} | ${Math.round(own)} | ${(own / plain).toFixed(2)} | ${rounds} |\n`,
    )
  }
}

await main()
