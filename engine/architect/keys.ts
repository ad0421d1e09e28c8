/** Primary keys and unique constraints, and the columns by which a row is found again. */
import { displayName } from '@sensei/core/display'
import type { IndexMapping, KeyMapping } from '@sensei/core/plan'
import { quoteIdent } from '@sensei/core/sql'
import type { SurveyKey } from '@sensei/core/survey'
import { noteCollisions } from './collisions.ts'
import { type ColumnDraft, type Draft, type TableDraft, columnsOf } from './drafts.ts'

/** PostgreSQL refuses index entries beyond a third of a page; a longer value stops the whole index. */
export const INDEX_BYTES_MAX = 2600

export interface Keys {
  readonly primary: KeyMapping | null
  readonly uniques: readonly KeyMapping[]
  /** Unique indexes for keys that fold case or ignore trailing blanks. */
  readonly indexes: readonly IndexMapping[]
  readonly key: readonly string[] | null
  /** Name of the column that only the target has, where the source's key has NULLs. */
  readonly surrogate: string | null
}

export function mapKeys(draft: Draft, table: TableDraft): Keys {
  const { primaryKey } = table.source
  const indexes: IndexMapping[] = []
  const uniques: KeyMapping[] = []
  const primary = primaryKey === null ? null : carriedKey(draft, table, primaryKey, 'primary key')
  const nullable = primaryKey !== null && primaryKey.rowsWithNull > 0
  if (primary !== null && primaryKey !== null)
    indexes.push(...collatedUnique(draft, table, primaryKey, primary))
  if (primary !== null && nullable) uniques.push(named(draft, table, primary, null, 'key'))
  for (const unique of table.source.uniques) {
    const columns = carriedKey(draft, table, unique, 'unique')
    if (columns === null) continue
    uniques.push(named(draft, table, columns, unique.name, 'key'))
    indexes.push(...collatedUnique(draft, table, unique, columns))
  }
  if (!nullable) {
    const made =
      primary === null ? null : named(draft, table, primary, primaryKey?.name ?? null, 'pkey')
    noteNullability(draft, table, primary ?? [])
    return { primary: made, uniques, indexes, key: rowKey(table, made, uniques), surrogate: null }
  }
  const surrogate = surrogateName(table)
  draft.notes.converted.push({
    kind: 'primary key',
    name: table.source.name,
    note: `${primaryKey?.rowsWithNull} rows hold NULL in it, so it becomes a unique constraint and ${surrogate} the primary key`,
  })
  const made = { name: draft.relations.claim(`${table.namedAfter}_pkey`), columns: [surrogate] }
  return { primary: made, uniques, indexes, key: rowKey(table, null, uniques), surrogate }
}

/** The key's columns, or null (and a line in the plan) where PostgreSQL cannot have it. */
function carriedKey(
  draft: Draft,
  table: TableDraft,
  key: SurveyKey,
  kind: string,
): readonly ColumnDraft[] | null {
  const columns = columnsOf(table, key.columns)
  const skip = (reason: string): null => {
    const sql = `${kind} (${key.columns.join(', ')})`
    const name = key.name ?? `${table.source.name} (${key.columns.join(', ')})`
    draft.notes.skipped.push({ kind, name, table: table.source.name, reason, sql })
    return null
  }
  if (columns === null) return skip('a column of it is not carried')
  if (columns.some((column) => isUnordered(column)))
    return skip('a column of it has a type without equality')
  const bytes = columns.reduce((sum, column) => sum + widest(column), 0)
  if (bytes > INDEX_BYTES_MAX) {
    return skip(`its longest value has ${bytes} bytes, more than PostgreSQL can hold in an index`)
  }
  noteCollisions(draft, table, columns, kind === 'unique' ? 'a unique key' : `the ${kind}`)
  return columns
}

export function isUnordered(column: ColumnDraft): boolean {
  return column.decision.type === 'json'
}

/** Bytes of the column's longest value, as an index would hold it. */
export function widest(column: ColumnDraft): number {
  const { text, blob } = column.source.profile
  return Math.max(16, text?.bytesMax ?? 0, blob?.bytesMax ?? 0)
}

function named(
  draft: Draft,
  table: TableDraft,
  columns: readonly ColumnDraft[],
  name: string | null,
  suffix: 'key' | 'pkey',
): KeyMapping {
  const targets = columns.map((column) => column.target)
  const parts = suffix === 'pkey' ? [] : columns.map((column) => column.namedAfter)
  return {
    name: draft.relations.claim(name ?? [table.namedAfter, ...parts, suffix].join('_')),
    columns: targets,
  }
}

/** SQLite's names of what an index compares by: BINARY unless said otherwise. */
export function collationOf(collation: string | null | undefined): string {
  return (collation ?? 'BINARY').toUpperCase()
}

/**
 * A key under NOCASE or RTRIM holds fewer values than the same key over bytes; what it refuses more is kept by a
 * unique index over the folded text.
 */
function collatedUnique(
  draft: Draft,
  table: TableDraft,
  key: SurveyKey,
  columns: readonly ColumnDraft[],
): readonly IndexMapping[] {
  const collations = columns.map((column, at) =>
    collationOf(key.collations[at] ?? column.source.collation),
  )
  const ordered = columns.flatMap((column, at) =>
    isText(column) ? [collations[at] ?? 'BINARY'] : [],
  )
  if (ordered.every((collation) => collation === 'BINARY')) return []
  const folds = ordered.some(isFolded)
  draft.notes.findings.push(collationFinding(table, columns[0]?.source.name ?? null, collations))
  draft.notes.converted.push({
    kind: 'unique',
    name: key.name ?? `${table.source.name} (${key.columns.join(', ')})`,
    note: folds
      ? 'its collation becomes a unique index over the folded text'
      : 'PostgreSQL does not have its collation; it compares bytes, so it may take what SQLite refused',
  })
  if (!folds) return []
  const name = draft.relations.claim(
    [table.namedAfter, ...columns.map((column) => column.namedAfter), 'folded'].join('_'),
  )
  const parts = columns.map((column, at) => foldedPart(column, collations[at] ?? 'BINARY'))
  return [{ name, unique: true, parts, where: null }]
}

export function collationFinding(
  table: TableDraft,
  column: string | null,
  collations: readonly string[],
) {
  const named = [...new Set(collations.filter((collation) => collation !== 'BINARY'))]
  const names = named.map(displayName).join(', ')
  const message = named.every(isFolded)
    ? `compared under ${names} in SQLite; in PostgreSQL its index folds likewise, but queries compare bytes unless they fold too`
    : `compared under ${names} in SQLite, which PostgreSQL does not have: there its index and queries compare bytes`
  return { code: 'collation', table: table.source.name, column, message }
}

/** A collation that an index over an expression stands for; one of an application's own has none. */
function isFolded(collation: string): boolean {
  return collation === 'NOCASE' || collation === 'RTRIM'
}

function isText(column: ColumnDraft): boolean {
  return column.decision.type === 'text'
}

/** One part of an index that compares as SQLite's collation does: NOCASE folds ASCII letters only. */
export function foldedPart(column: ColumnDraft, collation: string): string {
  const name = quoteIdent(column.target)
  if (!isText(column)) return name
  if (collation === 'NOCASE') return `lower(${name} collate "C")`
  if (collation === 'RTRIM') return `rtrim(${name}, ' ')`
  return name
}

/** A primary key if it can, else the first unique key without NULLs; values that are compared exactly go first. */
function rowKey(
  table: TableDraft,
  primary: KeyMapping | null,
  uniques: readonly KeyMapping[],
): readonly string[] | null {
  if (primary !== null) return primary.columns
  const usable = uniques.filter((unique) =>
    unique.columns.every((target) => {
      const column = table.columns.find((candidate) => candidate.target === target)
      return column?.source.notNull === true && column.decision.unfit !== 'null'
    }),
  )
  return usable[0]?.columns ?? null
}

function noteNullability(draft: Draft, table: TableDraft, columns: readonly ColumnDraft[]): void {
  for (const column of columns) {
    if (column.source.notNull || isRowidAlias(table, column)) continue
    draft.notes.findings.push({
      code: 'key-not-null',
      table: table.source.name,
      column: column.source.name,
      message:
        'SQLite would allow NULL in this primary key and there is none; PostgreSQL allows none',
    })
  }
}

/** `INTEGER PRIMARY KEY`: the column is SQLite's own row number. */
export function isRowidAlias(table: TableDraft, column: ColumnDraft): boolean {
  const key = table.source.primaryKey
  return (
    !table.source.withoutRowid &&
    key?.columns.length === 1 &&
    columnsOf(table, key.columns)?.[0] === column &&
    column.source.declared.trim().toUpperCase() === 'INTEGER'
  )
}

function surrogateName(table: TableDraft): string {
  let name = 'sensei_row_id'
  while (table.columns.some((column) => column.target === name)) name += '_'
  return name
}
