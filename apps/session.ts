/** What a command of this machine works with: the control plane, and for a run the whole cast. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Journal } from '@sensei/core/ports/journal'
import type { Progress } from '@sensei/core/ports/progress'
import type { Target } from '@sensei/core/ports/target'
import type { Tasks } from '@sensei/core/ports/tasks'
import { SenseiError } from '@sensei/core/errors'
import type { Cast } from '@sensei/engine/cast'
import { auditTrail } from './audit.ts'
import { localCrew, Recruits } from './crew.ts'
import { machineSigner } from './keys.ts'
import {
  type ControlPlane,
  type Environment,
  openControl,
  openControlPlane,
  openSource,
  openTarget,
} from './pillars.ts'
import { threadScanners } from './scanners.ts'
import { TOOL } from './tool.ts'

export interface Session {
  readonly journal: Journal
  readonly tasks: Tasks
  /** Administrator's URL of the embedded server, for targets on it. A secret; null where there is none. */
  readonly adminUrl: string | null
  /** Keys and private copies: 0700. */
  readonly privateFolder: string
  cast(parts: RunParts): Promise<OpenCast>
  /** Refuses Sensei's own database; knows the secret of its own server. */
  openTarget(url: string): Promise<Target>
  /** Links and signs the audit rows of this command, in bounded time; returns what could not be done, in words. */
  settleAudit(): Promise<string | null>
  close(): Promise<void>
}

export interface RunParts {
  readonly sourceUrl: string
  readonly targetUrl: string
  readonly progress: Progress
}

export type OpenCast = Cast & { close(): Promise<void> }

/**
 * `meanwhile` is called where the embedded server has to be waited for; workers that it musters are those of the casts to
 * come.
 */
export async function openSession(
  env: Environment,
  meanwhile: (recruits: Recruits) => void = () => undefined,
): Promise<Session> {
  const recruits = new Recruits()
  try {
    const plane = await openControlPlane(env, () => meanwhile(recruits))
    return await sessionOn(plane, env, recruits)
  } catch (error) {
    await recruits.disband()
    throw error
  }
}

async function sessionOn(
  plane: ControlPlane,
  env: Environment,
  recruits: Recruits,
): Promise<Session> {
  process.stderr.write(`Control plane: ${plane.name}\n`)
  const { control: settings, direct, orgId } = plane
  const address = { control: settings, direct, orgId }
  const control = await openControl(address)
  return {
    journal: control.journal,
    tasks: control.tasks,
    adminUrl: plane.adminUrl,
    privateFolder: plane.privateFolder,
    openTarget: (url) => openForeignTarget(plane, url),
    cast: async ({ sourceUrl, targetUrl: given, progress }) => {
      const targetUrl = withOwnSecret(given, plane.adminUrl)
      const source = await openSource(sourceUrl)
      const target = await openForeignTarget(plane, targetUrl)
      const { journal, tasks, doorbell } = control
      const posting = { sourceUrl, targetUrl, control: address }
      const scanners = threadScanners({ sourceUrl, targetUrl })
      return {
        journal,
        tasks,
        doorbell,
        source,
        target,
        crew: localCrew({ tasks, progress, posting }, recruits),
        scanners,
        progress,
        signer: machineSigner(plane.privateFolder, env),
        copies: `${plane.privateFolder}/copies`,
        tool: TOOL,
        close: async () => {
          await scanners.close()
          await target.close()
        },
      }
    },
    settleAudit: () => settleAudit(plane, env),
    close: async () => {
      await recruits.disband()
      await control.close()
      await plane.close()
    },
  }
}

const SETTLE_MS_MAX = 5_000

/** What a command did is done and recorded, whether or not its rows are linked in time: the next chainer makes up for it. */
async function settleAudit(plane: ControlPlane, env: Environment): Promise<string | null> {
  const late = new AbortController()
  try {
    const settled = await Promise.race([
      auditTrail(plane, env).then((trail) => trail.settle(SETTLE_MS_MAX)),
      // The server may be gone without a word.
      sleep(2 * SETTLE_MS_MAX, null, { signal: late.signal }),
    ])
    if (settled === null) return 'the control database does not answer'
    if (settled.broken.length > 0)
      return 'its history is not what it was: run `sensei audit verify`'
    return settled.waiting === 0n ? null : `${settled.waiting} rows wait for their link`
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    late.abort()
  }
}

/** Other databases of its server may be targets; the one that keeps Sensei's own truth may not. */
async function openForeignTarget(plane: ControlPlane, url: string): Promise<Target> {
  const target = await openTarget(withOwnSecret(url, plane.adminUrl))
  try {
    await refuseOwn(plane, target)
    return target
  } catch (error) {
    await target.close()
    throw error
  }
}

async function refuseOwn(plane: ControlPlane, target: Target): Promise<void> {
  const { database } = plane.control
  const found = await target.inspect()
  if (found.database !== database) return
  const own = await openTarget(plane.ownUrl)
  try {
    if ((await own.inspect()).identity !== found.identity) return
  } finally {
    await own.close()
  }
  throw new SenseiError(
    'URL_INVALID',
    `Database ${database} on this server is where Sensei keeps its own records. Name another database.`,
  )
}

/** A URL of a database on the embedded server, as it is kept, gets back the secret that only this machine has. */
function withOwnSecret(url: string, adminUrl: string | null): string {
  if (adminUrl === null) return url
  const admin = new URL(adminUrl)
  const wanted = URL.parse(url)
  const own = wanted?.host === admin.host && wanted.username === admin.username
  if (wanted === null || !own || wanted.password !== '') return url
  wanted.password = admin.password
  return wanted.href
}
