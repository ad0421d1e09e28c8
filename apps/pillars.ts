/** Who plays which part: the one place that chooses adapters. */
import { SenseiError } from '@sensei/core/errors'
import type { Doorbell } from '@sensei/core/ports/doorbell'
import type { EventLog } from '@sensei/core/ports/event-log'
import type { Journal } from '@sensei/core/ports/journal'
import type { Source } from '@sensei/core/ports/source'
import type { Target } from '@sensei/core/ports/target'
import type { Tasks } from '@sensei/core/ports/tasks'
import { type DataFolder, openDataFolder, secretIn } from '@sensei/embedded/data-folder'
import type { AuditTrail, TrailParts } from '@sensei/postgres/audit/trail'
import type { AuditDetail } from '@sensei/postgres/door/commands'
import type { ConnectionSettings } from '@sensei/postgres/door/connection'
import type { KeyOrigin } from '@sensei/postgres/secrets/key-ring'
import type { Rotation } from '@sensei/postgres/secrets/rewrap'
import type { Platform, PlatformOptions } from '@sensei/postgres/platform'
import type { Finding } from '@sensei/postgres/setup/doctor'
import type { ExternalUrls } from '@sensei/postgres/setup/external'

export { syncFolder } from '@sensei/postgres/secrets/sync-folder'
export type { AuditTrail } from '@sensei/postgres/audit/trail'
export type { KeyOrigin } from '@sensei/postgres/secrets/key-ring'
export type { ApiKey } from '@sensei/postgres/tenants/api-keys'
export type { StoredConnection } from '@sensei/postgres/secrets/connections'
export type { LogWriter } from '@sensei/postgres/search/logs'
export type { MigrationSummary } from '@sensei/postgres/record/migration-pages'
export type { Organization } from '@sensei/postgres/tenants/organizations'
export type { Acting, Platform, PlatformOptions } from '@sensei/postgres/platform'
export type { PlannedColumn, PlanVersion } from '@sensei/postgres/record/plans'
export type { ReportName, ReportRows } from '@sensei/postgres/record/reports'
export type { SearchHit } from '@sensei/postgres/search/search'
export type { Session as LoginSession } from '@sensei/postgres/tenants/sessions'
export type { Member } from '@sensei/postgres/tenants/users'

export type Environment = Readonly<Record<string, string | undefined>>

/** How a process of ours reaches the control plane. A secret: it travels between processes, never through argv. */
export interface ControlAddress {
  readonly control: ConnectionSettings
  /** The server itself, where `control` may lead through a connection pooler: for LISTEN. */
  readonly direct: ConnectionSettings
  readonly orgId: string
}

export interface Control {
  readonly journal: Journal
  readonly tasks: Tasks
  readonly doorbell: Doorbell
  close(): Promise<void>
}

/** Where Sensei keeps its records. */
export interface ControlPlane extends ControlAddress {
  /** Which one it is, for people. */
  readonly name: string
  /** Of the control database itself, to tell it from a target. A secret. */
  readonly ownUrl: string
  /** The administrator of the embedded server, for databases of one's own on it (demo targets); a secret. Null elsewhere. */
  readonly adminUrl: string | null
  /** Keys and private copies go here, wherever the records are: 0700, out of a server's reach. */
  readonly privateFolder: string
  close(): Promise<void>
}

/**
 * The PostgreSQL that DATABASE_URL names, or without it the embedded server of this machine, started or adopted. One that is
 * named and does not answer is an error. `meanwhile` is called while an embedded server that had to be started gets ready:
 * there is time for something else.
 */
export async function openControlPlane(
  env: Environment,
  meanwhile: () => void = () => undefined,
): Promise<ControlPlane> {
  if (namesControlPlane(env)) {
    const { externalUrls } = await import('@sensei/postgres/setup/external')
    const urls = externalUrls(env)
    if (urls !== undefined) return openExternalPlane(env, urls)
  }
  const { openControlPlane: open } = await import('@sensei/embedded/server')
  const plane = await open(env['SENSEI_DATA_DIR'], meanwhile)
  const { control, orgId, adminUrl, privateFolder } = plane
  const own = new URL(adminUrl)
  own.pathname = `/${control.database}`
  return {
    control,
    direct: control,
    orgId,
    name: `embedded PostgreSQL in ${dataFolder(env).path}`,
    ownUrl: own.href,
    adminUrl,
    privateFolder,
    close: () => plane.close(),
  }
}

const CONTROL_VARIABLES = [
  'DATABASE_URL',
  'DATABASE_URL_FILE',
  'DATABASE_DIRECT_URL',
  'DATABASE_DIRECT_URL_FILE',
]

/** True where the control plane is not the embedded one. */
export function namesControlPlane(env: Environment): boolean {
  return CONTROL_VARIABLES.some((name) => env[name])
}

/** The same environment, with the embedded control plane. */
export function embeddedOnly<E extends Environment>(env: E): E {
  const kept = Object.entries(env).filter(([name]) => !CONTROL_VARIABLES.includes(name))
  return Object.fromEntries(kept) as E
}

export type { Finding } from '@sensei/postgres/setup/doctor'

/** What is wrong with the control plane, or missing; it is set up where nothing stands in the way. */
export async function examineControlPlane(env: Environment): Promise<readonly Finding[]> {
  const { examineServer, examineDatabase } = await import('@sensei/postgres/setup/doctor')
  const { externalUrls, reachable } = await import('@sensei/postgres/setup/external')
  const urls = externalUrls(env)
  const before = urls === undefined ? [] : await examineServer(await reachable(urls.direct))
  if (before.some(({ ok, blocks }) => !ok && blocks)) return before
  const plane = await openControlPlane(env)
  try {
    const own = await reachable({ name: 'the control plane', url: plane.ownUrl })
    const known: Finding = { name: 'control plane', ok: true, detail: plane.name, remedies: [] }
    const server = urls === undefined ? await examineServer(own) : before
    return [known, ...server, ...(await examineDatabase(own))]
  } finally {
    await plane.close()
  }
}

/** Null where it cannot be seen from here. */
export async function targetFreeBytes(url: string): Promise<number | null> {
  return (await import('@sensei/target/disk')).targetFreeBytes(url)
}

async function openExternalPlane(env: Environment, urls: ExternalUrls): Promise<ControlPlane> {
  const { openExternal, shownAddress } = await import('@sensei/postgres/setup/external')
  const { control, direct, orgId } = await openExternal(urls)
  const around = control.host === direct.host && control.port === direct.port ? '' : ', pooled'
  return {
    control,
    direct,
    orgId,
    name: `PostgreSQL at ${shownAddress(control)} (${urls.pooled.name}${around})`,
    ownUrl: urls.direct.url,
    adminUrl: null,
    privateFolder: dataFolder(env).private,
    close: () => Promise.resolve(),
  }
}

/** How a service of all tenants reaches the control plane: past any pooler, as its own role and no more. A secret. */
export function serviceSettings(
  plane: Pick<ControlPlane, 'adminUrl' | 'direct'>,
  service: 'chainer' | 'consumer' | 'keeper' | 'upkeep',
): ConnectionSettings {
  const role = `sensei_${service}`
  if (plane.adminUrl === null) return { ...plane.direct, role }
  const { username: user, password } = new URL(plane.adminUrl)
  return { ...plane.direct, user, password, role }
}

export async function openAuditTrail(
  plane: ControlPlane,
  parts: Pick<TrailParts, 'file' | 'signer' | 'keys'>,
): Promise<AuditTrail> {
  const { AuditTrail: Trail } = await import('@sensei/postgres/audit/trail')
  const { control, orgId } = plane
  return new Trail({ ...parts, control, orgId, chainer: serviceSettings(plane, 'chainer') })
}

/** Throws away what is over, once it is started and until it is stopped. */
export async function openUpkeep(
  plane: Pick<ControlPlane, 'adminUrl' | 'direct'>,
  onError: (what: string, error: unknown) => void,
): Promise<{ start(): void; stop(): Promise<void> }> {
  const [{ ServiceDoor }, { Upkeep }] = await Promise.all([
    import('@sensei/postgres/door/services'),
    import('@sensei/postgres/upkeep'),
  ])
  const door = new ServiceDoor(serviceSettings(plane, 'upkeep'), 'upkeep', { connectionsMax: 1 })
  const upkeep = new Upkeep(door, { onError })
  return {
    start: () => upkeep.start(),
    stop: async () => {
      await upkeep.stop()
      await door.close()
    },
  }
}

/**
 * Brings all secrets under a new key-encryption key, or under the first of those that were given, while others work. What
 * nothing uses afterwards is retired, and thrown away where the file of keys is ours.
 */
export async function rotateEncryption(
  plane: ControlPlane,
  origin: KeyOrigin,
  actor: string,
): Promise<Rotation> {
  const [{ KeyRing }, { rewrapAll, rotatingAlone }] = await Promise.all([
    import('@sensei/postgres/secrets/key-ring'),
    import('@sensei/postgres/secrets/rewrap'),
  ])
  const ring = new KeyRing(origin)
  const keeper = serviceSettings(plane, 'keeper')
  return rotatingAlone(keeper, async () => {
    if (ring.writable) await ring.add()
    const rotation = await rewrapAll(keeper, ring)
    if (ring.writable) await ring.keepOnly(rotation.kept)
    const { keyId, rewrapped, retired } = rotation
    const detail = { key_id: keyId, rewrapped, retired: [...retired] }
    await recordDeed(plane, { action: 'keys.rotated', actor, detail })
    return rotation
  })
}

/** The audit row of something that was done outside of the database. */
export async function recordDeed(plane: ControlAddress, deed: Deed): Promise<void> {
  const [{ Door }, { command }] = await Promise.all([
    import('@sensei/postgres/door/door'),
    import('@sensei/postgres/door/commands'),
  ])
  const { action, actor, detail } = deed
  const door = new Door(plane.control, { connectionsMax: 1 })
  try {
    await command(
      door,
      { orgId: plane.orgId, actor, action },
      async () => detail,
      async () => undefined,
    )
  } finally {
    await door.close()
  }
}

export interface Deed {
  readonly action: string
  readonly actor: string
  /** Never a secret. */
  readonly detail: AuditDetail
}

/** Where keys, private copies and the embedded server live; known without starting anything. */
export function dataFolder(env: Environment): DataFolder {
  return openDataFolder(env['SENSEI_DATA_DIR'])
}

/** A secret of this data folder, made on first use. */
export function keptSecret(env: Environment, name: string): string {
  return secretIn(dataFolder(env), name)
}

/** A new database on the embedded server, in place of one of that name. Its URL is a secret. */
export async function emptyDatabase(
  plane: Pick<ControlPlane, 'adminUrl'>,
  name: string,
): Promise<string> {
  if (plane.adminUrl === null) {
    throw new SenseiError(
      'CONFIG_INVALID',
      'databases of Sensei’s own are made on its embedded server only',
    )
  }
  const { emptyDatabase: make } = await import('@sensei/embedded/demo-database')
  return make(plane.adminUrl, name)
}

const loadTasks = async () => ({
  ...(await import('@sensei/postgres/door/door')),
  ...(await import('@sensei/postgres/record/tasks')),
  ...(await import('@sensei/embedded/doorbell')),
})
const loadJournal = () => import('@sensei/postgres/record/journal')
const loadSqlite = () => import('@sensei/sqlite/source')
const loadTarget = () => import('@sensei/target/target')

/** For a process that waits: the code of whatever it will open. A worker keeps no journal. */
export async function loadAdapters(process: 'conductor' | 'worker'): Promise<void> {
  const journal = process === 'conductor' ? loadJournal() : null
  await Promise.all([loadTasks(), loadSqlite(), loadTarget(), journal])
}

export async function openControl(address: ControlAddress): Promise<Control> {
  const [{ PostgresJournal }, { door, ...tasks }] = await Promise.all([
    loadJournal(),
    openTasksAndDoor(address),
  ])
  return { journal: new PostgresJournal(door, address.orgId), ...tasks }
}

/** What a server asks of the control plane, for every organization in it. */
export async function openPlatform(options: PlatformOptions): Promise<Platform> {
  const { Platform: Store } = await import('@sensei/postgres/platform')
  return new Store(options)
}

/** What a worker needs of the control plane. */
export async function openTasks(address: ControlAddress): Promise<Omit<Control, 'journal'>> {
  const { door: _, ...tasks } = await openTasksAndDoor(address)
  return tasks
}

async function openTasksAndDoor(address: ControlAddress) {
  const { Door, PostgresTasks, openDoorbell } = await loadTasks()
  const door = new Door(address.control)
  const doorbell = await openDoorbell(address.direct)
  return {
    door,
    tasks: new PostgresTasks(door, address.orgId),
    doorbell,
    close: async () => {
      await doorbell.close()
      await door.close()
    },
  }
}

/** The engine is the URL's scheme. Adapters are loaded on demand: `--help` needs none. */
export async function openSource(url: string): Promise<Source> {
  const scheme = schemeOf(url, '--source')
  if (scheme === 'sqlite') return (await loadSqlite()).openSqliteSource(url)
  throw unsupported(scheme, '--source', 'sqlite:PATH')
}

/** How much there is to carry, where that can be told without opening the source; else null. */
export async function sourceBytes(url: string): Promise<number | null> {
  return schemeOf(url, '--source') === 'sqlite' ? (await loadSqlite()).sqliteBytes(url) : null
}

export async function openTarget(url: string): Promise<Target> {
  const scheme = schemeOf(url, '--target')
  if (scheme === 'postgres' || scheme === 'postgresql') {
    return (await loadTarget()).openTarget(url)
  }
  throw unsupported(scheme, '--target', 'postgres://USER@HOST:PORT/DATABASE')
}

function schemeOf(url: string, flag: string): string {
  const scheme = /^([a-z][a-z0-9+]*):/i.exec(url)?.[1]
  if (scheme !== undefined) return scheme.toLowerCase()
  throw new SenseiError(
    'URL_INVALID',
    `${flag} needs a URL such as sqlite:PATH or postgres://USER@HOST/DATABASE; what was given has no scheme.`,
  )
}

function unsupported(scheme: string, flag: string, example: string): SenseiError {
  return new SenseiError(
    'URL_ENGINE_UNSUPPORTED',
    `${flag} cannot be a ${scheme}: URL. What works there: ${example}`,
  )
}

/** The last events of the organization, or of one migration. */
export async function openEventTail(plane: ControlAddress, migrationId?: string) {
  const [{ Door }, { EventTail }] = await Promise.all([
    import('@sensei/postgres/door/door'),
    import('@sensei/postgres/outbox/event-tail'),
  ])
  const door = new Door(plane.control, { connectionsMax: 1 })
  return { tail: new EventTail(door, plane.orgId, migrationId), close: () => door.close() }
}

/** The history of all migrations, for groups of consumers. */
export async function openEventLog(plane: ControlPlane): Promise<EventLog> {
  const { openEventLog: open } = await import('@sensei/embedded/event-log')
  return open(serviceSettings(plane, 'consumer'))
}
