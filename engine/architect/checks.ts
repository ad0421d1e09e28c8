/** CHECK constraints, translated where they mean the same. */
import type { CheckMapping } from '@sensei/core/plan'
import { type Draft, type TableDraft, columnOf } from './drafts.ts'
import { Namespace } from './names.ts'
import { tableContext } from './scope.ts'
import { attempt } from './sql/refuse.ts'
import { translateExpression } from './sql/translate.ts'
import { asBoolean } from './sql/value.ts'

const JSON_VALID = /^\s*\(*\s*json_valid\s*\(\s*(?:"([^"]+)"|(\w+))\s*\)\s*\)*\s*$/i

export function mapChecks(draft: Draft, table: TableDraft): readonly CheckMapping[] {
  const names = new Namespace()
  const checks: CheckMapping[] = []
  for (const { name, expression } of table.source.checks) {
    const label = name ?? `${table.source.name}: ${expression}`
    if (heldByType(table, expression)) {
      const note = 'the type json of the column refuses what the check refused'
      draft.notes.converted.push({ kind: 'check', name: label, note })
      continue
    }
    const { value, reason } = attempt(() =>
      asBoolean(translateExpression(expression, tableContext(table))),
    )
    if (value === null) {
      draft.notes.skipped.push({
        kind: 'check',
        name: label,
        table: table.source.name,
        reason,
        sql: expression,
      })
    } else {
      checks.push({ name: names.claim(name ?? `${table.namedAfter}_check`), expression: value })
    }
  }
  return checks
}

function heldByType(table: TableDraft, expression: string): boolean {
  const match = JSON_VALID.exec(expression)
  const column = columnOf(table, match?.[1] ?? match?.[2] ?? '')
  return column?.decision.type === 'json' || column?.decision.type === 'jsonb'
}
