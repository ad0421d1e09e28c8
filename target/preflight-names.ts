/** Names that PostgreSQL would cut, refuse or take for its own. The architect maps them; an edited plan may not. */
import type { Plan } from '@sensei/core/plan'
import type { PreflightFinding } from '@sensei/core/ports/target'

const nameBytesMax = 63
const columnsMax = 1_600
const SYSTEM_COLUMNS = new Set(['tableoid', 'xmin', 'cmin', 'xmax', 'cmax', 'ctid'])

export function nameFindings(plan: Plan): PreflightFinding[] {
  const findings: PreflightFinding[] = []
  const check = (name: string, what: string, table: string | null): void => {
    const problem = nameProblem(name)
    if (problem !== null) findings.push(invalid(table, `The ${what} ${problem}`))
  }
  check(plan.target.schema, 'target schema', null)
  if (plan.target.schema.startsWith('pg_')) {
    findings.push(
      invalid(
        null,
        `PostgreSQL keeps schemas that begin with pg_ for itself: "${plan.target.schema}"`,
      ),
    )
  }
  if (plan.target.schema === 'sensei') {
    findings.push(
      invalid(null, 'Schema "sensei" holds the ledger of the migration: choose another --schema'),
    )
  }
  for (const view of plan.views) check(view.target, 'view name', null)
  for (const table of plan.tables) {
    check(table.target, 'table name', table.target)
    for (const column of table.columns) {
      check(column.target, 'column name', table.target)
      if (SYSTEM_COLUMNS.has(column.target)) {
        const message = `"${column.target}" is a system column of PostgreSQL: rename it in the plan`
        findings.push(invalid(table.target, message))
      }
    }
    for (const { name } of builtOn(table))
      check(name, 'key, index or constraint name', table.target)
    if (table.columns.length > columnsMax) {
      const message = `Table "${table.target}" has ${table.columns.length} columns; PostgreSQL has at most ${columnsMax}`
      findings.push({ code: 'TABLE_TOO_WIDE', table: table.target, message })
    }
  }
  return findings
}

function builtOn(table: Plan['tables'][number]): readonly { readonly name: string }[] {
  const primary = table.primary_key === null ? [] : [table.primary_key]
  return [...primary, ...table.uniques, ...table.indexes, ...table.checks, ...table.foreign_keys]
}

function nameProblem(name: string): string | null {
  if (name === '') return 'is empty'
  if (name.includes('\0')) return 'has a NUL character'
  const bytes = Buffer.byteLength(name)
  if (bytes > nameBytesMax)
    return `"${name}" has ${bytes} bytes; PostgreSQL would cut it at ${nameBytesMax}`
  return null
}

function invalid(table: string | null, message: string): PreflightFinding {
  return { code: 'PLAN_INVALID', table, message }
}
