/** What the file says it holds, object by object, without looking at a row. */
import { createHash } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import type {
  SurveyCheck,
  SurveyColumn,
  SurveyIndex,
  SurveyKey,
  SurveyTable,
} from '@sensei/core/survey'
import { integerPrimaryKey } from '../reader/key-space.ts'
import { indexDefinition, type TableDefinition, tableDefinition } from './definition.ts'

export interface CatalogueObject {
  readonly type: string
  readonly name: string
  readonly table: string
  readonly sql: string | null
}

export interface Catalogue {
  readonly objects: readonly CatalogueObject[]
  /** By name: what kind of table it is. */
  readonly kinds: ReadonlyMap<string, TableKind>
  /** By name in lower case: the indexes' source texts. */
  readonly indexSql: ReadonlyMap<string, string | null>
  /** By name: the last number that AUTOINCREMENT gave. */
  readonly sequences: ReadonlyMap<string, bigint>
  readonly fingerprint: string
}

export interface TableKind {
  readonly type: string
  readonly withoutRowid: boolean
  readonly strict: boolean
}

export function readCatalogue(database: DatabaseSync): Catalogue {
  const schema = database.prepare(
    'select type, name, tbl_name as "table", sql from sqlite_schema order by rowid',
  )
  const objects = schema.all() as unknown as CatalogueObject[]
  const list = database.prepare(
    `select name, type, wr, strict from pragma_table_list where schema = 'main'`,
  )
  const kinds = new Map<string, TableKind>()
  for (const row of list.all() as { name: string; type: string; wr: number; strict: number }[]) {
    kinds.set(row.name, { type: row.type, withoutRowid: row.wr === 1, strict: row.strict === 1 })
  }
  const indexes = objects.filter(({ type }) => type === 'index')
  return {
    objects,
    kinds,
    indexSql: new Map(indexes.map(({ name, sql }) => [name.toLowerCase(), sql])),
    sequences: readSequences(database, objects),
    fingerprint: fingerprintOf(objects),
  }
}

/** SQLite's own tables come and go with ANALYZE and the first AUTOINCREMENT; they are no change of the schema. */
function fingerprintOf(objects: readonly CatalogueObject[]): string {
  const lines = objects
    .filter(({ name }) => !isInternal(name))
    .map(({ type, name, table, sql }) => JSON.stringify([type, name, table, sql]))
    .sort()
  return createHash('sha256').update(lines.join('\n')).digest('hex')
}

export function isInternal(name: string): boolean {
  return name.toLowerCase().startsWith('sqlite_')
}

function readSequences(
  database: DatabaseSync,
  objects: readonly CatalogueObject[],
): ReadonlyMap<string, bigint> {
  if (!objects.some(({ name }) => name === 'sqlite_sequence')) return new Map()
  const statement = database.prepare(
    'select name, cast(seq as integer) as seq from sqlite_sequence',
  )
  statement.setReadBigInts(true)
  const rows = statement.all() as { name: string; seq: bigint | null }[]
  return new Map(rows.map(({ name, seq }) => [name, seq ?? 0n]))
}

/** A table as its definition says; counts and profiles come from the scan. */
export type TableFacts = Omit<
  SurveyTable,
  | 'rows'
  | 'bytesMax'
  | 'bytesTotal'
  | 'columns'
  | 'foreignKeys'
  | 'primaryKey'
  | 'uniques'
  | 'autoincrement'
> & {
  readonly columns: readonly Omit<SurveyColumn, 'profile'>[]
  readonly primaryKey: KeyFacts | null
  readonly uniques: readonly KeyFacts[]
  readonly definition: TableDefinition
  /** The column that is another name of the rowid. */
  readonly rowidColumn: string | null
}

export type KeyFacts = Omit<SurveyKey, 'rowsWithNull'>

/** Statements that are prepared once for all tables. */
export function tableReader(database: DatabaseSync, catalogue: Catalogue) {
  const xinfo = database.prepare(
    `select name, type, "notnull", dflt_value, pk, hidden from pragma_table_xinfo(?) order by cid`,
  )
  const indexList = database.prepare(
    'select name, "unique", origin from pragma_index_list(?) order by seq desc',
  )
  const indexInfo = database.prepare(
    'select cid, name, "desc", coll from pragma_index_xinfo(?) where "key" = 1 order by seqno',
  )

  return (object: CatalogueObject): TableFacts => {
    const rows = xinfo.all(object.name) as unknown as ColumnRow[]
    const columns = rows.filter(({ hidden }) => hidden !== 1)
    const definition = tableDefinition(object.sql ?? '')
    const indexes = (indexList.all(object.name) as unknown as IndexRow[]).map((index) => ({
      ...index,
      parts: indexInfo.all(index.name) as unknown as IndexPartRow[],
    }))
    const kind = catalogue.kinds.get(object.name)
    return {
      name: object.name,
      withoutRowid: kind?.withoutRowid ?? false,
      strict: kind?.strict ?? false,
      columns: columns.map((row) => columnFacts(row, definition)),
      primaryKey: primaryKeyFacts(columns, indexes, definition),
      uniques: indexes
        .filter(({ origin }) => origin === 'u')
        .map((index) => uniqueFacts(index, definition)),
      indexes: indexes
        .filter(({ origin }) => origin === 'c')
        .map((index) =>
          indexFacts(index, catalogue.indexSql.get(index.name.toLowerCase()) ?? null),
        ),
      checks: definition.checks as readonly SurveyCheck[],
      conflicts: definition.conflicts,
      comment: null,
      sql: object.sql,
      definition,
      rowidColumn: kind?.withoutRowid === true ? null : integerPrimaryKey(database, object.name),
    }
  }
}

interface ColumnRow {
  readonly name: string
  readonly type: string
  readonly notnull: number
  readonly dflt_value: string | null
  readonly pk: number
  /** 0 ordinary, 2 generated and virtual, 3 generated and stored. */
  readonly hidden: number
}

interface IndexRow {
  readonly name: string
  readonly unique: number
  /** c = CREATE INDEX, u = UNIQUE, pk = PRIMARY KEY. */
  readonly origin: string
}

interface IndexPartRow {
  /** -1 the rowid, -2 an expression. */
  readonly cid: number
  readonly name: string | null
  readonly desc: number
  readonly coll: string
}

interface IndexFacts extends IndexRow {
  readonly parts: readonly IndexPartRow[]
}

function columnFacts(row: ColumnRow, definition: TableDefinition): Omit<SurveyColumn, 'profile'> {
  const written = definition.columns.get(row.name.toLowerCase())
  const generated = row.hidden === 2 || row.hidden === 3
  return {
    name: row.name,
    declared: generated ? withoutGenerated(row.type) : row.type,
    notNull: row.notnull === 1,
    default: row.dflt_value,
    collation: written?.collation ?? null,
    generated: generated
      ? { kind: row.hidden === 3 ? 'stored' : 'virtual', expression: written?.generated ?? '' }
      : null,
  }
}

/** Of `a INT GENERATED ALWAYS AS (…)` SQLite calls the type `INT GENERATED ALWAYS`. */
function withoutGenerated(type: string): string {
  return type.replace(/\s*generated\s+always$/i, '')
}

function primaryKeyFacts(
  columns: readonly ColumnRow[],
  indexes: readonly IndexFacts[],
  definition: TableDefinition,
): KeyFacts | null {
  const keyed = columns.filter(({ pk }) => pk > 0).sort((left, right) => left.pk - right.pk)
  if (keyed.length === 0) return null
  const index = indexes.find(({ origin }) => origin === 'pk')
  const collation = (name: string) => index?.parts.find((part) => part.name === name)?.coll ?? null
  return {
    name: definition.primaryKeyName,
    columns: keyed.map(({ name }) => name),
    collations: keyed.map(({ name }) => collation(name)),
  }
}

function uniqueFacts(index: IndexFacts, definition: TableDefinition): KeyFacts {
  const columns = index.parts.map(({ name }) => name ?? '')
  const same = definition.uniques.find(
    (unique) =>
      unique.columns.length === columns.length &&
      unique.columns.every((column, at) => column.toLowerCase() === columns[at]?.toLowerCase()),
  )
  return { name: same?.name ?? null, columns, collations: index.parts.map(({ coll }) => coll) }
}

function indexFacts(index: IndexFacts, sql: string | null): SurveyIndex {
  const written = indexDefinition(sql ?? '')
  return {
    name: index.name,
    unique: index.unique === 1,
    parts: index.parts.map((part, at) => ({
      column: part.cid >= 0 ? part.name : null,
      expression: part.cid >= 0 ? null : (written.parts[at] ?? 'rowid'),
      descending: part.desc === 1,
      collation: part.coll,
    })),
    where: written.where,
    sql,
  }
}
