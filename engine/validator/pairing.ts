/**
 * A plan for a pair that somebody else copied: names are paired exactly, then without regard to case; values are compared as
 * the types that the target really has. What has no partner is a finding; what cannot be compared leaves it inconclusive.
 */
import { canonicalType, type CanonicalType } from '@sensei/core/canonical/types'
import type { DeclaredLoss, LossRule } from '@sensei/core/losses'
import type { ColumnMapping, Conversion, Plan, TableMapping } from '@sensei/core/plan'
import type { TargetTable } from '@sensei/core/ports/target'
import type { Survey, SurveyColumn, SurveyTable, TextFormat } from '@sensei/core/survey'
import type { NotChecked, StructureFinding } from '@sensei/core/verdict'

export interface Pairing {
  readonly plan: Plan
  readonly structure: readonly StructureFinding[]
  readonly undecided: readonly NotChecked[]
}

interface Findings {
  readonly structure: StructureFinding[]
  readonly undecided: NotChecked[]
  readonly losses: DeclaredLoss[]
}

/** `partial`: the survey holds only the tables that were asked for. */
export function pair(
  survey: Survey,
  tables: readonly TargetTable[],
  schema: string,
  partial: boolean,
): Pairing {
  const findings: Findings = { structure: [], undecided: [], losses: [] }
  const { pairs, left, right } = pairNames(survey.tables, tables)
  for (const table of left)
    findings.structure.push({
      object: table.name,
      kind: 'table',
      problem: 'only the source has it',
    })
  if (!partial)
    for (const table of right)
      findings.structure.push({
        object: table.name,
        kind: 'table',
        problem: 'only the target has it',
      })
  const mappings = pairs.map(([source, target]) => pairTable(source, target, findings))
  return {
    plan: {
      plan_version: 1,
      source: {
        engine: survey.engine,
        url: survey.url,
        schema_fingerprint: survey.schemaFingerprint,
      },
      target: { schema },
      append: false,
      tables: mappings,
      views: [],
      skipped: survey.objects.map(({ kind, name, table, sql }) => ({
        kind,
        name,
        table,
        reason: 'only tables are compared without a plan',
        sql,
      })),
      converted: [],
      losses: findings.losses,
      findings: [],
    },
    structure: findings.structure,
    undecided: findings.undecided,
  }
}

interface Named {
  readonly name: string
}

interface Paired<L, R> {
  readonly pairs: readonly (readonly [L, R])[]
  readonly left: readonly L[]
  readonly right: readonly R[]
}

/** A folded name pairs only where it is the only one of its kind on both sides. */
function pairNames<L extends Named, R extends Named>(
  left: readonly L[],
  right: readonly R[],
): Paired<L, R> {
  const pairs: [L, R][] = []
  const open = { left: new Set(left), right: new Set(right) }
  const take = (one: L, other: R): void => {
    pairs.push([one, other])
    open.left.delete(one)
    open.right.delete(other)
  }
  for (const one of left) {
    const other = right.find(({ name }) => name === one.name)
    if (other !== undefined) take(one, other)
  }
  const folded = ({ name }: Named): string => name.toLowerCase()
  const rest = Map.groupBy(open.right, folded)
  for (const [name, ones] of Map.groupBy(open.left, folded)) {
    const [one, other] = [ones[0], rest.get(name)?.[0]]
    if (
      one !== undefined &&
      other !== undefined &&
      ones.length === 1 &&
      rest.get(name)?.length === 1
    )
      take(one, other)
  }
  return { pairs, left: [...open.left], right: [...open.right] }
}

function pairTable(source: SurveyTable, target: TargetTable, findings: Findings): TableMapping {
  const { pairs, left, right } = pairNames(source.columns, target.columns)
  const unpaired = (name: string, side: string): void =>
    void findings.structure.push({
      object: `${target.name}.${name}`,
      kind: 'column',
      problem: `only the ${side} has it`,
    })
  for (const { name } of left) unpaired(name, 'source')
  for (const { name } of right) unpaired(name, 'target')
  const columns = pairs.flatMap(([from, to]) => {
    const how = conversionFor(from, canonicalType(to.type))
    if (typeof how === 'string') {
      findings.undecided.push({
        what: `column ${target.name}.${to.name}`,
        reason: `${how}, and the target has ${to.type}`,
      })
      return []
    }
    if (how.loss !== undefined)
      findings.losses.push({ ...how.loss, table: source.name, column: from.name, examples: [] })
    return [mapping(from, to, how)]
  })
  const keyed =
    target.key?.every((name) => columns.some((column) => column.target === name)) === true
  const order = target.columns.map(({ name }) => name)
  return {
    source: source.name,
    target: target.name,
    rows: source.rows,
    bytes: source.bytesTotal,
    bytes_max: source.bytesMax,
    columns: columns.toSorted(
      (one, other) => order.indexOf(one.target) - order.indexOf(other.target),
    ),
    key: keyed ? target.key : null,
    primary_key: null,
    uniques: [],
    indexes: [],
    foreign_keys: [],
    checks: [],
    hostile: true,
  }
}

interface How {
  readonly conversion: Conversion
  readonly formats?: readonly TextFormat[]
  readonly loss?: { readonly rule: LossRule; readonly rows: number }
}

function mapping(from: SurveyColumn, to: TargetTable['columns'][number], how: How): ColumnMapping {
  return {
    source: from.name,
    target: to.name,
    type: to.type,
    conversion: how.conversion,
    fidelity: how.loss === undefined ? 'converted' : 'lossy',
    ...(how.formats === undefined ? {} : { formats: how.formats }),
    unfit: 'reject',
    nullable: to.nullable,
    default: null,
    identity: null,
    generated: null,
  }
}

/** How the source's values become the type that is there; or, as text, what they are that cannot be compared with it. */
function conversionFor(column: SurveyColumn, type: CanonicalType | null): How | string {
  const { census } = column.profile
  const present = (['integer', 'real', 'text', 'blob'] as const).filter(
    (storage) => census[storage] > 0,
  )
  const found = `the source holds ${present.join(' and ') || 'only NULL'}`
  const only = (...allowed: string[]): boolean =>
    present.every((storage) => allowed.includes(storage))
  switch (type?.tag) {
    case 'i':
      return only('integer', 'real') ? { conversion: 'integer' } : found
    case 'b':
      return only('integer') && (column.profile.integer?.zeroOrOne ?? 0) === census.integer
        ? { conversion: 'boolean' }
        : found
    case 'f':
      return only('integer', 'real') ? float(column, type) : found
    case 'd':
      return decimal(column, type) ?? found
    case 't':
      return text(column) ?? found
    case 'x':
      if (only('blob')) return { conversion: 'bytes' }
      return only('blob', 'text')
        ? { conversion: 'any-as-bytes', loss: { rule: 'mixed-to-bytes', rows: census.text } }
        : found
    case 'D':
      return (
        written(column, 'date', [
          ['date-iso'],
          ['date-dmy-dot'],
          ['date-ymd-slash'],
          ['date-compact'],
        ]) ?? found
      )
    case 'T':
      return (
        written(column, 'timestamp', [
          ['timestamp-iso'],
          ['date-iso'],
          ['timestamp-iso', 'date-iso'],
        ]) ?? found
      )
    case 'z':
      return (
        written(column, 'timestamptz', [
          ['timestamp-zone'],
          ['timestamp-iso'],
          ['timestamp-zone', 'timestamp-iso'],
        ]) ?? found
      )
    case 'h':
      return written(column, 'time', [['time-iso']]) ?? found
    case 'u': {
      if (only('blob') && column.profile.blob?.uuidSized === census.blob)
        return { conversion: 'uuid' }
      return written(column, 'uuid', [['uuid']]) === null ? found : { conversion: 'uuid' }
    }
    case 'j':
      return written(column, 'json', [['json']]) === null ? found : { conversion: 'json' }
    case 'J':
      return written(column, 'jsonb', [['json']]) === null ? found : { conversion: 'jsonb' }
    default:
      return found
  }
}

/** SQLite's numbers have 64 bits; a column of 32 keeps about 7 digits of them, and the comparison rounds as it does. */
function float({ profile: { census } }: SurveyColumn, type: CanonicalType): How {
  const rows = census.integer + census.real
  if (type.name !== 'float4' || rows === 0) return { conversion: 'real' }
  return { conversion: 'real', loss: { rule: 'real-to-decimal', rows } }
}

/** Floating point values that are no decimals of the column's scale can only have been rounded. */
function decimal(column: SurveyColumn, type: CanonicalType): How | null {
  const { census, real, text: texts } = column.profile
  if (census.blob > 0 || (texts?.formats.decimal ?? 0) < census.text) return null
  const exact =
    real === null ||
    (real.roundTrips === census.real && (type.size === null || real.scale <= (type.scale ?? 0)))
  return exact
    ? { conversion: 'decimal' }
    : { conversion: 'decimal', loss: { rule: 'real-to-decimal', rows: census.real } }
}

function text({ profile: { census } }: SurveyColumn): How | null {
  if (census.real > 0 || census.blob > 0) return null
  if (census.integer === 0) return { conversion: 'text' }
  if (census.text === 0) return { conversion: 'any-as-text' }
  return { conversion: 'any-as-text', loss: { rule: 'mixed-to-text', rows: census.integer } }
}

/** The first list of formats in which every text of the column is written. */
function written(
  column: SurveyColumn,
  conversion: Conversion,
  lists: readonly (readonly TextFormat[])[],
): How | null {
  const { census, text: texts } = column.profile
  if (census.integer + census.real + census.blob > 0) return null
  const formats = lists.find(
    (list) => list.reduce((sum, format) => sum + (texts?.formats[format] ?? 0), 0) >= census.text,
  )
  return formats === undefined ? null : { conversion, formats }
}
