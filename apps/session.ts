/** What a command of this machine works with: the control plane, and for a run the whole cast. */
import type { Journal } from '@sensei/core/ports/journal'
import type { Progress } from '@sensei/core/ports/progress'
import type { Tasks } from '@sensei/core/ports/tasks'
import { openControlPlane } from '@sensei/embedded/server'
import type { Cast } from '@sensei/engine/cast'
import { localCrew } from './crew.ts'
import { machineSigner } from './keys.ts'
import { openControl, openSource, openTarget } from './pillars.ts'
import { threadScanners } from './scanners.ts'
import { TOOL } from './tool.ts'

export interface Session {
  readonly journal: Journal
  readonly tasks: Tasks
  /** Administrator's URL of the embedded server, for targets on it. A secret. */
  readonly adminUrl: string
  /** Keys and private copies: 0700. */
  readonly privateFolder: string
  cast(parts: RunParts): Promise<OpenCast>
  close(): Promise<void>
}

export interface RunParts {
  readonly sourceUrl: string
  readonly targetUrl: string
  readonly progress: Progress
}

export type OpenCast = Cast & { close(): Promise<void> }

type Environment = Readonly<Record<string, string | undefined>>

export async function openSession(env: Environment): Promise<Session> {
  const plane = await openControlPlane(env['SENSEI_DATA_DIR'])
  const address = { control: plane.control, orgId: plane.orgId }
  const control = await openControl(address)
  return {
    journal: control.journal,
    tasks: control.tasks,
    adminUrl: plane.adminUrl,
    privateFolder: plane.privateFolder,
    cast: async ({ sourceUrl, targetUrl, progress }) => {
      const source = await openSource(sourceUrl)
      const target = await openTarget(targetUrl)
      const { journal, tasks, doorbell } = control
      const posting = { sourceUrl, targetUrl, control: address }
      const scanners = threadScanners({ sourceUrl, targetUrl })
      return {
        journal,
        tasks,
        doorbell,
        source,
        target,
        crew: localCrew({ tasks, progress, posting }),
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
    close: async () => {
      await control.close()
      await plane.close()
    },
  }
}
