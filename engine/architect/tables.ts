/** One mapping per carried table, with everything that hangs on it. */
import type { ColumnMapping, TableMapping } from '@sensei/core/plan'
import type { Survey } from '@sensei/core/survey'
import { mapChecks } from './checks.ts'
import { mapDefault } from './defaults.ts'
import type { ColumnDraft, Draft, TableDraft } from './drafts.ts'
import { mapForeignKeys } from './foreign-keys.ts'
import { mapGenerated } from './generated.ts'
import { isHostile } from './hostile.ts'
import { mapIndexes } from './indexes.ts'
import { isRowidAlias, type Keys, mapKeys } from './keys.ts'

export function mapTables(survey: Survey, draft: Draft): readonly TableMapping[] {
  const keys = new Map(draft.tables.map((table) => [table.target, mapKeys(draft, table)]))
  const mapped = new Map(
    draft.tables.map((table) => [
      table.target,
      mapTable(survey, draft, table, keys.get(table.target)),
    ]),
  )
  return draft.tables.map((table) => {
    const mapping = mapped.get(table.target) ?? mapTable(survey, draft, table, undefined)
    return { ...mapping, foreign_keys: mapForeignKeys(draft, table, mapped) }
  })
}

function mapTable(
  survey: Survey,
  draft: Draft,
  table: TableDraft,
  keys: Keys | undefined,
): TableMapping {
  const { source } = table
  const columns = table.columns.map((column) => mapColumn(draft, table, column, keys))
  noteConflicts(draft, table)
  const surrogate = keys?.surrogate ?? null
  return {
    source: source.name,
    target: table.target,
    rows: source.rows,
    bytes: source.bytesTotal,
    bytes_max: source.bytesMax,
    columns: surrogate === null ? columns : [...columns, surrogateColumn(surrogate)],
    key: keys?.key ?? null,
    primary_key: keys?.primary ?? null,
    uniques: keys?.uniques ?? [],
    indexes: [...(keys?.indexes ?? []), ...mapIndexes(draft, table)],
    foreign_keys: [],
    checks: mapChecks(draft, table),
    hostile: isHostile(survey, table),
  }
}

/** A statement that breaks a constraint is refused, whatever SQLite would do instead. */
function noteConflicts(draft: Draft, { source }: TableDraft): void {
  for (const { column, clause } of source.conflicts ?? []) {
    draft.notes.converted.push({
      kind: 'conflict clause',
      name: column === null ? source.name : `${source.name}.${column}`,
      note: `${clause}: PostgreSQL refuses the statement instead; what shall happen belongs into it (insert … on conflict …)`,
    })
  }
}

function mapColumn(
  draft: Draft,
  table: TableDraft,
  column: ColumnDraft,
  keys: Keys | undefined,
): ColumnMapping {
  const { decision, override } = column
  const inPrimary = keys?.primary?.columns.includes(column.target) ?? false
  const identity = givesNumbers(table, column, inPrimary)
    ? { next: nextOf(draft, table, column) }
    : null
  const generated = mapGenerated(draft, table, column)
  const withDefault = identity === null && column.source.generated === null
  return {
    source: column.source.name,
    target: column.target,
    type: decision.type,
    conversion: decision.conversion,
    fidelity:
      generated === null && column.source.generated !== null
        ? atLeastConverted(decision.fidelity)
        : decision.fidelity,
    ...(decision.formats === undefined ? {} : { formats: decision.formats }),
    unfit: decision.unfit,
    nullable:
      override === null ? !(inPrimary || column.source.notNull) : override.nullable && !inPrimary,
    default: withDefault ? mapDefault(draft, table, column) : null,
    identity,
    generated,
    ...(override?.expression === undefined ? {} : { expression: override.expression }),
  }
}

/** The target hands out numbers where SQLite did. */
function givesNumbers(table: TableDraft, column: ColumnDraft, inPrimary: boolean): boolean {
  if (
    !inPrimary ||
    column.override?.withoutIdentity === true ||
    column.override?.expression !== undefined
  )
    return false
  return (
    isRowidAlias(table, column) &&
    column.decision.conversion === 'integer' &&
    !column.decision.type.startsWith('numeric')
  )
}

function atLeastConverted(fidelity: ColumnMapping['fidelity']): ColumnMapping['fidelity'] {
  return fidelity === 'exact' ? 'converted' : fidelity
}

/** One past whatever was handed out: by AUTOINCREMENT's own record, or by the largest value there is. */
function nextOf(draft: Draft, table: TableDraft, column: ColumnDraft): string {
  const largest = BigInt(column.source.profile.integer?.max ?? '0')
  const recorded = BigInt(table.source.autoincrement?.next ?? '1')
  const next = largest + 1n > recorded ? largest + 1n : recorded
  if (next < 1n) return '1'
  if (next <= BIGINT_MAX) return next.toString()
  draft.notes.findings.push({
    code: 'identity-exhausted',
    table: table.source.name,
    column: column.source.name,
    message: 'the largest number there is was handed out; the target cannot hand out another',
  })
  return BIGINT_MAX.toString()
}

const BIGINT_MAX = 2n ** 63n - 1n

/** Rows without a usable key get a number in the target; the source knows nothing of it. */
function surrogateColumn(name: string): ColumnMapping {
  return {
    source: null,
    target: name,
    type: 'bigint',
    conversion: 'integer',
    fidelity: 'converted',
    unfit: 'reject',
    nullable: false,
    default: null,
    identity: { next: '1' },
    generated: null,
  }
}
