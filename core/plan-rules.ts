/** What must hold in a plan beyond its shape, so that no step after it has to ask. */
import { displayName } from './display.ts'
import type { ColumnMapping, Conversion, Plan, TableMapping } from './plan.ts'
import { conversionWrites, readType } from './plan-types.ts'
import type { TextFormat } from './survey.ts'

const NAME_BYTES_MAX = 63
const SYSTEM_COLUMNS: ReadonlySet<string> = new Set([
  'tableoid',
  'xmin',
  'cmin',
  'xmax',
  'cmax',
  'ctid',
])
const RESERVED_SCHEMA = /^(?:pg_.*|information_schema|sensei)$/s
const ACTIONS: ReadonlySet<string> = new Set([
  'no action',
  'restrict',
  'cascade',
  'set null',
  'set default',
])

/** The first rule that the plan breaks, in words; null when it breaks none. */
export function planProblem(plan: Plan): string | null {
  const problem = editableProblem(plan) ?? relationProblem(plan)
  if (problem !== null) return problem
  const byTarget = new Map(plan.tables.map((table) => [table.target, table]))
  return firstProblem(plan, (table) => keysProblem(table) ?? constraintProblem(byTarget, table))
}

/** The same for what a person may edit alone: keys and SQL may still speak of names as they were. */
export function editableProblem(plan: Plan): string | null {
  const { schema } = plan.target
  if (!fitsName(schema) || RESERVED_SCHEMA.test(schema))
    return `${shown(schema)} cannot be the target's schema`
  const twice =
    firstTwice(plan.tables.map((table) => table.source)) ??
    firstTwice(plan.views.map((view) => view.source))
  if (twice !== null) return `${shown(twice)} is mapped twice`
  const targets = [...plan.tables, ...plan.views].map((relation) => relation.target)
  return namesProblem(targets) ?? firstProblem(plan, columnsProblem)
}

function firstProblem(
  plan: Plan,
  problemOf: (table: TableMapping) => string | null,
): string | null {
  for (const table of plan.tables) {
    const problem = problemOf(table)
    if (problem !== null) return `in table ${shown(table.source)}: ${problem}`
  }
  return null
}

/** Tables, views, indexes and the constraints that have an index share one namespace in PostgreSQL. */
function relationProblem(plan: Plan): string | null {
  const names = plan.tables.flatMap((table) => [
    table.target,
    ...table.indexes.map((index) => index.name),
    ...table.uniques.map((unique) => unique.name),
    ...(table.primary_key === null ? [] : [table.primary_key.name]),
  ])
  names.push(...plan.views.map((view) => view.target))
  return namesProblem(names)
}

function namesProblem(names: readonly string[]): string | null {
  const unfit = names.find((name) => !fitsName(name))
  if (unfit !== undefined)
    return `${shown(unfit)} is no name that PostgreSQL can hold (63 bytes, no NUL)`
  const twice = firstTwice(names)
  return twice === null ? null : `the name ${shown(twice)} is given to two objects of the target`
}

type Tables = ReadonlyMap<string, TableMapping>

function columnsProblem(table: TableMapping): string | null {
  const targets = table.columns.map((column) => column.target)
  const sources = table.columns.flatMap((column) => (column.source === null ? [] : [column.source]))
  const twice = firstTwice(targets) ?? firstTwice(sources)
  if (twice !== null) return `the column ${shown(twice)} is mapped twice`
  for (const column of table.columns) {
    const problem = columnProblem(column)
    if (problem !== null) return `column ${shown(column.source ?? column.target)}: ${problem}`
  }
  return null
}

function keysProblem(table: TableMapping): string | null {
  const targets = new Set(table.columns.map((column) => column.target))
  const keys = [table.primary_key, ...table.uniques, ...table.foreign_keys]
  const named = [...(table.key ?? []), ...keys.flatMap((key) => key?.columns ?? [])]
  const unknown = named.find((name) => !targets.has(name))
  if (unknown !== undefined)
    return `a key names the column ${shown(unknown)}, which the table has not`
  return keyProblem(table)
}

function keyProblem(table: TableMapping): string | null {
  const compared = table.columns
    .filter((column) => column.source !== null)
    .map((column) => column.target)
  if (table.key?.some((name) => !compared.includes(name)))
    return 'its key has a column that the source has not'
  const keys = [...table.uniques, ...(table.primary_key === null ? [] : [table.primary_key])]
  const repeated = [table.key ?? [], ...keys.map((key) => key.columns)]
    .map(firstTwice)
    .find((name) => name !== null)
  return repeated === undefined ? null : `a key names the column ${shown(repeated)} twice`
}

function constraintProblem(plan: Tables, table: TableMapping): string | null {
  const names = [
    ...table.uniques.map((unique) => unique.name),
    ...(table.primary_key === null ? [] : [table.primary_key.name]),
    ...table.checks.map((check) => check.name),
    ...table.foreign_keys.map((key) => key.name),
  ]
  const twice = firstTwice(names)
  if (twice !== null) return `two of its constraints have the name ${shown(twice)}`
  for (const key of table.foreign_keys) {
    const parent = plan.get(key.references.table)
    const columns = parent?.columns.map((column) => column.target) ?? []
    if (key.references.columns.some((name) => !columns.includes(name))) {
      return `the foreign key ${shown(key.name)} refers to columns that are not in the plan`
    }
    if (key.columns.length !== key.references.columns.length) {
      return `the foreign key ${shown(key.name)} has not as many columns as it refers to`
    }
    if (!ACTIONS.has(key.on_update) || !ACTIONS.has(key.on_delete)) {
      return `the foreign key ${shown(key.name)} has an action that PostgreSQL does not know`
    }
  }
  return null
}

const DATES: readonly TextFormat[] = [
  'date-iso',
  'date-dmy-slash',
  'date-mdy-slash',
  'date-dmy-dot',
  'date-ymd-slash',
  'date-compact',
]

/** The formats that a conversion may be told to read. */
function formatsOf(conversion: Conversion): readonly TextFormat[] {
  switch (conversion) {
    case 'date':
      return DATES
    case 'timestamp':
      return [...DATES, 'timestamp-iso']
    case 'timestamptz':
      return [...DATES, 'timestamp-iso', 'timestamp-zone']
    case 'time':
      return ['time-iso']
    default:
      return []
  }
}

function columnProblem(column: ColumnMapping): string | null {
  if (!fitsName(column.target)) return 'its name in the target is no name that PostgreSQL can hold'
  if (SYSTEM_COLUMNS.has(column.target))
    return 'its name in the target is one that PostgreSQL keeps for itself'
  const type = readType(column.type)
  if (type === null)
    return `${shown(column.type)} is no type that Sensei can write (docs/types.md lists them)`
  if (!conversionWrites(column.conversion, type)) {
    return `the conversion ${column.conversion} does not write ${column.type} (docs/types.md says which does)`
  }
  if (column.unfit === 'null' && !column.nullable)
    return 'unfit values cannot become NULL where NULL is not allowed'
  if (column.source === null && (column.expression !== undefined || column.generated !== null)) {
    return 'a column that only the target has cannot be computed'
  }
  if (column.expression !== undefined && column.generated !== null)
    return 'it is computed in two ways'
  return formatsProblem(column)
}

function formatsProblem(column: ColumnMapping): string | null {
  const { formats, conversion } = column
  if (formats === undefined) return null
  const allowed = formatsOf(conversion)
  if (allowed.length === 0) return `the conversion ${conversion} takes no formats`
  const other = formats.find((format) => !allowed.includes(format))
  if (other !== undefined) return `the conversion ${conversion} does not read ${other}`
  if (formats.includes('date-dmy-slash') && formats.includes('date-mdy-slash')) {
    return 'day/month and month/day cannot both be read'
  }
  return firstTwice(formats) === null ? null : 'a format is named twice'
}

export function fitsName(name: string): boolean {
  return (
    name !== '' &&
    Buffer.byteLength(name) <= NAME_BYTES_MAX &&
    name.isWellFormed() &&
    !name.includes('\0')
  )
}

function firstTwice(names: readonly string[]): string | null {
  const seen = new Set<string>()
  for (const name of names) {
    if (seen.has(name)) return name
    seen.add(name)
  }
  return null
}

function shown(name: string): string {
  return `“${displayName(name)}”`
}
