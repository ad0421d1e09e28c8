/** What makes a table act otherwise than its definition says: constraints that are not enforced, triggers, row security. */
import type { ClientBase } from 'pg'

export interface Guard {
  readonly object: string
  readonly kind: 'constraint' | 'trigger' | 'row security'
  readonly problem: string
}

/** A column that an older server does not have reads as NULL through the row's JSON. */
const GUARDS = `
  select c.conname::text as object, 'constraint' as kind, 'is not enforced' as problem
  from pg_constraint c where c.conrelid = $1 and to_jsonb(c) ->> 'conenforced' = 'false'
  union all
  select distinct c.conname::text, 'constraint', 'is not enforced: its triggers are disabled'
  from pg_trigger t join pg_constraint c on c.oid = t.tgconstraint
  where t.tgrelid = $1 and t.tgisinternal and t.tgenabled in ('D', 'R')
  union all
  select t.tgname::text, 'trigger', 'is not in the plan' || case t.tgenabled when 'D' then ' (disabled)' else '' end
  from pg_trigger t where t.tgrelid = $1 and not t.tgisinternal
  union all
  select r.rulename::text, 'trigger', 'is a rule that is not in the plan'
  from pg_rewrite r where r.ev_class = $1
  union all
  select r.relname::text, 'row security', 'is enabled, against the plan'
  from pg_class r where r.oid = $1 and (r.relrowsecurity or r.relforcerowsecurity)
  order by 2, 1, 3`

export async function readGuards(client: ClientBase, table: number): Promise<readonly Guard[]> {
  return (await client.query<Guard>(GUARDS, [table])).rows
}
