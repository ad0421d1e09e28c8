/** Survey and plan only: changes nothing, neither in the target nor in the control plane. */
import type { Plan } from '@sensei/core/plan'
import { planHash } from '@sensei/core/plan-hash'
import type { Progress } from '@sensei/core/ports/progress'
import type { Source } from '@sensei/core/ports/source'
import type { PreflightFinding, Target } from '@sensei/core/ports/target'
import { drawing, drawPlan } from './conductor/draw.ts'
import { withPassingCopy } from './passing-copies.ts'
import type { MigrationOptions } from './request.ts'

export interface DraftCast {
  readonly source: Source
  readonly target: Target
  readonly progress: Progress
  readonly copies: string
}

export interface Draft {
  readonly plan: Plan
  readonly hash: string
  /** What the target has against it, and advice. */
  readonly findings: readonly PreflightFinding[]
}

export function draft(
  cast: DraftCast,
  options: MigrationOptions,
  edited: unknown,
  signal: AbortSignal,
): Promise<Draft> {
  return withPassingCopy(cast.copies, 'plan', (folder) =>
    draftIn(folder, cast, { options, edited, signal }),
  )
}

interface Asked {
  readonly options: MigrationOptions
  readonly edited: unknown
  readonly signal: AbortSignal
}

async function draftIn(
  folder: string,
  cast: DraftCast,
  { options, edited, signal }: Asked,
): Promise<Draft> {
  const snapshot = await cast.source.takeSnapshot(folder, {
    signal,
    onProgress: (done, total) =>
      cast.progress.report({
        phase: 'snapshot',
        table: null,
        unit: 'bytes',
        done,
        total,
        message: null,
      }),
  })
  try {
    const { plan } = await drawPlan(cast, snapshot, options, drawing(options, edited), signal)
    return { plan, hash: planHash(plan), findings: await cast.target.preflight(plan) }
  } finally {
    await cast.source.dropSnapshot(snapshot)
  }
}
