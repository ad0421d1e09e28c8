/** From findings to the verdict: anything undecided is no pass, anything unexplained is a difference. */
import type { Plan } from '@sensei/core/plan'
import type { NotChecked, Verdict, Verification } from '@sensei/core/verdict'

export type Findings = Omit<Verification, 'verdict' | 'databaseRoot'> & {
  /** What could not be compared although it should have been. */
  readonly undecided: readonly NotChecked[]
}

export function verdictOf(findings: Findings, plan: Plan): Verdict {
  // A difference that was found stays one, whatever else could not be looked at.
  if (isDifferent(findings)) return 'different'
  if (findings.undecided.length > 0) return 'inconclusive'
  // A comparison that misses a mutant proves nothing about anything else.
  if (findings.mutation.caught < findings.mutation.mutants) return 'inconclusive'
  if ([...findings.views, ...findings.queries].some(({ equal }) => equal === null))
    return 'inconclusive'
  const rejects = findings.tables.some(({ rowsRejected }) => rowsRejected > 0)
  return rejects || plan.losses.length > 0 ? 'equivalent_except_declared' : 'equivalent'
}

function isDifferent({ tables, structure, views, queries, foreignKeys }: Findings): boolean {
  return (
    structure.length > 0 ||
    tables.some(
      ({ rootSource, rootTarget, aggregates, differences }) =>
        rootSource !== rootTarget ||
        aggregates.some(({ equal }) => !equal) ||
        differences.rowsMissing + differences.rowsExtra + differences.rowsChanged > 0,
    ) ||
    [...views, ...queries].some(({ equal }) => equal === false) ||
    foreignKeys.some(({ orphans, declared }) => orphans !== declared)
  )
}
