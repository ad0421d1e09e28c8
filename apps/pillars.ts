/** Who plays which part: the one place that chooses adapters. */
import { SenseiError } from '@sensei/core/errors'
import type { Doorbell } from '@sensei/core/ports/doorbell'
import type { Journal } from '@sensei/core/ports/journal'
import type { Source } from '@sensei/core/ports/source'
import type { Target } from '@sensei/core/ports/target'
import type { Tasks } from '@sensei/core/ports/tasks'
import { type DataFolder, openDataFolder } from '@sensei/embedded/data-folder'
import type { ControlPlane } from '@sensei/embedded/server'
import type { ConnectionSettings } from '@sensei/postgres/connection'

export type { ControlPlane } from '@sensei/embedded/server'

export type Environment = Readonly<Record<string, string | undefined>>

/** How a process of ours reaches the control plane. A secret: it travels between processes, never through argv. */
export interface ControlAddress {
  readonly control: ConnectionSettings
  readonly orgId: string
}

export interface Control {
  readonly journal: Journal
  readonly tasks: Tasks
  readonly doorbell: Doorbell
  close(): Promise<void>
}

/**
 * The control plane of this machine: the embedded server, started or adopted. `meanwhile` is called while a server that
 * had to be started gets ready: there is time for something else.
 */
export async function openControlPlane(
  env: Environment,
  meanwhile: () => void = () => undefined,
): Promise<ControlPlane> {
  const { openControlPlane: open } = await import('@sensei/embedded/server')
  return open(env['SENSEI_DATA_DIR'], meanwhile)
}

/** Where keys, private copies and the embedded server live; known without starting anything. */
export function dataFolder(env: Environment): DataFolder {
  return openDataFolder(env['SENSEI_DATA_DIR'])
}

/** A new database on the embedded server, in place of one of that name. Its URL is a secret. */
export async function emptyDatabase(
  plane: Pick<ControlPlane, 'adminUrl'>,
  name: string,
): Promise<string> {
  const { emptyDatabase: make } = await import('@sensei/embedded/demo-database')
  return make(plane.adminUrl, name)
}

const loadTasks = async () => ({
  ...(await import('@sensei/postgres/door')),
  ...(await import('@sensei/postgres/tasks')),
  ...(await import('@sensei/embedded/doorbell')),
})
const loadJournal = () => import('@sensei/postgres/journal')
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

/** What a worker needs of the control plane. */
export async function openTasks(address: ControlAddress): Promise<Omit<Control, 'journal'>> {
  const { door: _, ...tasks } = await openTasksAndDoor(address)
  return tasks
}

async function openTasksAndDoor(address: ControlAddress) {
  const { Door, PostgresTasks, openDoorbell } = await loadTasks()
  const door = new Door(address.control)
  const doorbell = await openDoorbell(address.control)
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
