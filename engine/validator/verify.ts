/** `sensei verify`: compares a pair that exists already, whoever copied it. Nothing that it does in the target is ever committed. */
import type { Plan } from '@sensei/core/plan'
import type { Snapshot } from '@sensei/core/snapshot'
import type { Survey } from '@sensei/core/survey'
import type { Verification } from '@sensei/core/verdict'
import { checkChosen } from '../architect/chosen.ts'
import { withPassingCopy } from '../passing-copies.ts'
import { besideCheck } from '../scout/checked.ts'
import { pair } from './pairing.ts'
import type { QueryToRun } from './queries.ts'
import { type ValidatorCast, validate } from './validate.ts'

export interface VerifyRequest {
  /** Where the private copy of the source goes; it is removed in the end. */
  readonly copies: string
  readonly schema: string
  readonly include: readonly string[]
  readonly exclude: readonly string[]
  /** Null: the pair is compared as it is found. */
  readonly plan: Plan | null
  readonly options: { readonly differencesMax: number; readonly queries: readonly QueryToRun[] }
  readonly signal: AbortSignal
}

export interface Verified {
  readonly verification: Verification
  readonly plan: Plan
  readonly survey: Survey
  readonly snapshot: Snapshot
}

export function verify(cast: ValidatorCast, request: VerifyRequest): Promise<Verified> {
  return withPassingCopy(request.copies, 'verify', (folder) => verifyIn(folder, cast, request))
}

async function verifyIn(
  folder: string,
  cast: ValidatorCast,
  request: VerifyRequest,
): Promise<Verified> {
  const { signal } = request
  const tick =
    (phase: 'snapshot' | 'survey') => (table: string | null, done: number, total: number) =>
      cast.progress.report({
        phase,
        table,
        unit: phase === 'snapshot' ? 'bytes' : 'steps',
        done,
        total,
        message: null,
      })
  const taken = await cast.source.takeSnapshot(folder, {
    signal,
    onProgress: (done, total) => tick('snapshot')(null, done, total),
  })
  try {
    const { found: survey, snapshot } = await besideCheck(cast.source, taken, signal, (either) =>
      surveyOf(cast, taken, { ...request, signal: either }, tick('survey')),
    )
    if (request.plan !== null) checkChosen(request.plan, survey, request)
    const found = request.plan === null ? await pairUp(cast, survey, request) : null
    const plan = found?.plan ?? (request.plan as Plan)
    const verification = await validate(cast, plan, snapshot, {
      rejects: new Map(),
      options: request.options,
      signal,
      ...(found === null ? {} : { pairing: found }),
    })
    return { verification, plan, survey, snapshot }
  } finally {
    await cast.source.dropSnapshot(taken)
  }
}

async function surveyOf(
  cast: ValidatorCast,
  snapshot: Snapshot,
  { include, exclude, signal }: VerifyRequest,
  onProgress: (table: string, done: number, total: number) => void,
): Promise<Survey> {
  const surveyor = await cast.source.openSurveyor(snapshot)
  try {
    return await surveyor.survey({ include, exclude, signal, onProgress })
  } finally {
    await surveyor.close()
  }
}

async function pairUp(
  cast: ValidatorCast,
  survey: Survey,
  { schema, include, exclude }: VerifyRequest,
): Promise<ReturnType<typeof pair>> {
  const target = await cast.target.openWitness({ schema })
  try {
    return pair(survey, await target.describe(), schema, include.length + exclude.length > 0)
  } finally {
    await target.close()
  }
}
