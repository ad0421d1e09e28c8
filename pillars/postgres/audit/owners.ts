/** Whose audit histories a control plane holds. */
import type { Query } from './entries.ts'

/** Each key begins with the organization, so this takes a step in each index for each of them, however long they are. */
const step = (table: string): string => `
select org_id from (
  with recursive owner (org_id) as (
    (select org_id from ${table} order by org_id limit 1)
    union all
    select (select t.org_id from ${table} t where t.org_id > owner.org_id order by t.org_id limit 1)
    from owner where owner.org_id is not null
  )
  select org_id from owner where org_id is not null
) found`

/** Of any one table somebody may have taken everything away. */
const OWNERS = ['audit_head', 'audit_log', 'audit_position', 'audit_chain']
  .map(step)
  .join('\nunion')

/** Every organization of which there is anything at all. `query` is the chainer's. */
export async function historyOwners(query: Query): Promise<string[]> {
  const rows = await query<{ org_id: string }>(OWNERS, [])
  return rows.map((row) => row.org_id)
}
