/** Surveys written by hand: what a scout would have found, for the tests of the architect. */
import type {
  Census,
  ColumnProfile,
  Survey,
  SurveyColumn,
  SurveyForeignKey,
  SurveyIndex,
  SurveyKey,
  SurveyObject,
  SurveyTable,
} from '@sensei/core/survey'

export function aSurvey(
  tables: readonly SurveyTable[],
  objects: readonly SurveyObject[] = [],
): Survey {
  return {
    engine: 'sqlite',
    version: '3.50.0',
    url: 'sqlite:shop.db',
    encoding: 'UTF-8',
    schemaFingerprint: 'f'.repeat(64),
    tables,
    objects,
  }
}

export function aTable(
  name: string,
  columns: readonly SurveyColumn[],
  rest: Partial<SurveyTable> = {},
): SurveyTable {
  return {
    name,
    rows: 100,
    bytesMax: 200,
    bytesTotal: 10_000,
    withoutRowid: false,
    strict: false,
    columns,
    primaryKey: null,
    uniques: [],
    indexes: [],
    foreignKeys: [],
    checks: [],
    autoincrement: null,
    comment: null,
    sql: `create table ${name}`,
    ...rest,
  }
}

export function aColumn(
  name: string,
  declared: string,
  profile: ColumnProfile = nothing(),
  rest: Partial<SurveyColumn> = {},
): SurveyColumn {
  return {
    name,
    declared,
    notNull: false,
    default: null,
    collation: null,
    generated: null,
    profile,
    ...rest,
  }
}

function profiled(census: Partial<Census>, rest: Partial<ColumnProfile>): ColumnProfile {
  return {
    census: { null: 0, integer: 0, real: 0, text: 0, blob: 0, ...census },
    integer: null,
    real: null,
    text: null,
    blob: null,
    examples: {},
    ...rest,
  }
}

export function nothing(): ColumnProfile {
  return profiled({ null: 100 }, {})
}

export function integers(
  count = 100,
  range: Partial<NonNullable<ColumnProfile['integer']>> = {},
): ColumnProfile {
  return profiled({ integer: count }, { integer: { min: '1', max: '100', zeroOrOne: 0, ...range } })
}

export function reals(
  count = 100,
  range: Partial<NonNullable<ColumnProfile['real']>> = {},
): ColumnProfile {
  const real = { roundTrips: count, scale: 2, precision: 3, infinite: 0, nan: 0, ...range }
  return profiled({ real: count }, { real })
}

export function texts(
  count = 100,
  rest: Partial<NonNullable<ColumnProfile['text']>> = {},
): ColumnProfile {
  const text = {
    bytesMax: 20,
    empty: 0,
    nul: 0,
    invalidUtf8: 0,
    formats: {},
    dateless: count,
    jsonbUnfit: 0,
    decimal: null,
    // As PostgreSQL writes them, unless a test says otherwise.
    timestampsPlain: rest.formats?.['timestamp-iso'] ?? 0,
    timestampsUtc: rest.formats?.['timestamp-zone'] ?? 0,
    oneWay: {
      ...rest.formats,
      ...(rest.timestampsUtc === undefined ? {} : { 'timestamp-zone': rest.timestampsUtc }),
    },
    ...rest,
  }
  return profiled({ text: count }, { text })
}

export function blobs(count = 100, uuidSized = 0): ColumnProfile {
  return profiled({ blob: count }, { blob: { bytesMax: 50, uuidSized } })
}

/** Several classes in one column. */
export function mixed(...profiles: readonly ColumnProfile[]): ColumnProfile {
  const sum = (name: keyof Census): number =>
    profiles.reduce((total, each) => total + each.census[name], 0)
  const census = {
    null: sum('null'),
    integer: sum('integer'),
    real: sum('real'),
    text: sum('text'),
    blob: sum('blob'),
  }
  return profiles.reduce(
    (all, each) => ({
      census,
      integer: all.integer ?? each.integer,
      real: all.real ?? each.real,
      text: all.text ?? each.text,
      blob: all.blob ?? each.blob,
      examples: { ...all.examples, ...each.examples },
    }),
    profiled(census, {}),
  )
}

export function withNulls(profile: ColumnProfile, count: number): ColumnProfile {
  return { ...profile, census: { ...profile.census, null: count } }
}

export function aKey(columns: readonly string[], rest: Partial<SurveyKey> = {}): SurveyKey {
  return { name: null, columns, collations: columns.map(() => null), rowsWithNull: 0, ...rest }
}

export function anIndex(
  name: string,
  columns: readonly string[],
  rest: Partial<SurveyIndex> = {},
): SurveyIndex {
  const parts = columns.map((column) => ({
    column,
    expression: null,
    descending: false,
    collation: null,
  }))
  return { name, unique: false, parts, where: null, sql: `create index ${name}`, ...rest }
}

export function aForeignKey(
  columns: readonly string[],
  table: string,
  parents: readonly string[],
  rest: Partial<SurveyForeignKey> = {},
): SurveyForeignKey {
  return {
    name: null,
    columns,
    references: { table, columns: parents },
    onUpdate: 'NO ACTION',
    onDelete: 'NO ACTION',
    deferred: false,
    orphans: 0,
    examples: [],
    ...rest,
  }
}

export function anObject(
  kind: SurveyObject['kind'],
  name: string,
  sql: string,
  rest: Partial<SurveyObject> = {},
): SurveyObject {
  return { kind, name, table: null, sql, reads: kind === 'view' ? [] : null, broken: null, ...rest }
}

/** A table with an `id` that SQLite numbers, and one column more. */
export function idTable(
  name: string,
  columns: readonly SurveyColumn[],
  rest: Partial<SurveyTable> = {},
): SurveyTable {
  return aTable(name, [aColumn('id', 'INTEGER', integers()), ...columns], {
    primaryKey: aKey(['id']),
    ...rest,
  })
}
