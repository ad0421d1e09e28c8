/**
 * Both ends of a foreign key must have types that PostgreSQL can compare. Each column alone may be judged otherwise
 * (a parent of uuids, a child with one text that is none), so the columns that foreign keys tie together are judged
 * again as one.
 */
import type { SurveyTable } from '@sensei/core/survey'
import { type Decision, converted, exact } from './decision.ts'
import { foldName } from './names.ts'

export type Decisions = Map<string, Decision>

export function columnId(table: string, column: string): string {
  return JSON.stringify([foldName(table), foldName(column)])
}

/** Changes decisions in place; those of columns without foreign keys stay. */
export function harmonize(tables: readonly SurveyTable[], decisions: Decisions): void {
  for (const group of tiedColumns(tables)) {
    const members = group.filter((id) => decisions.has(id))
    const types = new Set(members.map((id) => decisions.get(id)?.type))
    if (types.size < 2) continue
    const common = commonDecision(
      members.map((id) => decisions.get(id)),
      profileOf(tables, members),
    )
    if (common === null) continue
    for (const id of members) {
      const own = decisions.get(id)
      if (own !== undefined && own.type !== common.type)
        decisions.set(id, { ...common, findings: own.findings })
    }
  }
}

/** A decision that suits every member, or null when there is none and the foreign keys are skipped. */
function commonDecision(
  decisions: readonly (Decision | undefined)[],
  hasValues: readonly boolean[],
): Decision | null {
  const filled = decisions.filter(
    (decision, at) => decision !== undefined && hasValues[at] === true,
  )
  const types = new Set(filled.map((decision) => decision?.type))
  if (types.size === 1 && filled[0] !== undefined) return { ...filled[0], losses: [], findings: [] }
  const conversions = filled.map((decision) => decision?.conversion ?? 'text')
  if (conversions.every((conversion) => TEXTUAL.has(conversion))) return exact('text', 'text')
  if (conversions.every((conversion) => conversion === 'integer' || conversion === 'boolean')) {
    return exact('bigint', 'integer')
  }
  if (conversions.every((conversion) => conversion === 'integer' || conversion === 'decimal')) {
    return converted('numeric', 'decimal')
  }
  return null
}

/** Conversions whose values are all texts in the source, so that `text` holds them exactly. */
const TEXTUAL: ReadonlySet<string> = new Set([
  'text',
  'uuid',
  'date',
  'timestamp',
  'timestamptz',
  'time',
  'json',
])

function profileOf(tables: readonly SurveyTable[], ids: readonly string[]): readonly boolean[] {
  const filled = new Set<string>()
  for (const table of tables) {
    for (const column of table.columns) {
      const { integer, real, text, blob } = column.profile.census
      if (integer + real + text + blob > 0) filled.add(columnId(table.name, column.name))
    }
  }
  return ids.map((id) => filled.has(id))
}

/** Groups of columns that foreign keys connect, directly or over others. */
function tiedColumns(tables: readonly SurveyTable[]): readonly (readonly string[])[] {
  const groups = new Map<string, string[]>()
  const groupOf = (id: string): string[] => groups.get(id) ?? [id]
  for (const table of tables) {
    for (const key of table.foreignKeys) {
      for (const [at, column] of key.columns.entries()) {
        const parent = key.references.columns[at]
        if (parent === undefined) continue
        const child = groupOf(columnId(table.name, column))
        const other = groupOf(columnId(key.references.table, parent))
        if (child === other) continue
        const joined = [...new Set([...child, ...other])]
        for (const id of joined) groups.set(id, joined)
      }
    }
  }
  return [...new Set(groups.values())]
}
