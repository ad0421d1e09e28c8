/** Source and target without a control plane, for commands that change nothing: plan, verify. */
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import type { Scanners } from '@sensei/core/ports/scanners'
import type { Source } from '@sensei/core/ports/source'
import type { Target } from '@sensei/core/ports/target'
import { dataFolder, type Environment, openSource, openTarget } from './pillars.ts'
import { threadScanners } from './scanners.ts'

export interface Workbench {
  readonly source: Source
  readonly target: Target
  readonly scanners: Scanners
  /** A 0700 folder for private copies. */
  readonly copies: string
  close(): Promise<void>
}

export async function openWorkbench(
  env: Environment,
  urls: { readonly sourceUrl: string; readonly targetUrl: string },
): Promise<Workbench> {
  const source = await openSource(urls.sourceUrl)
  const target = await openTarget(urls.targetUrl)
  const copies = path.join(dataFolder(env).private, 'copies')
  await mkdir(copies, { recursive: true, mode: 0o700 })
  const scanners = threadScanners(urls)
  return {
    source,
    target,
    scanners,
    copies,
    close: async () => {
      await scanners.close()
      await target.close()
    },
  }
}
