/** Patterns choose the tables of a plan that is being made; one that was handed in has chosen already. */
import { displayName } from '@sensei/core/display'
import { SenseiError } from '@sensei/core/errors'
import type { Plan } from '@sensei/core/plan'
import type { Survey } from '@sensei/core/survey'

const NAMED_MAX = 3

export interface Patterns {
  readonly include: readonly string[]
  readonly exclude: readonly string[]
}

/** Throws USAGE where the patterns kept a table of the plan out of the survey. */
export function checkChosen(plan: Plan, survey: Survey, { include, exclude }: Patterns): void {
  if (include.length + exclude.length === 0) return
  const surveyed = new Set(survey.tables.map(({ name }) => name))
  const left = plan.tables.map(({ source }) => source).filter((name) => !surveyed.has(name))
  if (left.length === 0) return
  const named = left.slice(0, NAMED_MAX).map(displayName).join(', ')
  const rest = left.length > NAMED_MAX ? ` and ${left.length - NAMED_MAX} more` : ''
  throw new SenseiError(
    'USAGE',
    `--include and --exclude leave out what the plan carries: ${named}${rest}. Take it out of \`tables\` in the plan file, or leave these flags out.`,
  )
}
