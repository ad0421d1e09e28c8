/**
 * The services that serve all tenants, each with a login of its own that is a member of one role: what that role sees
 * across tenants is said by policies "to" it in migrations/, table by table, and nothing of it by BYPASSRLS.
 *
 * relay     reads the outbox and its events            chainer  reads audit rows and links them
 * consumer  reads them too, writes what it delivered   upkeep   throws away what is over
 */
import { type Client, type ConnectionSettings, connect } from './connection.ts'
import { Door, type DoorOptions, type Tx } from './door.ts'
import { ensureLogin, type Login } from '../setup/provision.ts'

export const SERVICES = ['relay', 'consumer', 'chainer', 'upkeep'] as const
export type Service = (typeof SERVICES)[number]

export const serviceRole = (service: Service): string => `sensei_${service}`

/** Transactions of a service: as the Door's, patience and settling included, but of no tenant. */
export class ServiceDoor {
  readonly #door: Door

  constructor(settings: ConnectionSettings, service: Service, options: DoorOptions = {}) {
    this.#door = new Door(settings, { applicationName: `sensei-${service}`, ...options })
  }

  read<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#door.read(NO_TENANT, work)
  }

  /** May run again after an unknown COMMIT, as the Door's does. */
  write<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#door.write(NO_TENANT, work)
  }

  close(): Promise<void> {
    return this.#door.close()
  }
}

/** With it set, every tenant policy is false. */
export const NO_TENANT = ''

/** Makes the service's login on a migrated control plane, or gives it this password. `admin` is the administrator. */
export async function provisionService(
  admin: ConnectionSettings,
  service: Service,
  login: Login,
): Promise<ConnectionSettings> {
  const client: Client = await connect(admin, 'sensei-provision')
  try {
    await ensureLogin(client, login, serviceRole(service))
    return { ...admin, ...login }
  } finally {
    await client.end()
  }
}
