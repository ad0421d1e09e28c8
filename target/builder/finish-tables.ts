/**
 * The parts of the finish of many small tables: the same steps as one by one, but many to a transaction. What is refused
 * there is done again table by table, so that the refusal is told as usual and the others are not held up by it.
 */
import type { Plan, TableMapping } from '@sensei/core/plan'
import type { ConstraintRefusal, FinishOutcome, FinishPart, Run } from '@sensei/core/ports/target'
import type { Receipt } from '@sensei/core/receipt'
import { quoteIdent, quoteQualified } from '@sensei/core/sql'
import { addToManifest, NO_ROWS, type Step } from '../ledger.ts'
import type { Session } from '../session.ts'
import { type Writer, worthOneByOne } from '../writer.ts'
import { finishTable, prepareToBuild, stepOf } from './finish-table.ts'
import { type BuiltObject, constraintsOf, indexesOf, keysOf } from './objects.ts'
import { sequenceSteps } from './sequences.ts'

export interface FinishManyRequest {
  readonly run: Run
  readonly plan: Plan
  readonly tables: readonly TableMapping[]
}

/** Each step takes about three locks until the COMMIT. */
const STEPS_TOGETHER = 50

export async function finishTables(
  writer: Writer,
  request: FinishManyRequest,
  part: FinishPart,
): Promise<FinishOutcome> {
  const { run, plan } = request
  const receipts: Receipt[] = []
  const refused: ConstraintRefusal[] = []
  for (const tables of batches(plan, request.tables, part)) {
    const together = await finishTogether(writer, { run, plan, tables }, part)
    if (together !== null) {
      receipts.push(...together)
      continue
    }
    for (const table of tables) {
      const outcome = await finishTable(writer, { run, plan, table }, part)
      receipts.push(...outcome.receipts)
      refused.push(...outcome.refused)
    }
  }
  return { receipts, refused }
}

/** Null where they have to be done one by one. */
async function finishTogether(
  writer: Writer,
  request: FinishManyRequest,
  part: FinishPart,
): Promise<readonly Receipt[] | null> {
  // What `--append` set aside is known to the target alone, table by table.
  if (request.plan.append || request.tables.length === 1) return null
  const works = request.tables.flatMap((table) => worksOf(request.plan, table, part))
  if (works.length === 0) return []
  try {
    const steps = works.map((work) => work.step)
    return await writer.together(steps, async (session, fresh) => {
      const names = new Set(fresh.map((step) => step.name))
      await perform(
        session,
        request,
        works.filter(({ step }) => names.has(step.name)),
      )
      return fresh.map(() => NO_ROWS)
    })
  } catch (error) {
    if (worthOneByOne(error)) return null
    throw error
  }
}

/** One step of one table: an object that is built, a sequence that is set, or neither for statistics. */
interface TableWork {
  readonly step: Step
  readonly table: TableMapping
  readonly object: BuiltObject | null
  readonly set: ((session: Session) => Promise<unknown>) | null
}

function worksOf(plan: Plan, table: TableMapping, part: FinishPart): readonly TableWork[] {
  const { schema } = plan.target
  switch (part) {
    case 'keys':
      return built(table, keysOf(schema, table))
    case 'indexes':
      return built(table, indexesOf(schema, table))
    case 'foreign keys':
      return built(table, constraintsOf(schema, table))
    case 'sequences':
      return sequenceSteps(schema, table).map(({ step, work }) => {
        return { step, table, object: null, set: work }
      })
    case 'analyze': {
      const step: Step = { name: `analyze ${table.target}`, kind: 'analyze', table: table.target }
      return [{ step, table, object: null, set: null }]
    }
  }
}

function built(table: TableMapping, objects: readonly BuiltObject[]): readonly TableWork[] {
  return objects.map((object) => ({ step: stepOf(table, object), table, object, set: null }))
}

async function perform(
  session: Session,
  { run, plan }: FinishManyRequest,
  works: readonly TableWork[],
): Promise<void> {
  const { schema } = plan.target
  await prepareToBuild(session, schema)
  for (const { object, set } of works) {
    if (object !== null) await session.statement(object.sql)
    await set?.(session)
  }
  const analyzed = works.filter(({ object, set }) => object === null && set === null)
  if (analyzed.length > 0) {
    const names = analyzed.map(({ table }) => quoteQualified(schema, table.target))
    await session.query(`analyze ${names.join(', ')}`)
  }
  await keepManifest(session, run, schema, works)
}

async function keepManifest(
  session: Session,
  run: Run,
  schema: string,
  works: readonly TableWork[],
): Promise<void> {
  const objects = works.flatMap(({ table, object }) => (object === null ? [] : [{ table, object }]))
  if (objects.length === 0) return
  const { rows } = await session.query<{ place: number; oid: string }>(
    `with space as (select oid from pg_namespace where nspname = $1),
       wanted as (select * from unnest($2::boolean[], $3::text[], $4::text[])
         with ordinality as w (is_index, object, owner, place))
     select w.place::integer as place, coalesce(i.oid, k.oid)::bigint::text as oid
     from wanted w cross join space
     left join pg_class i on w.is_index and i.relnamespace = space.oid and i.relname = w.object
     left join pg_class t on t.relnamespace = space.oid and t.relname = w.owner
     left join pg_constraint k on not w.is_index and k.conrelid = t.oid and k.conname = w.object
     order by w.place`,
    [
      schema,
      objects.map(({ object }) => object.kind === 'index'),
      objects.map(({ object }) => object.name),
      objects.map(({ table }) => table.target),
    ],
  )
  const entries = objects.map(({ table, object }, at) => {
    const oid = Number(rows[at]?.oid)
    if (object.kind === 'index') {
      return { oid, kind: 'index', name: quoteQualified(schema, object.name) }
    }
    const owner = quoteQualified(schema, table.target)
    return { oid, kind: 'constraint', name: `${quoteIdent(object.name)} on ${owner}` }
  })
  await addToManifest(session, run, ...entries)
}

/** Whole tables, so many that their steps fit one transaction. */
function* batches(
  plan: Plan,
  tables: readonly TableMapping[],
  part: FinishPart,
): Generator<readonly TableMapping[]> {
  let batch: TableMapping[] = []
  let steps = 0
  for (const table of tables) {
    const more = worksOf(plan, table, part).length
    if (batch.length > 0 && steps + more > STEPS_TOGETHER) {
      yield batch
      batch = []
      steps = 0
    }
    batch.push(table)
    steps += more
  }
  if (batch.length > 0) yield batch
}
