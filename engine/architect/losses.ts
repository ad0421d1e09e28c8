/** Which losses of a plan nobody accepted yet. */
import { SenseiError } from '@sensei/core/errors'
import { matchesGlob } from '@sensei/core/glob'
import { type DeclaredLoss, LOSS_RULES, lossName } from '@sensei/core/losses'
import type { Plan } from '@sensei/core/plan'

/**
 * An entry of `accepted` is a loss's exact name (`rule:table.column`), a rule, which accepts it everywhere, or a
 * pattern of names. Throws USAGE for a rule that does not exist: a slip must not look like consent withheld.
 */
export function unacceptedLosses(plan: Plan, accepted: readonly string[]): readonly DeclaredLoss[] {
  for (const entry of accepted) checkRule(entry)
  return plan.losses.filter((loss) => !accepted.some((entry) => accepts(entry, loss)))
}

function accepts(entry: string, loss: DeclaredLoss): boolean {
  const name = lossName(loss)
  return entry === name || entry === loss.rule || (/[*?]/.test(entry) && matchesGlob(name, entry))
}

function checkRule(entry: string): void {
  const [rule = ''] = entry.split(':', 1)
  if (Object.hasOwn(LOSS_RULES, rule) || /[*?]/.test(rule)) return
  throw new SenseiError(
    'USAGE',
    `There is no loss rule “${rule}”. Did you mean “${nearestRule(rule)}”? The rules are ${Object.keys(LOSS_RULES).join(', ')}.`,
    { details: { rule } },
  )
}

function nearestRule(wrong: string): string {
  const cut = wrong.slice(0, 100)
  const byDistance = Object.keys(LOSS_RULES).map((rule) => ({
    rule,
    distance: editDistance(cut, rule),
  }))
  byDistance.sort((left, right) => left.distance - right.distance)
  return byDistance[0]?.rule ?? ''
}

/** Levenshtein's distance, one row of the table at a time. */
function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, at) => at)
  for (const [line, char] of [...left].entries()) {
    const next = [line + 1]
    for (let at = 0; at < right.length; at += 1) {
      const replaced = (row[at] ?? 0) + (char === right[at] ? 0 : 1)
      next.push(Math.min(replaced, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1))
    }
    row = next
  }
  return row.at(-1) ?? 0
}
