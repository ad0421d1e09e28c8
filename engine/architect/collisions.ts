/** Keys that are apart in the source and may be one in the target, by a loss that a person accepts. */
import type { LossRule } from '@sensei/core/losses'
import type { ColumnDraft, Draft, TableDraft } from './drafts.ts'

/** Rules by which two values become one; NULLs do not collide. */
const COLLIDING: ReadonlySet<LossRule> = new Set([
  'mixed-to-text',
  'mixed-to-bytes',
  'strip-nul',
  'replace-invalid-utf8',
  'date-formats-unified',
  'timestamp-offset',
  'json-to-jsonb',
])

/** `key` names it in a sentence: `the primary key`. */
export function noteCollisions(
  { notes }: Draft,
  table: TableDraft,
  columns: readonly (ColumnDraft | null)[],
  key: string,
): void {
  for (const column of columns) {
    for (const { rule } of column?.decision.losses ?? []) {
      if (column === null || !COLLIDING.has(rule)) continue
      notes.findings.push({
        code: 'keys-may-collide',
        table: table.source.name,
        column: column.source.name,
        message: `keys that differ only in what ${rule} changes become equal; ${key} would refuse them once the rows are loaded, and the table fails`,
      })
    }
  }
}
