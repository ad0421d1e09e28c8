/**
 * One scalar expression of an edited plan, judged by SQLite itself. An expression that SQLite accepts in an index is
 * one scalar expression over that row: no subselect, no aggregate, no other table, no function whose answer changes. The
 * check runs in an empty database in memory that has only a table of the same columns, so that nothing can be reached.
 */
import { constants, DatabaseSync } from 'node:sqlite'
import { SenseiError } from '@sensei/core/errors'
import { quoteIdent } from '@sensei/core/sql'
import { tokens } from './survey/tokens.ts'

const LENGTH_MAX = 10_000

/** Names that mean the moment at which they are asked; SQLite finds most of them, but only when a row is met. */
const CHANGING = new Set(['current_date', 'current_time', 'current_timestamp'])

/** Throws EXPRESSION_REFUSED. `database` is only asked for the table's columns. */
export function assertScalarExpression(
  database: DatabaseSync,
  table: string,
  expression: string,
): void {
  const reason = refusal(database, table, expression)
  if (reason === null) return
  throw new SenseiError(
    'EXPRESSION_REFUSED',
    `the expression for table ${table} is refused: ${reason}`,
    {
      details: { table, expression },
    },
  )
}

function refusal(database: DatabaseSync, table: string, expression: string): string | null {
  if (expression.length > LENGTH_MAX) return `it is longer than ${LENGTH_MAX} characters`
  const shape = shapeProblem(expression)
  if (shape !== null) return shape
  const info = database.prepare('select name, type from pragma_table_xinfo(?) where hidden <> 1')
  const columns = info.all(table) as { name: string; type: string }[]
  if (columns.length === 0) return 'the source has no such table'
  const scratch = new DatabaseSync(':memory:', { enableDoubleQuotedStringLiterals: false })
  try {
    const list = columns.map(({ name }) => quoteIdent(name)).join(', ')
    scratch.exec(`create table ${quoteIdent(table)} (${list})`)
    scratch.exec(
      `insert into ${quoteIdent(table)} values (${columns.map(() => 'null').join(', ')})`,
    )
    scratch.setAuthorizer((action, name) =>
      action === constants.SQLITE_FUNCTION && name === 'load_extension'
        ? constants.SQLITE_DENY
        : constants.SQLITE_OK,
    )
    scratch.exec(`create index "the expression" on ${quoteIdent(table)} ((${expression}))`)
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    scratch.close()
  }
}

/** The text must stay inside the brackets that we put around it. */
function shapeProblem(expression: string): string | null {
  let depth = 0
  let count = 0
  for (const token of tokens(expression)) {
    count += 1
    if (token.kind === 'broken') return 'a quote or a comment in it never ends'
    if (token.kind === 'word' && CHANGING.has(token.text.toLowerCase())) {
      return 'its value depends on when it is asked'
    }
    if (token.kind !== 'sign') continue
    if (token.text === ';') return 'it holds more than one statement'
    if (token.text === '?' || token.text === '$' || token.text === '@')
      return 'it holds a parameter'
    if (token.text === '(') depth += 1
    if (token.text === ')') depth -= 1
    if (depth < 0) return 'its brackets do not match'
    if (token.text === ',' && depth === 0) return 'it is more than one expression'
  }
  if (count === 0) return 'it is empty'
  return depth === 0 ? null : 'its brackets do not match'
}
