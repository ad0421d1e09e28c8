/**
 * The embedded control plane: a real PostgreSQL server that belongs to the data folder, not to a process. Whoever
 * comes first starts it, others adopt it, the last one out stops it. A process that uses the server holds a shared
 * advisory lock on it; SIGKILL closes the connection, and with it the lock, so no count is ever wrong. A server that
 * lost all its users that way is adopted by the next command and stopped with it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { SenseiError } from '@sensei/core/errors'
import {
  type Client,
  type ConnectionSettings,
  connect,
  isConnectionLoss,
} from '@sensei/postgres/door/connection'
import { provision } from '@sensei/postgres/setup/provision'
import { binariesFor } from './binaries.ts'
import { type DataFolder, openDataFolder, secretIn } from './data-folder.ts'
import {
  ensureCluster,
  findRunning,
  type Postmaster,
  SUPERUSER,
  start,
  stop,
} from './postmaster.ts'

export interface ControlPlane {
  /** The application's login; row-level security binds it. */
  readonly control: ConnectionSettings
  /** The organization of a single user. */
  readonly orgId: string
  /** The administrator of the server, for databases of one's own on it (demo targets). A secret. */
  readonly adminUrl: string
  /** Keys and private copies go here: 0700, out of the server's reach. */
  readonly privateFolder: string
  /** How the server was found. */
  readonly found: 'started' | 'adopted'
  /** Leaves the server, and stops it when nobody else uses it. */
  close(): Promise<void>
}

const CONTROL_DATABASE = 'sensei_control'
const CONTROL_LOGIN = 'sensei'

/** Recovery after a crash in the middle of a big load takes its time. */
const READY_MS_MAX = 300_000

/** A killed server is started again for so long; then whoever waits for it has given up. */
const AGAIN_MS_MAX = 60_000

/** Advisory locks of database postgres: who uses the server, and who is preparing the control database. */
const USERS_LOCK = 7_365_737
const PROVISION_LOCK = 7_365_738

/**
 * `dataDir` wins over $SENSEI_DATA_DIR, that over $XDG_DATA_HOME/sensei. `onStarting` is called while a server that had
 * to be started gets ready.
 */
export async function openControlPlane(
  dataDir?: string,
  onStarting: () => void = () => undefined,
): Promise<ControlPlane> {
  const folder = openDataFolder(dataDir)
  const password = secretIn(folder, 'postgres-password')
  let known: string | undefined
  const binaries = (): string => (known ??= binariesFor(folder))
  const data = await ensureCluster(folder, binaries, password)
  const deadline = performance.now() + READY_MS_MAX
  let found: ControlPlane['found'] = 'adopted'
  for (;;) {
    let running = findRunning(data)
    if (running === null) {
      running = await start(folder, binaries(), data, onStarting)
      found = 'started'
    }
    const admin = adminOf(running, password)
    try {
      const presence = await Presence.enter(admin, async () => {
        if (findRunning(data) === null) await start(folder, binaries(), data)
      })
      return await openOn({ folder, data, admin, presence, found })
    } catch (error) {
      // It was shutting down, or still starts: look again.
      if (!isConnectionLoss(error)) throw refused(error, folder)
      if (performance.now() > deadline) throw unreachable(folder, error)
      await sleep(50)
    }
  }
}

interface Opening {
  readonly folder: DataFolder
  readonly data: string
  readonly admin: ConnectionSettings
  readonly presence: Presence
  readonly found: ControlPlane['found']
}

async function openOn(opening: Opening): Promise<ControlPlane> {
  const { folder, data, admin, presence, found } = opening
  const close = async (): Promise<void> => {
    const alone = await presence.leave()
    // Not the one that was found: it may have been killed and started again since.
    const running = alone ? findRunning(data) : null
    if (running !== null) await stop(running, data)
    await presence.end()
  }
  try {
    const { control, orgId } = await presence.alone(async (client) => {
      await ensureDatabase(client)
      const login = { user: CONTROL_LOGIN, password: secretIn(folder, 'control-password') }
      return provision({ ...admin, database: CONTROL_DATABASE }, login)
    })
    const { host, port, user, password } = admin
    const adminUrl = `postgres://${user}:${password}@${host}:${port}/postgres`
    return { control, orgId, adminUrl, privateFolder: folder.private, found, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** One process's use of the server: a connection that holds the shared lock. */
class Presence {
  #client: Client
  #left = false
  readonly #admin: ConnectionSettings
  readonly #revive: () => Promise<void>

  private constructor(admin: ConnectionSettings, revive: () => Promise<void>, client: Client) {
    this.#admin = admin
    this.#revive = revive
    this.#client = client
    this.#watch()
  }

  /** `revive` starts the server where it is not there any more. */
  static async enter(admin: ConnectionSettings, revive: () => Promise<void>): Promise<Presence> {
    return new Presence(admin, revive, await hold(admin))
  }

  /** Runs `work` while no other process does the same. */
  async alone<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const client = this.#client
    await client.query('select pg_advisory_lock($1)', [PROVISION_LOCK])
    try {
      return await work(client)
    } finally {
      await client.query('select pg_advisory_unlock($1)', [PROVISION_LOCK]).catch(() => undefined)
    }
  }

  /**
   * True when nobody else is there: the lock is then held alone until the server stops, and whoever wants to enter
   * meanwhile waits, loses its connection with the server, and starts it anew.
   */
  async leave(): Promise<boolean> {
    if (this.#left) return false
    this.#left = true
    try {
      const { rows } = await this.#client.query<{ alone: boolean }>(
        `select pg_advisory_unlock_shared($1), pg_try_advisory_lock($1) as alone`,
        [USERS_LOCK],
      )
      return rows[0]?.alone === true
    } catch {
      // The server is gone already.
      return false
    }
  }

  async end(): Promise<void> {
    await this.#client.end().catch(() => undefined)
  }

  /**
   * A server that crashed and recovered by itself forgot its locks: enter again. One that was killed is started again,
   * so that whoever waits for it in this process goes on; if that fails, they say that it does not answer.
   */
  #watch(): void {
    this.#client.once('end', () => void this.#again())
  }

  async #again(): Promise<void> {
    const deadline = performance.now() + AGAIN_MS_MAX
    while (!this.#left && performance.now() < deadline) {
      try {
        await this.#revive()
        const client = await hold(this.#admin)
        if (this.#left) return await client.end()
        this.#client = client
        return this.#watch()
      } catch {
        await sleep(200, undefined, { ref: false })
      }
    }
  }
}

async function hold(admin: ConnectionSettings): Promise<Client> {
  const client = await connect(admin, 'sensei-presence')
  try {
    await client.query('select pg_advisory_lock_shared($1)', [USERS_LOCK])
    return client
  } catch (error) {
    await client.end().catch(() => undefined)
    throw error
  }
}

async function ensureDatabase(client: Client): Promise<void> {
  const known = await client.query('select from pg_database where datname = $1', [CONTROL_DATABASE])
  if (known.rowCount === 0)
    await client.query(`create database ${CONTROL_DATABASE} template template0`)
}

function adminOf(running: Postmaster, password: string): ConnectionSettings {
  return { host: '127.0.0.1', port: running.port, user: SUPERUSER, password, database: 'postgres' }
}

function refused(error: unknown, folder: DataFolder): unknown {
  const { code } = error as { code?: unknown }
  if (code !== '28P01') return error
  return new SenseiError(
    'DATA_DIR_UNUSABLE',
    `the server of ${folder.path} does not take the password in ${folder.private}: restore that folder beside its data`,
    { cause: error },
  )
}

function unreachable(folder: DataFolder, cause: unknown): SenseiError {
  return new SenseiError(
    'CONTROL_UNREACHABLE',
    `the embedded PostgreSQL runs and does not answer: see ${folder.log}`,
    { cause },
  )
}
