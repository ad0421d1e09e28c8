/** What is built on a table after its load: the DDL of each object, and how to find the rows that it refuses. */
import type {
  CheckMapping,
  ForeignKeyMapping,
  IndexMapping,
  KeyMapping,
  TableMapping,
} from '@sensei/core/plan'
import type { StepKind } from '@sensei/core/receipt'
import { quoteIdent, quoteQualified } from '@sensei/core/sql'
import { duplicates, type Finder, matching, nulls, orphans, tooLarge } from './finder.ts'

export interface BuiltObject {
  readonly name: string
  readonly kind: Extract<StepKind, 'index' | 'constraint' | 'foreign key'>
  readonly sql: string
  /** By SQLSTATE of the refusal. */
  readonly finders: Readonly<Record<string, Finder>>
}

export function keysOf(schema: string, table: TableMapping): readonly BuiltObject[] {
  const primary =
    table.primary_key === null ? [] : [key(schema, table, table.primary_key, 'primary key')]
  return [...primary, ...table.uniques.map((unique) => key(schema, table, unique, 'unique'))]
}

export function indexesOf(schema: string, table: TableMapping): readonly BuiltObject[] {
  return table.indexes.map((index) => indexObject(schema, table, index))
}

/** Checks last, with the foreign keys: a reconcile may have to pass through rows that break them. */
export function constraintsOf(schema: string, table: TableMapping): readonly BuiltObject[] {
  return [
    ...table.checks.map((check) => checkObject(schema, table, check)),
    ...table.foreign_keys.map((foreignKey) => foreignKeyObject(schema, table, foreignKey)),
  ]
}

function key(
  schema: string,
  table: TableMapping,
  mapping: KeyMapping,
  kind: 'primary key' | 'unique',
): BuiltObject {
  const name = quoteQualified(schema, table.target)
  const columns = mapping.columns.map(quoteIdent)
  return {
    name: mapping.name,
    kind: 'constraint',
    sql: `alter table ${name} add constraint ${quoteIdent(mapping.name)} ${kind} (${columns.join(', ')})`,
    finders: {
      '23505': duplicates(name, columns, null),
      '23502': nulls(name, table, mapping.columns),
      '54000': tooLarge(name, table, mapping.columns),
    },
  }
}

function indexObject(schema: string, table: TableMapping, index: IndexMapping): BuiltObject {
  const name = quoteQualified(schema, table.target)
  const where = index.where === null ? '' : ` where ${index.where}`
  const plain = table.columns
    .map((column) => column.target)
    .filter((column) => index.parts.some((part) => part.startsWith(quoteIdent(column))))
  return {
    name: index.name,
    kind: 'index',
    sql:
      `create ${index.unique ? 'unique ' : ''}index ${quoteIdent(index.name)} on ${name} ` +
      `(${index.parts.join(', ')})${where}`,
    finders: {
      '23505': duplicates(name, index.parts, index.where),
      ...(plain.length === 0 ? {} : { '54000': tooLarge(name, table, plain) }),
    },
  }
}

function checkObject(schema: string, table: TableMapping, check: CheckMapping): BuiltObject {
  const name = quoteQualified(schema, table.target)
  return {
    name: check.name,
    kind: 'constraint',
    sql: `alter table ${name} add constraint ${quoteIdent(check.name)} check (${check.expression})`,
    finders: { '23514': matching(name, table, `(${check.expression}) is false`) },
  }
}

function foreignKeyObject(
  schema: string,
  table: TableMapping,
  mapping: ForeignKeyMapping,
): BuiltObject {
  const columns = mapping.columns.map(quoteIdent).join(', ')
  const referenced = mapping.references.columns.map(quoteIdent).join(', ')
  const list = referenced === '' ? '' : ` (${referenced})`
  const parts = [
    `alter table ${quoteQualified(schema, table.target)} add constraint ${quoteIdent(mapping.name)}`,
    `foreign key (${columns}) references ${quoteQualified(schema, mapping.references.table)}${list}`,
    `on update ${action(mapping.on_update)} on delete ${action(mapping.on_delete)}`,
    mapping.deferrable ? 'deferrable initially deferred' : '',
    mapping.not_valid ? 'not valid' : '',
  ]
  return {
    name: mapping.name,
    kind: 'foreign key',
    sql: parts.filter((part) => part !== '').join(' '),
    finders: { '23503': orphans(schema, table, mapping) },
  }
}

const ACTIONS = ['no action', 'restrict', 'cascade', 'set null', 'set default'] as const

/** Words of a plan that stand in DDL unquoted: only known ones. */
function action(text: string): string {
  return ACTIONS.find((known) => known === text.trim().toLowerCase()) ?? 'no action'
}
