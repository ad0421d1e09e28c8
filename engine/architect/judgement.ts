/** What a profile says of a conversion that somebody chose. */
import type { LossRule } from '@sensei/core/losses'
import type { ColumnProfile } from '@sensei/core/survey'
import type { LossDraft } from './decision.ts'

/** Values that the conversion cannot represent, and what becomes of the others. */
export interface Judgement {
  readonly misfits: number
  /** The rule under which misfits become NULL; null where none may. */
  readonly toNull: LossRule | null
  readonly losses: readonly LossDraft[]
  /** Whether a value arrives in the type that it has in the source. */
  readonly exact: boolean
}

export function valueCount(profile: ColumnProfile): number {
  const { integer, real, text, blob } = profile.census
  return integer + real + text + blob
}

export function fitting(profile: ColumnProfile, fits: number, toNull: LossRule | null): Judgement {
  return { misfits: valueCount(profile) - fits, toNull, losses: [], exact: false }
}
