/** What the architect decides about one column's values. */
import type { LossRule } from '@sensei/core/losses'
import type { Conversion, Fidelity } from '@sensei/core/plan'
import type { ColumnProfile, TextFormat } from '@sensei/core/survey'

export interface Decision {
  readonly type: string
  readonly conversion: Conversion
  readonly fidelity: Fidelity
  readonly formats?: readonly TextFormat[]
  readonly unfit: 'reject' | 'null'
  readonly losses: readonly LossDraft[]
  readonly findings: readonly FindingDraft[]
}

export interface LossDraft {
  readonly rule: LossRule
  readonly rows: number
  readonly examples: readonly string[]
}

export interface FindingDraft {
  readonly code: string
  readonly message: string
}

/** How the column is used, where that narrows the choice. */
export interface ColumnUse {
  readonly notNull: boolean
  /** Part of a primary key, a unique key or a foreign key on either side: equal must stay equal, and unequal unequal. */
  readonly inKey: boolean
  /** Part of an index, for which its type needs an order. */
  readonly indexed: boolean
}

export function exact(type: string, conversion: Conversion): Decision {
  return { type, conversion, fidelity: 'exact', unfit: 'reject', losses: [], findings: [] }
}

export function converted(type: string, conversion: Conversion): Decision {
  return { ...exact(type, conversion), fidelity: 'converted' }
}

/** A lossy decision; a rule that touches no row is no loss. */
export function lossy(
  type: string,
  conversion: Conversion,
  losses: readonly LossDraft[],
): Decision {
  const real = losses.filter((loss) => loss.rows > 0)
  const fidelity = real.length > 0 ? 'lossy' : 'converted'
  return { ...exact(type, conversion), fidelity, losses: real }
}

export function withFinding(decision: Decision, code: string, message: string): Decision {
  return { ...decision, findings: [...decision.findings, { code, message }] }
}

/** The first examples that the survey has under one of these names. */
export function examplesOf(profile: ColumnProfile, ...names: readonly string[]): readonly string[] {
  for (const name of names) {
    if (Object.hasOwn(profile.examples, name)) return profile.examples[name] ?? []
  }
  return []
}
