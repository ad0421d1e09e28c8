/** Source and target without a control plane, for commands that change nothing: plan, verify. */
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import type { Source } from '@sensei/core/ports/source'
import type { Target } from '@sensei/core/ports/target'
import { openDataFolder } from '@sensei/embedded/data-folder'
import { openSource, openTarget } from './pillars.ts'

export interface Workbench {
  readonly source: Source
  readonly target: Target
  /** A 0700 folder for private copies. */
  readonly copies: string
  close(): Promise<void>
}

export async function openWorkbench(
  env: Readonly<Record<string, string | undefined>>,
  urls: { readonly sourceUrl: string; readonly targetUrl: string },
): Promise<Workbench> {
  const source = await openSource(urls.sourceUrl)
  const target = await openTarget(urls.targetUrl)
  const copies = path.join(openDataFolder(env['SENSEI_DATA_DIR']).private, 'copies')
  await mkdir(copies, { recursive: true, mode: 0o700 })
  return { source, target, copies, close: () => target.close() }
}
