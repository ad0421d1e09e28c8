/** What changed from one version of a plan to another, for the person who approves the new one. */
import { type DeclaredLoss, lossName } from './losses.ts'
import type { ColumnMapping, Plan, SkippedObject, TableMapping } from './plan.ts'

export interface PlanDiff {
  readonly tables: {
    readonly added: readonly string[]
    readonly removed: readonly string[]
    readonly changed: readonly TableDiff[]
  }
  readonly losses: {
    readonly added: readonly string[]
    readonly removed: readonly string[]
    /** The same loss of another number of rows. */
    readonly resized: readonly LossResized[]
  }
  readonly skipped: { readonly added: readonly string[]; readonly removed: readonly string[] }
  /** Of what concerns the whole plan: the schema, whether it appends. */
  readonly settings: readonly Change[]
}

/** A table is the same where its source is, and a column likewise; the rest of both may have changed. */
export interface TableDiff {
  readonly source: string
  readonly changes: readonly Change[]
  readonly columns: {
    readonly added: readonly string[]
    readonly removed: readonly string[]
    readonly changed: readonly ColumnDiff[]
  }
}

export interface ColumnDiff {
  readonly column: string
  readonly changes: readonly Change[]
}

/** Both as JSON text, because a field may be a list. */
export interface Change {
  readonly field: string
  readonly before: string
  readonly after: string
}

export interface LossResized {
  readonly loss: string
  readonly before: number
  readonly after: number
}

export function diffPlans(before: Plan, after: Plan): PlanDiff {
  const tables = paired(before.tables, after.tables, (table) => table.source)
  return {
    tables: {
      added: tables.added,
      removed: tables.removed,
      changed: tables.both.flatMap(([one, other]) => tableDiff(one, other)),
    },
    losses: lossDiff(before.losses, after.losses),
    skipped: skippedDiff(before.skipped, after.skipped),
    settings: changesOf(settingsOf(before), settingsOf(after)),
  }
}

export function isUnchanged({ tables, losses, skipped, settings }: PlanDiff): boolean {
  const lists = [tables.added, tables.removed, tables.changed, losses.added, losses.removed]
  return [...lists, losses.resized, skipped.added, skipped.removed, settings].every(
    (list) => list.length === 0,
  )
}

function settingsOf({ source, target, append }: Plan): object {
  return { source, schema: target.schema, append }
}

function tableDiff(before: TableMapping, after: TableMapping): TableDiff[] {
  const { columns: columnsBefore, ...restBefore } = before
  const { columns: columnsAfter, ...restAfter } = after
  const changes = changesOf(restBefore, restAfter)
  const columns = paired(columnsBefore, columnsAfter, columnName)
  const changed = columns.both.flatMap(([one, other]) => {
    const found = changesOf(one, other)
    return found.length === 0 ? [] : [{ column: columnName(one), changes: found }]
  })
  const { added, removed } = columns
  if (changes.length + added.length + removed.length + changed.length === 0) return []
  return [{ source: before.source, changes, columns: { added, removed, changed } }]
}

/** A column that only the target has is named by its target. */
function columnName({ source, target }: ColumnMapping): string {
  return source ?? `(${target})`
}

function lossDiff(before: readonly DeclaredLoss[], after: readonly DeclaredLoss[]) {
  const { added, removed, both } = paired(before, after, lossName)
  const resized = both
    .filter(([one, other]) => one.rows !== other.rows)
    .map(([one, other]) => ({ loss: lossName(one), before: one.rows, after: other.rows }))
  return { added, removed, resized }
}

function skippedDiff(before: readonly SkippedObject[], after: readonly SkippedObject[]) {
  const { added, removed } = paired(before, after, ({ kind, table, name }) =>
    table === null ? `${kind} ${name}` : `${kind} ${table}.${name}`,
  )
  return { added, removed }
}

function paired<T>(before: readonly T[], after: readonly T[], nameOf: (one: T) => string) {
  const old = new Map(before.map((one) => [nameOf(one), one]))
  const young = new Map(after.map((one) => [nameOf(one), one]))
  return {
    added: [...young.keys()].filter((name) => !old.has(name)),
    removed: [...old.keys()].filter((name) => !young.has(name)),
    both: [...old].flatMap(([name, one]) => {
      const other = young.get(name)
      return other === undefined ? [] : [[one, other] as const]
    }),
  }
}

function changesOf(before: object, after: object): Change[] {
  const old = new Map(Object.entries(before))
  const young = new Map(Object.entries(after))
  return [...new Set([...old.keys(), ...young.keys()])].flatMap((field) => {
    const change = { field, before: textOf(old.get(field)), after: textOf(young.get(field)) }
    return change.before === change.after ? [] : [change]
  })
}

/** jsonb keeps no order of keys, so a plan that was read back is compared with them sorted. */
function textOf(value: unknown): string {
  return (
    JSON.stringify(value ?? null, (_, part: unknown) =>
      part !== null && typeof part === 'object' && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
        : part,
    ) ?? 'null'
  )
}
