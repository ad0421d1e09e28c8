/** What of a plan can be compared; the rest is named, because a silent gap would be a lie. */
import { isComparable } from '@sensei/core/canonical/types'
import type { Plan, TableMapping } from '@sensei/core/plan'
import type { NotChecked } from '@sensei/core/verdict'

export interface Comparable {
  readonly tables: readonly TableMapping[]
  /** Things that the verdict cannot do without: it is inconclusive while there are any. */
  readonly undecided: readonly NotChecked[]
  /** Things that are not there on one side, by the plan. */
  readonly left: readonly NotChecked[]
}

export function comparable(plan: Plan): Comparable {
  const undecided: NotChecked[] = []
  const left: NotChecked[] = []
  const tables = plan.tables.flatMap((table) => {
    const unknown = table.columns.filter(
      (column) => column.source !== null && !isComparable(column),
    )
    for (const column of unknown) {
      undecided.push({
        what: `column ${table.target}.${column.target}`,
        reason: `no ${column.conversion} becomes ${column.type} in a way that both sides can spell`,
      })
    }
    for (const column of table.columns) {
      if (column.source === null)
        left.push({
          what: `column ${table.target}.${column.target}`,
          reason: 'only the target has it',
        })
    }
    if (unknown.length === 0) return [table]
    const columns = table.columns.filter((column) => !unknown.includes(column))
    // Not even its rows could be told apart then.
    if (columns.every((column) => column.source === null)) return []
    const key =
      table.key?.every((name) => columns.some((column) => column.target === name)) === true
        ? table.key
        : null
    return [{ ...table, columns, key }]
  })
  if (plan.append) {
    left.push({
      what: 'keys, constraints, indexes, defaults, triggers and row-level security of the tables',
      reason: 'the tables were there before (--append), and their rules are their owner’s',
    })
  }
  for (const object of plan.skipped) {
    left.push({
      what: `${object.kind} ${object.table === null ? '' : `${object.table}.`}${object.name}`,
      reason: object.reason,
    })
  }
  return { tables, undecided, left }
}
