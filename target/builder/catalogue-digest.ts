/**
 * One digest of everything that the catalogue says about user objects, outside schema `sensei`. By name and definition,
 * never by oid: dropping an object and making it again gives the same digest.
 */
import { createHash } from 'node:crypto'
import type { Session } from '../session.ts'

/** Each query yields text lines; schemas that are PostgreSQL's own, temporary or ours are left out. */
const OUTSIDE = `not in (select oid from pg_namespace
  where nspname in ('pg_catalog', 'information_schema', 'pg_toast', 'sensei')
     or nspname like 'pg\\_temp\\_%' or nspname like 'pg\\_toast\\_temp\\_%')`

const LISTINGS = [
  `select format('schema %I owner %s acl %s', nspname, nspowner::regrole, nspacl)
   from pg_namespace where oid ${OUTSIDE}`,
  `select format('class %s kind %s persistence %s owner %s acl %s options %s rls %s %s partition %s',
     oid::regclass, relkind, relpersistence, relowner::regrole, relacl, reloptions,
     relrowsecurity, relforcerowsecurity, pg_get_expr(relpartbound, oid))
   from pg_class where relnamespace ${OUTSIDE} and relkind <> 'i'`,
  `select format('column %s %s %I %s null %s default %s identity %s generated %s collation %s acl %s',
     a.attrelid::regclass, row_number() over (partition by a.attrelid order by a.attnum), a.attname,
     format_type(a.atttypid, a.atttypmod), not a.attnotnull, pg_get_expr(d.adbin, d.adrelid),
     a.attidentity, a.attgenerated, a.attcollation::regcollation, a.attacl)
   from pg_attribute a join pg_class c on c.oid = a.attrelid
   left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
   where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'v', 'm', 'f', 'c')
     and c.relnamespace ${OUTSIDE}`,
  `select format('constraint %I on %s %s %s %s valid %s', conname, conrelid::regclass,
     contypid::regtype, contype, pg_get_constraintdef(oid), convalidated)
   from pg_constraint where connamespace ${OUTSIDE}`,
  `select format('index %s valid %s cluster %s', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisclustered)
   from pg_index i join pg_class c on c.oid = i.indexrelid where c.relnamespace ${OUTSIDE}`,
  `select format('view %s %s', oid::regclass, pg_get_viewdef(oid))
   from pg_class where relkind in ('v', 'm') and relnamespace ${OUTSIDE}`,
  `select format('rule %s', pg_get_ruledef(r.oid)) from pg_rewrite r join pg_class c on c.oid = r.ev_class
   where r.rulename <> '_RETURN' and c.relnamespace ${OUTSIDE}`,
  `select format('trigger %s enabled %s', pg_get_triggerdef(t.oid), t.tgenabled)
   from pg_trigger t join pg_class c on c.oid = t.tgrelid
   where not t.tgisinternal and c.relnamespace ${OUTSIDE}`,
  `select format('policy %I on %s %s %s %s %s', p.polname, p.polrelid::regclass, p.polcmd, p.polroles::regrole[],
     pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
   from pg_policy p join pg_class c on c.oid = p.polrelid where c.relnamespace ${OUTSIDE}`,
  `select format('routine %s kind %s owner %s acl %s %s', p.oid::regprocedure, p.prokind, p.proowner::regrole,
     p.proacl, case when p.prokind in ('f', 'p') then pg_get_functiondef(p.oid) end)
   from pg_proc p where p.pronamespace ${OUTSIDE}`,
  `select format('type %s kind %s owner %s acl %s labels %s base %s', t.oid::regtype, t.typtype, t.typowner::regrole,
     t.typacl, (select array_agg(enumlabel order by enumsortorder) from pg_enum where enumtypid = t.oid),
     format_type(t.typbasetype, t.typtypmod))
   from pg_type t where t.typnamespace ${OUTSIDE} and t.typtype in ('e', 'd', 'r', 'm')`,
  `select format('sequence %s %s from %s by %s in %s to %s cache %s cycle %s', seqrelid::regclass, seqtypid::regtype,
     seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle)
   from pg_sequence join pg_class c on c.oid = seqrelid where c.relnamespace ${OUTSIDE}`,
  `select format('extension %I %s', extname, extversion) from pg_extension`,
  `select format('comment %s %s', pg_describe_object(d.classoid, d.objoid, d.objsubid), d.description)
   from pg_description d join pg_class c on d.classoid = 'pg_class'::regclass and c.oid = d.objoid
   where c.relnamespace ${OUTSIDE}`,
  `select format('default acl %s %s %s', defaclrole::regrole, defaclobjtype, defaclacl) from pg_default_acl`,
] as const

export async function catalogueDigest(session: Session): Promise<string> {
  const hash = createHash('sha256')
  await session.query('begin isolation level repeatable read read only')
  try {
    for (const listing of LISTINGS) {
      const { rows } = await session.query<{ line: string }>(
        `select line from (${listing}) as listing(line) order by line collate "C"`,
      )
      // The length keeps a line break inside a definition from passing for two lines.
      for (const { line } of rows) hash.update(`${line.length}:${line}\n`)
    }
  } finally {
    await session.query('rollback')
  }
  return hash.digest('hex')
}
