/**
 * Whether two spellings of an expression over a table are one. PostgreSQL rewrites an expression when it stores it, so the
 * planner is asked to spell both: after it has resolved and folded them, equal ones read the same.
 */
import type { ClientBase } from 'pg'

/** An expression that cannot be planned here is taken as it is: a column that is missing is a finding of its own. */
export async function sameExpression(
  client: ClientBase,
  table: string,
  planned: string,
  is: string,
): Promise<boolean> {
  if (planned === is || planned === `"${is}"`) return true
  await client.query('savepoint sensei_expression')
  try {
    return (await spelled(client, table, planned)) === (await spelled(client, table, is))
  } catch {
    return true
  } finally {
    await client.query('rollback to savepoint sensei_expression')
  }
}

/** Nothing is run. Of the plan only what it puts out counts, not how it would find the rows. */
async function spelled(client: ClientBase, table: string, expression: string): Promise<string> {
  const { rows } = await client.query<{
    'QUERY PLAN': readonly { Plan: { Output: readonly string[] } }[]
  }>({
    text: `explain (verbose, costs off, format json) select (${expression}) from ${table}`,
    values: [],
    queryMode: 'extended',
  } as never)
  return rows[0]?.['QUERY PLAN'][0]?.Plan.Output.join() ?? ''
}
