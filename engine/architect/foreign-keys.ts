/** Foreign keys: which can stand in the target, and why the others cannot. */
import { displayName } from '@sensei/core/display'
import type { ForeignKeyMapping, TableMapping } from '@sensei/core/plan'
import type { SurveyForeignKey } from '@sensei/core/survey'
import {
  type ColumnDraft,
  type Draft,
  type TableDraft,
  columnOf,
  columnsOf,
  tableOf,
} from './drafts.ts'
import { collationOf } from './keys.ts'
import { Namespace } from './names.ts'

const ACTIONS: Readonly<Record<string, string>> = {
  '': 'no action',
  'no action': 'no action',
  restrict: 'restrict',
  cascade: 'cascade',
  'set null': 'set null',
  'set default': 'set default',
}

/** `mapped` holds the finished keys of every table, by target name. */
export function mapForeignKeys(
  draft: Draft,
  table: TableDraft,
  mapped: ReadonlyMap<string, TableMapping>,
): readonly ForeignKeyMapping[] {
  const own = mapped.get(table.target)
  const names = new Namespace()
  for (const taken of [own?.primary_key, ...(own?.uniques ?? []), ...(own?.checks ?? [])]) {
    if (taken) names.reserve(taken.name)
  }
  const keys: ForeignKeyMapping[] = []
  for (const key of table.source.foreignKeys) {
    const made = mapForeignKey(draft, table, key, mapped)
    if (typeof made === 'string') {
      draft.notes.skipped.push({
        kind: 'foreign key',
        name: key.name ?? describe(table, key),
        table: table.source.name,
        reason: made,
        sql: sourceText(key),
      })
      continue
    }
    const named = key.columns.map((column) => columnOf(table, column)?.namedAfter ?? column)
    const name = names.claim(key.name ?? [table.namedAfter, ...named, 'fkey'].join('_'))
    keys.push({ ...made, name })
    if (made.not_valid) declareOrphans(draft, table, key, name)
  }
  return keys
}

/** The mapping without its name, or why there is none. */
function mapForeignKey(
  draft: Draft,
  table: TableDraft,
  key: SurveyForeignKey,
  mapped: ReadonlyMap<string, TableMapping>,
): Omit<ForeignKeyMapping, 'name'> | string {
  const parent = tableOf(draft, key.references.table)
  const parentName = displayName(key.references.table)
  if (parent === null) return `the table ${parentName} that it refers to is missing or not carried`
  const children = columnsOf(table, key.columns)
  const parents = columnsOf(parent, key.references.columns)
  if (children === null) return 'a column of it is not carried'
  if (parents === null || parents.length !== children.length) {
    return `the columns of ${parentName} that it refers to do not exist`
  }
  const mismatch = firstMismatch(children, parents)
  if (mismatch !== null) return mismatch
  if (!isUnique(mapped.get(parent.target), parents)) {
    return `the columns that it refers to are not unique in ${parentName}`
  }
  return {
    columns: children.map((column) => column.target),
    references: { table: parent.target, columns: parents.map((column) => column.target) },
    on_update: ACTIONS[key.onUpdate.toLowerCase()] ?? 'no action',
    on_delete: ACTIONS[key.onDelete.toLowerCase()] ?? 'no action',
    deferrable: key.deferred,
    not_valid: (key.orphans ?? 0) > 0,
  }
}

function firstMismatch(
  children: readonly ColumnDraft[],
  parents: readonly ColumnDraft[],
): string | null {
  for (const [index, child] of children.entries()) {
    const parent = parents[index]
    if (parent === undefined) continue
    if (!comparable(child.decision.type, parent.decision.type)) {
      return `${displayName(child.target)} becomes ${child.decision.type}, but what it refers to becomes ${parent.decision.type}`
    }
    if (parent.decision.type === 'text' && collationOf(parent.source.collation) !== 'BINARY') {
      return `SQLite compares ${displayName(parent.source.name)} under ${collationOf(parent.source.collation)}; PostgreSQL would compare bytes`
    }
  }
  return null
}

/** Pairs of types between which PostgreSQL can check a foreign key. */
function comparable(child: string, parent: string): boolean {
  const family = (type: string): string => (type.startsWith('numeric') ? 'numeric' : type)
  if (family(child) === family(parent)) return true
  return family(parent) === 'numeric' && child === 'bigint'
}

function isUnique(parent: TableMapping | undefined, columns: readonly ColumnDraft[]): boolean {
  const wanted = new Set(columns.map((column) => column.target))
  const keys = [parent?.primary_key, ...(parent?.uniques ?? [])]
  return keys.some(
    (key) =>
      key?.columns.length === wanted.size && key.columns.every((column) => wanted.has(column)),
  )
}

function declareOrphans(
  draft: Draft,
  table: TableDraft,
  key: SurveyForeignKey,
  name: string,
): void {
  draft.notes.losses.push({
    rule: 'orphans-not-valid',
    table: table.source.name,
    column: name,
    rows: key.orphans ?? 0,
    examples: key.examples,
  })
}

function describe(table: TableDraft, key: SurveyForeignKey): string {
  return `${table.source.name} (${key.columns.join(', ')})`
}

function sourceText(key: SurveyForeignKey): string {
  const parent = `${key.references.table} (${key.references.columns.join(', ')})`
  return `foreign key (${key.columns.join(', ')}) references ${parent}`
}
