/**
 * The parts of a plan that follow from the rest. A person may leave them as they were, write them as they will be, or
 * (where a list has names) take entries out; any other text there would be ignored, so it is refused.
 */
import { canonicalJson } from '@sensei/core/canonical-json'
import { displayName } from '@sensei/core/display'
import { SenseiError } from '@sensei/core/errors'
import type { ColumnMapping, Plan, SkippedObject, TableMapping } from '@sensei/core/plan'
import { LEFT_OUT } from './overrides.ts'

const LISTS = ['uniques', 'indexes', 'foreign_keys', 'checks'] as const
const KINDS = {
  uniques: 'unique',
  indexes: 'index',
  foreign_keys: 'foreign key',
  checks: 'check',
} as const

/**
 * The schema that the views of an edited plan were written for, where that is another one than it has now: nothing but
 * their text still names it.
 */
export function formerSchema(edited: Plan): string | null {
  for (const { target_sql } of edited.views) {
    const named = RELATION.exec(target_sql)?.[1]?.replaceAll('""', '"')
    if (named !== undefined) return named === edited.target.schema ? null : named
  }
  return null
}

const RELATION = /\b(?:from|join) "((?:[^"]|"")+)"\."/

/** `designs`: the plan without any edit, the one under the edits, and what else the file may be left as. */
export function checkDerived(edited: Plan, designs: readonly Plan[]): void {
  for (const table of edited.tables) {
    const versions = designs.flatMap((plan) =>
      plan.tables.filter((each) => each.source === table.source),
    )
    expectOneOf(
      table,
      'primary_key',
      table.primary_key,
      versions.map((version) => version.primary_key),
    )
    expectOneOf(
      table,
      'key',
      table.key,
      versions.map((version) => version.key),
    )
    for (const list of LISTS) {
      for (const entry of table[list]) {
        const known = versions.flatMap((version) =>
          [...version[list]].filter((each) => each.name === entry.name),
        )
        expectOneOf(table, `${list} “${displayName(entry.name)}”`, entry, known)
      }
    }
    for (const column of table.columns) checkColumn(table, column, versions)
  }
  for (const view of edited.views) {
    const versions = designs.flatMap((plan) =>
      plan.views.filter((each) => each.source === view.source),
    )
    const texts = versions.map(({ source_sql, target_sql }) => ({ source_sql, target_sql }))
    const { source_sql, target_sql } = view
    expectOneOf(
      null,
      `the text of view “${displayName(view.source)}”`,
      { source_sql, target_sql },
      texts,
    )
  }
}

function checkColumn(
  table: TableMapping,
  column: ColumnMapping,
  versions: readonly TableMapping[],
): void {
  const known = versions.flatMap((version) =>
    version.columns.filter((each) => each.source === column.source),
  )
  for (const field of ['default', 'identity', 'generated'] as const) {
    if (column[field] === null) continue
    const name = `${field} of “${displayName(column.source ?? column.target)}”`
    expectOneOf(
      table,
      name,
      column[field],
      known.map((each) => each[field]),
    )
  }
}

function expectOneOf(
  table: TableMapping | null,
  what: string,
  value: unknown,
  known: readonly unknown[],
): void {
  const text = canonicalJson(value)
  if (known.some((each) => canonicalJson(each) === text)) return
  const where = table === null ? '' : `table “${displayName(table.source)}”: `
  throw new SenseiError(
    'PLAN_INVALID',
    `${where}${what} follows from the rest of the plan and cannot be written by hand; put it back, or take the entry out (docs/plan.md)`,
  )
}

/** Takes out of the redesigned plan what the edited one no longer has. */
export function prune(redesigned: Plan, own: Plan, edited: Plan): Plan {
  const skipped: SkippedObject[] = [...redesigned.skipped]
  const tables = redesigned.tables.map((table) => {
    const base = own.tables.find((each) => each.source === table.source)
    const kept = edited.tables.find((each) => each.source === table.source)
    return base === undefined || kept === undefined ? table : pruneTable(table, base, kept, skipped)
  })
  const orphaned = tables.map((table) => ({
    ...table,
    foreign_keys: standing(table, tables, skipped),
  }))
  const names = new Set(
    orphaned.flatMap((table) => table.foreign_keys.map((key) => `${table.source}\0${key.name}`)),
  )
  const losses = redesigned.losses.filter(
    (loss) => loss.rule !== 'orphans-not-valid' || names.has(`${loss.table}\0${loss.column}`),
  )
  return { ...redesigned, tables: orphaned, losses, skipped }
}

function pruneTable(
  table: TableMapping,
  base: TableMapping,
  kept: TableMapping,
  skipped: SkippedObject[],
): TableMapping {
  const filtered = <K extends (typeof LISTS)[number]>(list: K): TableMapping[K] => {
    const left = new Set([...kept[list]].map((entry) => entry.name))
    const known = new Set([...base[list]].map((entry) => entry.name))
    const gone = (name: string): boolean => known.has(name) && !left.has(name)
    for (const entry of table[list]) {
      if (gone(entry.name)) skipped.push(leftOut(KINDS[list], entry.name, table.source))
    }
    return [...table[list]].filter((entry) => !gone(entry.name)) as unknown as TableMapping[K]
  }
  const uniques = filtered('uniques')
  return {
    ...table,
    uniques,
    key: keyStands(table, uniques) ? table.key : null,
    indexes: filtered('indexes'),
    foreign_keys: filtered('foreign_keys'),
    checks: filtered('checks'),
  }
}

function keyStands(table: TableMapping, uniques: TableMapping['uniques']): boolean {
  if (table.key === null) return false
  const key = canonicalJson(table.key)
  return [table.primary_key, ...uniques].some(
    (each) => each !== null && canonicalJson(each.columns) === key,
  )
}

/** Foreign keys whose parent lost its unique key go with it. */
function standing(table: TableMapping, tables: readonly TableMapping[], skipped: SkippedObject[]) {
  return table.foreign_keys.filter((key) => {
    const parent = tables.find((each) => each.target === key.references.table)
    const wanted = [...key.references.columns].sort().join('\0')
    const keys = [parent?.primary_key, ...(parent?.uniques ?? [])]
    const stands = keys.some((each) => each && [...each.columns].sort().join('\0') === wanted)
    if (!stands) skipped.push(leftOut('foreign key', key.name, table.source))
    return stands
  })
}

function leftOut(kind: string, name: string, table: string): SkippedObject {
  return { kind, name, table, reason: LEFT_OUT, sql: null }
}
