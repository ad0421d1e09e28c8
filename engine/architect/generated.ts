/** Generated columns: the target computes them too where the expression means the same; else they are copied as values. */
import { displayName } from '@sensei/core/display'
import { quoteIdent } from '@sensei/core/sql'
import { type ColumnDraft, columnOf, type Draft, type TableDraft } from './drafts.ts'
import { columnValue, kindOf, tableContext } from './scope.ts'
import { attempt, refuse } from './sql/refuse.ts'
import { translateExpression } from './sql/translate.ts'

export function mapGenerated(draft: Draft, table: TableDraft, column: ColumnDraft): string | null {
  const { generated } = column.source
  if (generated === null || column.override?.expression !== undefined) return null
  const { value, reason } = attempt(() => translateGenerated(table, column, generated.expression))
  const name = `${table.source.name}.${column.source.name}`
  if (column.override?.withoutGenerated === true) {
    const note = 'the edited plan copies its present values'
    draft.notes.converted.push({ kind: 'generated column', name, note })
    return null
  }
  if (value === null) {
    const note = `PostgreSQL cannot compute “${generated.expression}” alike (${reason}); it becomes an ordinary column with its present values`
    draft.notes.converted.push({ kind: 'generated column', name, note })
  } else if (generated.kind === 'virtual') {
    const note = 'it was computed when read; it becomes stored'
    draft.notes.converted.push({ kind: 'generated column', name, note })
  }
  return value
}

function translateGenerated(table: TableDraft, column: ColumnDraft, expression: string): string {
  const own = tableContext(table)
  const translated = translateExpression(expression, {
    ...own,
    column: (qualifier, name, doubtful) => {
      const read = columnOf(table, name)
      if (read !== null && read.source.generated !== null) {
        return refuse(`it reads ${displayName(name)}, which is itself generated`)
      }
      return read === null
        ? own.column(qualifier, name, doubtful)
        : columnValue(read, quoteIdent(read.target))
    },
  })
  const wanted = kindOf(column)
  if (translated.kind !== wanted || wanted === 'other') {
    return refuse(`it gives a ${translated.kind} where the column becomes ${column.decision.type}`)
  }
  return translated.sql
}
