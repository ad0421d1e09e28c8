/** A control plane of a test's own with a consumer's login, and a quick way to write many events. */
import { randomBytes, randomUUID } from 'node:crypto'
import { freshDatabase, type ServerAddress } from '@sensei/contracts/servers'
import { type Client, type ConnectionSettings, connect } from '@sensei/postgres/door/connection'
import { Door } from '@sensei/postgres/door/door'
import { PostgresJournal } from '@sensei/postgres/record/journal'
import { provision } from '@sensei/postgres/setup/provision'
import { provisionService } from '@sensei/postgres/door/services'

export interface EventsDatabase {
  readonly admin: ConnectionSettings
  /** The application's login, and one for consumers. */
  readonly control: ConnectionSettings
  readonly consumer: ConnectionSettings
  readonly orgId: string
  readonly door: Door
  readonly journal: PostgresJournal
  /** As the administrator, whom row-level security does not bind. */
  readonly client: Client
  write(migrations: number, eventsEach: number): Promise<readonly string[]>
  append(migrationId: string, events: number): Promise<void>
  /** One migration for each partition, with two events; their ids by partition. */
  writeEverywhere(): Promise<readonly string[]>
  close(): Promise<void>
}

const ENDS = {
  source: { engine: 'sqlite', url: 'sqlite:/data/shop.db' },
  target: { engine: 'postgres', url: 'postgres://sensei@127.0.0.1:5432/shop' },
} as const

export async function eventsDatabase(server: ServerAddress): Promise<EventsDatabase> {
  const fresh = await freshDatabase(server)
  const { host, port, user, password } = server
  const admin = { host, port, user, password, database: fresh.name }
  const secret = randomBytes(12).toString('hex')
  const logins = { app: `app_${fresh.name}`, consumer: `consumer_${fresh.name}` }
  const { control, orgId } = await provision(admin, { user: logins.app, password: secret })
  const login = { user: logins.consumer, password: secret }
  const consumer = await provisionService(admin, 'consumer', login)
  const door = new Door(control)
  const journal = new PostgresJournal(door, orgId)
  const client = await connect(admin)

  async function append(migrationId: string, events: number): Promise<void> {
    const { version } = await journal.get(migrationId)
    await door.write(orgId, (tx) => tx.query(TAKE_OVER, [migrationId, version, events]))
  }

  async function make(eventsEach: number, id = randomUUID() as string): Promise<string> {
    await journal.create({ id, ...ENDS, options: {}, actor: 'test' })
    const first = { migrationId: id, expectedVersion: 1, actor: 'test' }
    if (eventsEach > 1)
      await journal.transition({ ...first, event: 'planning_started', payload: {} })
    if (eventsEach > 2) await append(id, eventsEach - 2)
    return id
  }

  return {
    admin,
    control,
    consumer,
    orgId,
    door,
    journal,
    client,
    append,
    write: async (migrations, eventsEach) => {
      const ids: string[] = []
      for (let made = 0; made < migrations; made++) ids.push(await make(eventsEach))
      return ids
    },
    writeEverywhere: async () => {
      const { rows } = await client.query<{ id: string }>(
        `select distinct on (partition_of(id)) id
         from (select gen_random_uuid() as id from generate_series(1, 1000)) ids order by partition_of(id)`,
      )
      const ids: string[] = []
      for (const { id } of rows) ids.push(await make(2, id))
      return ids
    },
    async close() {
      await door.close()
      await client.end()
      await fresh.drop()
      const last = await connect({ ...admin, database: 'postgres' })
      for (const role of Object.values(logins)) await last.query(`drop role ${role}`)
      await last.end()
    },
  }
}

/** While it plans, a migration may be taken over any number of times. */
const TAKE_OVER = `
select transition($1, 'taken_over', version::int, gen_random_uuid(), '{"owner": "test"}', 'test')
from generate_series($2::int, $2::int + $3::int - 1) as version`
