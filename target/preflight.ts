/** Everything that would stop the plan in this target, found before any DDL. */
import type { ErrorCode } from '@sensei/core/errors'
import type { Plan, TableMapping } from '@sensei/core/plan'
import type { PreflightFinding } from '@sensei/core/ports/target'
import { quoteIdent, quoteQualified } from '@sensei/core/sql'
import { appendProblem, firingTriggers } from './builder/append.ts'
import { freeBytes } from './disk.ts'
import { nameFindings } from './preflight-names.ts'
import { widthFindings } from './preflight-width.ts'
import { sqlstate } from './refusal.ts'
import type { Session } from './session.ts'

/** Rows, their headers, one index and the WAL of the load, as a share of the source's bytes. */
const diskFactor = 2

export function finding(
  code: ErrorCode | null,
  table: string | null,
  message: string,
): PreflightFinding {
  return { code, table, message }
}

export async function preflight(
  session: Session,
  plan: Plan,
  where: { readonly host: string; readonly rowBytesMax: number },
): Promise<readonly PreflightFinding[]> {
  const typed = await typeFindings(session, plan)
  const findings = [
    ...nameFindings(plan),
    ...typed,
    ...plan.tables.flatMap((table) => widthFindings(table, where.rowBytesMax)),
    ...(await privilegeFindings(session, plan)),
    ...(await diskFindings(session, plan, where.host)),
  ]
  if (plan.append) {
    // Without its types a plan cannot be compared with what is there.
    if (typed.length > 0) return findings
    for (const table of plan.tables) findings.push(...(await appendFindings(session, plan, table)))
  } else findings.push(...(await existingFindings(session, plan)))
  return findings
}

/** An edited plan may name any type; those of the target schema need no prefix. */
async function typeFindings(session: Session, plan: Plan): Promise<PreflightFinding[]> {
  await session.query(`select set_config('search_path', $1, false)`, [
    quoteIdent(plan.target.schema),
  ])
  const known = new Map<string, boolean>()
  const findings: PreflightFinding[] = []
  for (const table of plan.tables) {
    for (const { target, type } of table.columns) {
      const exists = known.get(type) ?? (await isType(session, type))
      known.set(type, exists)
      if (exists) continue
      const message = `Column ${quoteIdent(target)} of ${quoteIdent(table.target)} has the type ${type}, which this PostgreSQL does not know`
      findings.push(finding('PLAN_INVALID', table.target, message))
    }
  }
  return findings
}

/** Before PostgreSQL 16 a text that is no type at all is an error, not NULL. */
async function isType(session: Session, type: string): Promise<boolean> {
  try {
    const { rows } = await session.query<{ known: boolean }>(
      'select to_regtype($1) is not null as known',
      [type],
    )
    return rows[0]?.known === true
  } catch (error) {
    if (sqlstate(error) === null) throw error
    return false
  }
}

async function existingFindings(session: Session, plan: Plan): Promise<PreflightFinding[]> {
  const { schema } = plan.target
  const { rows } = await session.query<{ name: string }>(
    `select relname::text as name from pg_class
     where relnamespace = (select oid from pg_namespace where nspname = $1)
       and relname = any($2::text[])`,
    [schema, relationNames(plan)],
  )
  return rows.map(({ name }) => {
    const table = plan.tables.find((candidate) => candidate.target === name)
    const hint =
      table === undefined ? 'drop it' : 'drop it, --exclude it, or load into it with --append'
    const message = `${quoteQualified(schema, name)} is there already: ${hint}, or use another --schema`
    return finding('TARGET_TABLE_EXISTS', table?.target ?? null, message)
  })
}

/** Tables, views and indexes of one schema share their names. */
function relationNames(plan: Plan): readonly string[] {
  const built = plan.tables.flatMap((table) => [
    table.target,
    ...table.indexes.map((index) => index.name),
    ...table.uniques.map((key) => key.name),
    ...(table.primary_key === null ? [] : [table.primary_key.name]),
  ])
  return [...built, ...plan.views.map((view) => view.target)]
}

async function appendFindings(
  session: Session,
  plan: Plan,
  table: TableMapping,
): Promise<PreflightFinding[]> {
  const { schema } = plan.target
  const rights = await appendRights(session, schema, table)
  if (rights.length > 0) return rights
  const problem = await appendProblem(session, schema, table)
  if (problem !== null) return [finding(problem.code, table.target, problem.message)]
  const triggers = await firingTriggers(session, schema, table.target)
  if (triggers.length === 0) return []
  const message =
    `Triggers of ${quoteQualified(schema, table.target)} are disabled during the load and enabled ` +
    `after it: ${triggers.map(quoteIdent).join(', ')}`
  return [finding(null, table.target, message)]
}

async function appendRights(
  session: Session,
  schema: string,
  table: TableMapping,
): Promise<PreflightFinding[]> {
  const name = quoteQualified(schema, table.target)
  const { rows } = await session.query<{
    reads: boolean
    owns: boolean
    busy: boolean
    role: string
  }>(
    `select has_table_privilege(c.oid, 'select, insert') as reads,
       pg_has_role(c.relowner, 'USAGE') as owns, current_user::text as role,
       exists (select from pg_trigger where tgrelid = c.oid and tgenabled in ('O', 'A')
                 and (not tgisinternal)) or exists (
         select from pg_constraint where conrelid = c.oid and contype = 'f') as busy
     from pg_class c where c.oid = to_regclass($1)`,
    [name],
  )
  const right = rows[0]
  if (right === undefined) return []
  if (!right.reads) {
    const grant = `GRANT SELECT, INSERT ON ${name} TO ${quoteIdent(right.role)}`
    return [
      finding('TARGET_PRIVILEGE_MISSING', table.target, `No right to load ${name}: run ${grant}`),
    ]
  }
  if (right.owns || !right.busy) return []
  const message =
    `${name} has triggers or foreign keys, which only its owner may set aside during the load: ` +
    `connect as its owner, or run GRANT owner TO ${quoteIdent(right.role)}`
  return [finding('TARGET_PRIVILEGE_MISSING', table.target, message)]
}

interface Rights {
  readonly role: string
  readonly database: string
  readonly on_database: boolean
  readonly on_schema: boolean | null
  readonly sensei: boolean | null
}

async function privilegeFindings(session: Session, plan: Plan): Promise<PreflightFinding[]> {
  const { schema } = plan.target
  const { rows } = await session.query<Rights>(
    `select current_user::text as role, current_database()::text as database,
       has_database_privilege(current_database(), 'create') as on_database,
       (select has_schema_privilege(oid, 'create') and has_schema_privilege(oid, 'usage')
          from pg_namespace where nspname = $1) as on_schema,
       (select has_schema_privilege(oid, 'usage') from pg_namespace where nspname = 'sensei') as sensei`,
    [schema],
  )
  const rights = rows[0] as Rights
  const role = quoteIdent(rights.role)
  const findings: PreflightFinding[] = []
  const missing = (what: string, grant: string): void => {
    const message = `Role ${role} may not ${what}: run ${grant}`
    findings.push(finding('TARGET_PRIVILEGE_MISSING', null, message))
  }
  const onDatabase = `GRANT CREATE ON DATABASE ${quoteIdent(rights.database)} TO ${role}`
  if (rights.on_schema === null && !rights.on_database && !plan.append) {
    missing(`create schema ${quoteIdent(schema)}`, onDatabase)
  } else if (rights.on_schema === false && !plan.append) {
    const grant = `GRANT USAGE, CREATE ON SCHEMA ${quoteIdent(schema)} TO ${role}`
    missing(`create tables in schema ${quoteIdent(schema)}`, grant)
  }
  if (rights.sensei === null && !rights.on_database) {
    missing('create schema "sensei" for ledger, fence and rejects', onDatabase)
  } else if (rights.sensei === false) {
    missing('use schema "sensei"', `GRANT ALL ON SCHEMA sensei TO ${role}`)
  }
  return findings
}

async function diskFindings(
  session: Session,
  plan: Plan,
  host: string,
): Promise<PreflightFinding[]> {
  const free = await freeBytes(session, host)
  if (free === null) return []
  const needed = plan.tables.reduce((sum, table) => sum + table.bytes, 0) * diskFactor
  if (free >= needed) return []
  const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`
  const message =
    `The target's disk has ${megabytes(free)} free, the load needs about ${megabytes(needed)}: ` +
    'free some space first'
  return [finding('DISK_SPACE', null, message)]
}
