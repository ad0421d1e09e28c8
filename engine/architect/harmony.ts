/**
 * Both ends of a foreign key must have types that PostgreSQL can compare. Each column alone may be judged otherwise
 * (a parent of uuids, a child with one text that is none), so the columns that foreign keys tie together are judged
 * again as one.
 */
import type { SurveyColumn, SurveyTable } from '@sensei/core/survey'
import { type Decision, converted, exact } from './decision.ts'
import { readDeclared } from './declared.ts'
import { foldName } from './names.ts'

export type Decisions = Map<string, Decision>

export function columnId(table: string, column: string): string {
  return JSON.stringify([foldName(table), foldName(column)])
}

interface Member {
  readonly id: string
  readonly decision: Decision
  readonly table: SurveyTable
  readonly column: SurveyColumn
}

/** Changes decisions in place; those of columns without foreign keys stay. */
export function harmonize(tables: readonly SurveyTable[], decisions: Decisions): void {
  const groups = tiedColumns(tables)
  const known = groups.length === 0 ? new Map<string, Member>() : membersOf(tables, decisions)
  for (const group of groups) {
    const members = group.flatMap((id) => known.get(id) ?? [])
    const types = new Set(members.map(({ decision }) => decision.type))
    if (types.size < 2) continue
    const common = commonDecision(members)
    if (common === null) continue
    for (const { id, decision } of members) {
      if (decision.type !== common.type)
        decisions.set(id, { ...common, findings: decision.findings })
    }
  }
}

/** A decision that suits every member, or null when there is none and the foreign keys are skipped. */
function commonDecision(members: readonly Member[]): Decision | null {
  const filled = members.filter(({ column }) => hasValues(column))
  const types = new Set(filled.map(({ decision }) => decision.type))
  const [first] = filled
  if (types.size === 1 && first !== undefined)
    return { ...first.decision, losses: [], findings: [] }
  const conversions = filled.map(({ decision }) => decision.conversion)
  if (conversions.every((conversion) => TEXTUAL.has(conversion))) return exact('text', 'text')
  if (conversions.every((conversion) => conversion === 'integer' || conversion === 'boolean')) {
    return exact('bigint', 'integer')
  }
  if (conversions.every((conversion) => conversion === 'integer' || conversion === 'decimal')) {
    return converted('numeric', 'decimal')
  }
  return conversions.includes('any-as-text') && members.every(followsAsText)
    ? converted('text', 'any-as-text')
    : null
}

/**
 * Beside a column of integers and texts, integers become the texts that the integers there become, and equal values stay
 * equal. Only under an integer's affinity on all sides: there SQLite itself keeps every text that spells a number as the
 * number, so no text equals an integer that is written otherwise. A rowid stays the number that it is.
 */
function followsAsText({ table, column, decision }: Member): boolean {
  const { real, blob } = column.profile.census
  return (
    ['integer', 'text', 'any-as-text'].includes(decision.conversion) &&
    readDeclared(column.declared).family === 'integer' &&
    real + blob === 0 &&
    column.generated === null &&
    !isRowid(table, column)
  )
}

function isRowid(table: SurveyTable, column: SurveyColumn): boolean {
  const [first, ...others] = table.primaryKey?.columns ?? []
  return (
    !table.withoutRowid &&
    others.length === 0 &&
    first !== undefined &&
    foldName(first) === foldName(column.name) &&
    column.declared.trim().toUpperCase() === 'INTEGER'
  )
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

function membersOf(
  tables: readonly SurveyTable[],
  decisions: Decisions,
): ReadonlyMap<string, Member> {
  const members = new Map<string, Member>()
  for (const table of tables) {
    for (const column of table.columns) {
      const id = columnId(table.name, column.name)
      const decision = decisions.get(id)
      if (decision !== undefined) members.set(id, { id, decision, table, column })
    }
  }
  return members
}

function hasValues({ profile: { census } }: SurveyColumn): boolean {
  return census.integer + census.real + census.text + census.blob > 0
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
