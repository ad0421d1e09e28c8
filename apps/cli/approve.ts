/** The question before anything is written: what will be carried, what is lost, what stays behind. */
import { createInterface } from 'node:readline/promises'
import { displayName } from '@sensei/core/display'
import { SenseiError } from '@sensei/core/errors'
import { lossName } from '@sensei/core/losses'
import type { Plan } from '@sensei/core/plan'
import type { Io } from './io.ts'
import { grouped } from './progress/bars.ts'
import { cut } from './width.ts'

const LISTED_MAX = 12

/** False without a terminal, for "no", and at the end of input. Throws INTERRUPTED when the signal comes meanwhile. */
export async function askApproval(io: Io, plan: Plan, signal: AbortSignal): Promise<boolean> {
  if (io.answers === null) return false
  for (const line of planLines(plan)) io.say(cut(line, io.columns() - 1))
  // Without readline's own terminal handling Ctrl-C stays a signal, and means what it means everywhere.
  const dialogue = createInterface({ input: io.answers, output: io.stderr, terminal: false })
  const ended = new Promise<string>((resolve) => dialogue.once('close', () => resolve('')))
  try {
    const question = dialogue.question('Approve this plan? [y/N] ', { signal })
    return /^\s*y(es)?\s*$/i.test(await Promise.race([question, ended]))
  } catch (cause) {
    throw new SenseiError(
      'INTERRUPTED',
      'Interrupted before the plan was approved; nothing was written.',
      { cause },
    )
  } finally {
    dialogue.close()
  }
}

export function planLines(plan: Plan): string[] {
  const rows = plan.tables.reduce((sum, table) => sum + table.rows, 0)
  return [
    '',
    `Plan: ${plan.tables.length} tables, ${grouped(rows)} rows, into schema ${displayName(plan.target.schema)}`,
    ...listed(plan.tables, (table) => {
      const renamed = table.source === table.target ? '' : ` -> ${displayName(table.target)}`
      return `  ${displayName(table.source)}${renamed}: ${grouped(table.rows)} rows`
    }),
    ...(plan.losses.length === 0 ? ['Losses: none'] : ['Losses, all accepted:']),
    ...listed(
      plan.losses,
      (loss) => `  ${displayName(lossName(loss))}: ${grouped(loss.rows)} rows`,
    ),
    ...(plan.skipped.length === 0 ? ['Not carried: nothing'] : ['Not carried:']),
    ...listed(
      plan.skipped,
      (one) => `  ${one.kind} ${displayName(one.name)}: ${displayName(one.reason)}`,
    ),
  ]
}

function listed<T>(items: readonly T[], describe: (item: T) => string): string[] {
  const shown = items.slice(0, LISTED_MAX).map(describe)
  const hidden = items.length - shown.length
  return hidden > 0 ? [...shown, `  … and ${hidden} more (sensei plan shows them all)`] : shown
}
