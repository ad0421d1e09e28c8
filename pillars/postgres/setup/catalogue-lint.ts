/**
 * Reads PostgreSQL's catalogue and names every hole through which one tenant could reach another's row (G10). It judges
 * the database that is there and not the files that made it: whatever a later migration, an extension or an
 * administrator's hand has added is seen too. Run by a test on every migrated database and by `sensei doctor`.
 */
import {
  DEFINERS,
  POLICIES,
  REFERENCES,
  SHARED_TABLES,
  TENANTLESS_TABLES,
  UNIQUE_KEYS,
} from './catalogue-allowed.ts'
import type { Client } from '../door/connection.ts'
import { SERVICES, serviceRole } from '../door/services.ts'

export interface Hole {
  readonly object: string
  readonly hole: string
}

/**
 * `logins`: the roles that the application and the services log in as, for what they can become. The group roles are
 * judged always.
 */
export async function lintCatalogue(
  client: Pick<Client, 'query'>,
  logins: readonly string[] = [],
): Promise<readonly Hole[]> {
  const found: Hole[] = []
  for (const { hole, sql, values } of checks(logins)) {
    const { rows } = await client.query<{ object: string }>(`${PRELUDE} ${sql}`, [...values])
    found.push(...rows.map(({ object }) => ({ object, hole })))
  }
  return found
}

interface Check {
  readonly hole: string
  /** Selects the objects that have the hole, as `object`. */
  readonly sql: string
  readonly values: readonly (readonly string[])[]
}

/** Whatever is not PostgreSQL's own and not an extension's. */
const PRELUDE = `with
  space as (
    select oid, nspname, nspacl, nspowner from pg_namespace
    where nspname !~ '^pg_' and nspname <> 'information_schema'
      and not exists (select from pg_depend d where d.classid = 'pg_namespace'::regclass and d.objid = pg_namespace.oid
        and d.deptype = 'e')),
  class as (
    select c.*, c.oid::regclass::text as name from pg_class c join space s on s.oid = c.relnamespace
    where not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
      and d.deptype = 'e')),
  grants as (
    select c.oid, c.name, c.relkind, c.relispartition, a.privilege_type, a.grantee from class c, aclexplode(c.relacl) a
    where a.grantee <> c.relowner
    union all
    select c.oid, c.name, c.relkind, c.relispartition, a.privilege_type, a.grantee
    from class c join pg_attribute t on t.attrelid = c.oid, aclexplode(t.attacl) a where a.grantee <> c.relowner),
  policy as (
    select c.name || '.' || p.polname || ' to ' || (
        select string_agg(coalesce(r.rolname, 'public'), ', ' order by r.rolname)
        from unnest(p.polroles) o left join pg_roles r on r.oid = o) as object,
      p.polcmd, p.polpermissive, p.polwithcheck,
      replace(pg_get_expr(p.polqual, p.polrelid), '''''::text', '''''') as shown,
      replace(pg_get_expr(p.polwithcheck, p.polrelid), '''''::text', '''''') as checked,
      case when c.name = 'organization' then 'id' else 'org_id' end as tenant_column
    from pg_policy p join class c on c.oid = p.polrelid),
  routine as (
    select p.*, p.oid::regprocedure::text as signature, r.rolname as owner, r.rolcanlogin, r.rolsuper, r.rolbypassrls
    from pg_proc p join space s on s.oid = p.pronamespace join pg_roles r on r.oid = p.proowner
    where not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid
      and d.deptype = 'e'))`

/** What every tenant policy says, with the column for %s. */
const TENANT = "(%s = (NULLIF(current_setting(''app.org_id''::text, true), ''''))::uuid)"

/** What logins are members of, each of one. */
const GROUPS: readonly string[] = ['sensei_app', ...SERVICES.map(serviceRole)]

/** Can be reached from these roles by membership, whether it is inherited or by SET ROLE. */
const REACHED = `, start as (
    select r.oid from pg_roles r
    where r.rolname = any ($1)
      or r.rolname = any ($2)),
  reached as (
    select s.oid as first, r.oid from start s join pg_roles r on pg_has_role(s.oid, r.oid, 'member'))`

function checks(logins: readonly string[]): readonly Check[] {
  const known = [...SHARED_TABLES, ...TENANTLESS_TABLES]
  return [
    ...tables(known),
    ...policies(),
    ...references(known),
    ...grants(),
    ...routines(),
    ...roles(logins),
  ]
}

function tables(known: readonly string[]): readonly Check[] {
  return [
    {
      hole: 'table without row-level security',
      sql: `select name as object from class
        where relkind in ('r', 'p') and not relispartition and not relrowsecurity and name <> all ($1)`,
      values: [SHARED_TABLES],
    },
    {
      hole: 'table without FORCE: its owner sees every tenant',
      sql: `select name as object from class
        where relkind in ('r', 'p') and not relispartition and not relforcerowsecurity and name <> all ($1)`,
      values: [SHARED_TABLES],
    },
    {
      hole: 'table without a tenant: no org_id that is NOT NULL',
      sql: `select name as object from class c where relkind in ('r', 'p') and not relispartition and name <> all ($1)
        and not exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'org_id' and a.attnotnull
          and a.atttypid = 'uuid'::regtype)`,
      values: [known],
    },
    {
      hole: 'unique across tenants: it tells one what another has',
      sql: `select object from (
          select c.name || ' (' || string_agg(coalesce(a.attname, 'an expression'), ', ' order by k.at) || ')' as object,
            bool_or(a.attname = 'org_id') as carried
          from pg_index i join class c on c.oid = i.indrelid
            cross join lateral unnest(i.indkey) with ordinality k (attnum, at)
            left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
          where i.indisunique and c.relkind in ('r', 'p') and not c.relispartition and c.name <> all ($1)
            and k.at <= i.indnkeyatts
          group by c.name, i.indexrelid) u
        where not coalesce(carried, false) and object <> all ($2)`,
      values: [known, UNIQUE_KEYS],
    },
    {
      hole: 'view without security_invoker: it reads as its owner',
      sql: `select name as object from class where relkind = 'v'
        and not coalesce(reloptions, '{}') && array['security_invoker=true', 'security_invoker=on', 'security_invoker=1']`,
      values: [],
    },
    {
      hole: 'materialized view: row-level security does not reach it',
      sql: `select name as object from class where relkind = 'm'`,
      values: [],
    },
    {
      hole: 'foreign table: row-level security does not reach it',
      sql: `select name as object from class where relkind = 'f'`,
      values: [],
    },
    {
      hole: 'sequence: shared by all tenants, and it tells how busy they are',
      sql: `select name as object from class where relkind = 'S'`,
      values: [],
    },
  ]
}

function policies(): readonly Check[] {
  return [
    {
      hole: 'policy without WITH CHECK',
      sql: `select object from policy where polcmd in ('*', 'w', 'a') and polwithcheck is null`,
      values: [],
    },
    {
      hole: 'policy with another expression than the tenant',
      sql: `select object from policy
        where object <> all ($1) and polpermissive
          and (coalesce(shown, '') <> format('${TENANT}', tenant_column) and polcmd <> 'a'
            or coalesce(checked, shown) is distinct from format('${TENANT}', tenant_column))`,
      values: [POLICIES],
    },
  ]
}

function references(known: readonly string[]): readonly Check[] {
  return [
    {
      hole: 'foreign key without org_id: it reaches another tenant’s row',
      sql: `select distinct child.name || ' -> ' || parent.name as object
        from pg_constraint k join class child on child.oid = k.conrelid join class parent on parent.oid = k.confrelid
        where k.contype = 'f' and child.name <> all ($1)
          and child.name || ' -> ' || parent.name <> all ($2)
          and not exists (
            select from unnest(k.conkey, k.confkey) as pair (child, parent)
            join pg_attribute a on a.attrelid = k.conrelid and a.attnum = pair.child and a.attname = 'org_id'
            join pg_attribute b on b.attrelid = k.confrelid and b.attnum = pair.parent
              and b.attname = case when parent.name = 'organization' then 'id' else 'org_id' end)`,
      values: [known, REFERENCES],
    },
  ]
}

function grants(): readonly Check[] {
  const of = (privileges: string): string =>
    `select distinct g.privilege_type || ' on ' || g.name || ' to ' || coalesce(r.rolname, 'public') as object
     from grants g left join pg_roles r on r.oid = g.grantee where ${privileges}`
  return [
    {
      hole: 'grant that row-level security does not bind',
      sql: of(`g.privilege_type not in ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'USAGE')`),
      values: [],
    },
    {
      hole: 'grant on a partition: its parent’s policies do not hold there',
      sql: of(`g.relispartition and g.relkind in ('r', 'p')`),
      values: [],
    },
    { hole: 'grant to PUBLIC', sql: of('g.grantee = 0'), values: [] },
    {
      hole: 'grant to write what all tenants share',
      sql: of(`g.name = any ($1) and g.privilege_type <> 'SELECT'`),
      values: [SHARED_TABLES],
    },
    {
      hole: 'grant to come: default privileges',
      sql: `select distinct d.defaclobjtype::text || ' of ' || d.defaclrole::regrole || ' to '
          || case when a.grantee = 0 then 'public' else a.grantee::regrole::text end as object
        from pg_default_acl d, aclexplode(d.defaclacl) a where a.grantee <> d.defaclrole`,
      values: [],
    },
    {
      hole: 'grant to create objects, which could shadow ours',
      sql: `select distinct s.nspname || ' to ' || coalesce(r.rolname, 'public') as object
        from space s, aclexplode(s.nspacl) a left join pg_roles r on r.oid = a.grantee
        where a.privilege_type = 'CREATE' and a.grantee <> s.nspowner
          -- Whoever sets up a control plane may be what owns its tables, and needs the grant for it (roles.ts).
          and not coalesce(pg_has_role(r.oid, 'sensei_owner', 'usage'), false)`,
      values: [],
    },
  ]
}

function routines(): readonly Check[] {
  return [
    {
      hole: 'definer function that nobody looked at',
      sql: `select signature || ' of ' || owner as object from routine
        where prosecdef and signature || ' of ' || owner <> all ($1)`,
      values: [DEFINERS],
    },
    {
      hole: 'definer function without a pinned search_path',
      sql: `select signature as object from routine
        where prosecdef and not coalesce(proconfig, '{}') @> array['search_path=public, pg_temp']`,
      values: [],
    },
    {
      hole: 'definer function of a role that logs in or bypasses row-level security',
      sql: `select signature as object from routine where prosecdef and (rolcanlogin or rolsuper or rolbypassrls)`,
      values: [],
    },
    {
      hole: 'definer function that anybody may call',
      sql: `select signature as object from routine
        where prosecdef and has_function_privilege('public', oid, 'execute')`,
      values: [],
    },
    {
      hole: 'leakproof function: it sees rows before the policies do',
      sql: `select signature as object from routine where proleakproof`,
      values: [],
    },
  ]
}

function roles(logins: readonly string[]): readonly Check[] {
  const reach = (what: string): string => `${REACHED}
    select distinct s.rolname || ' can become ' || r.rolname as object
    from reached join pg_roles s on s.oid = first join pg_roles r on r.oid = reached.oid where ${what}`
  return [
    {
      hole: 'role that is above row-level security',
      sql: reach(
        `r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolreplication or r.rolname ~ '^pg_'`,
      ),
      values: [logins, GROUPS],
    },
    {
      hole: 'role that owns tables or functions',
      sql: reach(`exists (select from class c where c.relowner = r.oid) or r.rolname <> all ($2) and exists (
        select from routine p where p.proowner = r.oid and p.prosecdef)`),
      values: [logins, GROUPS],
    },
    {
      hole: 'role that is the application and a service at once',
      sql: reach(`r.rolname = any ($2) and exists (
        select from reached o join pg_roles b on b.oid = o.oid
        where o.first = s.oid and b.rolname = any ($2) and b.oid <> r.oid)`),
      values: [logins, GROUPS],
    },
  ]
}
