/** The exit code of a migration that ran (docs/cli.md). */
import { ERROR_CODES, EXIT, type ExitCode } from '@sensei/core/errors'
import type { Verdict } from '@sensei/core/verdict'
import type { Outcome } from '@sensei/engine/request'

const BY_VERDICT: Record<Verdict, ExitCode> = {
  equivalent: EXIT.done,
  equivalent_except_declared: EXIT.done,
  not_validated: EXIT.done,
  different: EXIT.different,
  inconclusive: EXIT.inconclusive,
}

export function exitOf(outcome: Pick<Outcome, 'error' | 'verdict'>): ExitCode {
  if (outcome.error !== null) return ERROR_CODES[outcome.error.code].exit
  return outcome.verdict === null ? EXIT.failed : BY_VERDICT[outcome.verdict]
}
