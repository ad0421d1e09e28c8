/** The parts of a table's finish. Each object is a step of its own; what the data refuses is reported, not thrown. */
import { setTimeout as sleep } from 'node:timers/promises'
import { SenseiError } from '@sensei/core/errors'
import type { Plan, TableMapping } from '@sensei/core/plan'
import type { ConstraintRefusal, FinishOutcome, FinishPart, Run } from '@sensei/core/ports/target'
import type { Receipt } from '@sensei/core/receipt'
import { quoteIdent, quoteQualified } from '@sensei/core/sql'
import type { DatabaseError } from 'pg'
import { addToManifest, type Counts, NO_ROWS, type Step } from '../ledger.ts'
import { sqlstate } from '../refusal.ts'
import type { Session } from '../session.ts'
import type { Writer } from '../writer.ts'
import { restore, type Suspended, suspendedOf } from '../suspended.ts'
import { useSearchPath } from './create-tables.ts'
import { find, type Offenders } from './finder.ts'
import { type BuiltObject, constraintsOf, indexesOf, keysOf } from './objects.ts'
import { sequenceSteps } from './sequences.ts'

const deadlockTriesMax = 5
/** DDL steps of different tables wait for each other, at most as long as one index build. */
const lockTimeout = `set local lock_timeout = '30min'`

export interface FinishRequest {
  readonly run: Run
  readonly plan: Plan
  readonly table: TableMapping
}

export async function finishTable(
  writer: Writer,
  request: FinishRequest,
  part: FinishPart,
): Promise<FinishOutcome> {
  const { plan, table } = request
  const { schema } = plan.target
  switch (part) {
    case 'keys':
      return plan.append ? NOTHING : build(writer, request, keysOf(schema, table))
    case 'indexes':
      return plan.append ? NOTHING : build(writer, request, indexesOf(schema, table))
    case 'foreign keys':
      if (plan.append) return restoreAll(writer, request, 'foreign key')
      return build(writer, request, constraintsOf(schema, table))
    case 'sequences':
      return steps(writer, sequenceSteps(schema, table))
    case 'analyze': {
      const restored = await restoreAll(writer, request, 'trigger')
      const analyzed = await steps(writer, [analyzeStep(schema, table)])
      return { receipts: [...restored.receipts, ...analyzed.receipts], refused: restored.refused }
    }
  }
}

const NOTHING: FinishOutcome = { receipts: [], refused: [] }

export interface Work {
  readonly step: Step
  readonly work: (session: Session) => Promise<Counts>
}

async function steps(writer: Writer, works: readonly Work[]): Promise<FinishOutcome> {
  const receipts: Receipt[] = []
  for (const { step, work } of works) receipts.push(await writer.step(step, work))
  return { receipts, refused: [] }
}

function analyzeStep(schema: string, table: TableMapping): Work {
  const name = quoteQualified(schema, table.target)
  return {
    step: { name: `analyze ${table.target}`, kind: 'analyze', table: table.target },
    work: async (session) => {
      await session.query(`analyze ${name}`)
      return NO_ROWS
    },
  }
}

async function build(
  writer: Writer,
  request: FinishRequest,
  objects: readonly BuiltObject[],
): Promise<FinishOutcome> {
  const receipts: Receipt[] = []
  const refused: ConstraintRefusal[] = []
  for (const object of objects) {
    const step = stepOf(request.table, object)
    const outcome = await attempt(writer, request, step, object, (session) =>
      createObject(session, request, object),
    )
    if ('receipt' in outcome) receipts.push(outcome.receipt)
    else refused.push(outcome.refusal)
  }
  return { receipts, refused }
}

export function stepOf(table: TableMapping, object: Pick<BuiltObject, 'name' | 'kind'>): Step {
  const name = `${object.kind} ${object.name} of ${table.target}`
  return { name, kind: object.kind, table: table.target }
}

type Outcome = { readonly receipt: Receipt } | { readonly refusal: ConstraintRefusal }

/** Two steps that lock two tables the other way round: PostgreSQL ends one of them, which then goes again. */
async function attempt(
  writer: Writer,
  request: FinishRequest,
  step: Step,
  object: Pick<BuiltObject, 'name' | 'finders'>,
  work: (session: Session) => Promise<Counts>,
): Promise<Outcome> {
  for (let tries = 1; ; tries++) {
    try {
      return { receipt: await writer.step(step, work) }
    } catch (error) {
      const cause = error instanceof SenseiError ? error.cause : error
      const code = sqlstate(cause)
      if (code === '40P01' && tries < deadlockTriesMax) {
        await sleep(50 * tries * Math.random())
      } else if (code !== null && isRefusal(code)) {
        return { refusal: await refusal(writer, request, object, cause as DatabaseError) }
      } else throw error
    }
  }
}

/** Data (22, 23, 54), or a definition that PostgreSQL does not accept (42): the table fails, not the migration. */
function isRefusal(code: string): boolean {
  return /^(0A|21|22|23|42|44|54)/.test(code) && code !== '42501'
}

async function refusal(
  writer: Writer,
  request: FinishRequest,
  object: Pick<BuiltObject, 'name' | 'finders'>,
  error: DatabaseError,
): Promise<ConstraintRefusal> {
  const code = error.code as string
  const found = await offenders(writer, request, object.finders[code])
  return {
    table: request.table.target,
    constraint: object.name,
    code,
    message: error.detail === undefined ? error.message : `${error.message}: ${error.detail}`,
    rows: found.rows,
    examples: found.examples,
  }
}

/** An expression of the plan may not be countable the way it is indexed; then PostgreSQL's own message stands alone. */
async function offenders(
  writer: Writer,
  request: FinishRequest,
  finder: string | undefined,
): Promise<Offenders> {
  const nothing = { rows: 0, examples: [] }
  if (finder === undefined) return nothing
  try {
    return await writer.transaction('looking for the refused rows', async (session) => {
      await useSearchPath(session, request.plan.target.schema)
      return find(session, finder)
    })
  } catch (error) {
    if (error instanceof SenseiError && error.code === 'TARGET_REFUSED') return nothing
    throw error
  }
}

async function createObject(
  session: Session,
  request: FinishRequest,
  object: BuiltObject,
): Promise<Counts> {
  const { schema } = request.plan.target
  await prepareToBuild(session, schema)
  await session.statement(object.sql)
  const { rows } = await session.query<{ oid: string }>(
    object.kind === 'index'
      ? `select oid::bigint::text as oid from pg_class
         where relnamespace = (select oid from pg_namespace where nspname = $1) and relname = $2
           and $3 <> ''`
      : `select oid::bigint::text as oid from pg_constraint
         where conrelid = (select c.oid from pg_class c
             join pg_namespace n on n.oid = c.relnamespace where nspname = $1 and relname = $3)
           and conname = $2`,
    [schema, object.name, request.table.target],
  )
  const kind = object.kind === 'index' ? 'index' : 'constraint'
  const owner = quoteQualified(schema, request.table.target)
  const name =
    kind === 'index'
      ? quoteQualified(schema, object.name)
      : `${quoteIdent(object.name)} on ${owner}`
  await addToManifest(session, request.run, { oid: Number(rows[0]?.oid), kind, name })
  return NO_ROWS
}

export async function prepareToBuild(session: Session, schema: string): Promise<void> {
  await session.query(lockTimeout)
  await session.query(
    `select set_config('maintenance_work_mem', '256MB', true)
     where pg_size_bytes(current_setting('maintenance_work_mem')) < pg_size_bytes('256MB')`,
  )
  await useSearchPath(session, schema)
}

/** Puts back what `--append` set aside; a foreign key that the loaded rows break is reported and stays away. */
async function restoreAll(
  writer: Writer,
  request: FinishRequest,
  kind: Suspended['kind'],
): Promise<FinishOutcome> {
  const { run, plan, table } = request
  if (!plan.append) return NOTHING
  const name = quoteQualified(plan.target.schema, table.target)
  const all = await writer.transaction('reading what was set aside', (session) =>
    suspendedOf(session, run.migrationId, name),
  )
  const receipts: Receipt[] = []
  const refused: ConstraintRefusal[] = []
  for (const suspended of all.filter((candidate) => candidate.kind === kind)) {
    const stepKind = kind === 'trigger' ? 'constraint' : 'foreign key'
    const stepName = `restored ${kind} ${suspended.name} of ${table.target}`
    const step: Step = { name: stepName, kind: stepKind, table: table.target }
    const object = { name: suspended.name, finders: plannedFinders(request, suspended.name) }
    const outcome = await attempt(writer, request, step, object, async (session) => {
      await session.query(lockTimeout)
      await restore(session, run.migrationId, suspended)
      return NO_ROWS
    })
    if ('receipt' in outcome) receipts.push(outcome.receipt)
    else refused.push(outcome.refusal)
  }
  return { receipts, refused }
}

function plannedFinders(request: FinishRequest, name: string): BuiltObject['finders'] {
  const planned = constraintsOf(request.plan.target.schema, request.table)
  return planned.find((object) => object.name === name)?.finders ?? {}
}
