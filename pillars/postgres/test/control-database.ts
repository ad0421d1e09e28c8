/** A migrated control plane of a test's own, on one of the shared servers, with a login that only it has. */
import { randomBytes } from 'node:crypto'
import { freshDatabase, type ServerAddress } from '@sensei/contracts/servers'
import { type Client, type ConnectionSettings, connect } from '@sensei/postgres/door/connection'
import { Door, type DoorOptions } from '@sensei/postgres/door/door'
import { PostgresJournal } from '@sensei/postgres/record/journal'
import { provision } from '@sensei/postgres/setup/provision'
import { PostgresTasks } from '@sensei/postgres/record/tasks'

export interface TestControl {
  readonly admin: ConnectionSettings
  readonly control: ConnectionSettings
  readonly orgId: string
  readonly door: Door
  readonly journal: PostgresJournal
  readonly tasks: PostgresTasks
  /** As the administrator, whom row-level security does not bind. */
  readonly client: Client
  close(): Promise<void>
}

export async function testControl(
  server: ServerAddress,
  options: DoorOptions = {},
): Promise<TestControl> {
  const fresh = await freshDatabase(server)
  const { host, port, user, password } = server
  const admin = { host, port, user, password, database: fresh.name }
  const login = { user: `app_${fresh.name}`, password: randomBytes(12).toString('hex') }
  const { control, orgId } = await provision(admin, login)
  const door = new Door(control, options)
  const client = await connect(admin)
  return {
    admin,
    control,
    orgId,
    door,
    journal: new PostgresJournal(door, orgId),
    tasks: new PostgresTasks(door, orgId),
    client,
    async close() {
      await door.close()
      await client.end()
      await fresh.drop()
      const last = await connect({ ...admin, database: 'postgres' })
      await last.query(`drop role ${login.user}`)
      await last.end()
    },
  }
}

export const endpoints = {
  source: { engine: 'sqlite', url: 'sqlite:/data/shop.db' },
  target: { engine: 'postgres', url: 'postgres://sensei@127.0.0.1:5432/shop' },
} as const
