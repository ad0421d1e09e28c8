/**
 * The strict reader of a plan file. Its schema is the one source: docs/schemas/plan.schema.json is generated from it,
 * and what a schema cannot say (names that must differ, columns that must exist) is checked behind it.
 */
import { z } from 'zod'
import { SenseiError } from './errors.ts'
import { LOSS_RULES } from './losses.ts'
import { CONVERSIONS, type Plan } from './plan.ts'
import { editableProblem, planProblem } from './plan-rules.ts'
import { TEXT_FORMATS } from './survey.ts'

const TABLES_MAX = 20_000
const COLUMNS_MAX = 2_000
const OBJECTS_MAX = 200_000
const TEXT_MAX = 1_000_000

const text = z.string().max(TEXT_MAX)
/** A name in the source, where it may even be empty. */
const sourceName = z.string().max(10_000)
const targetName = z
  .string()
  .min(1)
  .max(63)
  .describe('a name in the target: at most 63 bytes in UTF-8')
const rows = z.int().min(0)
const columnNames = z.array(targetName).min(1).max(COLUMNS_MAX)
const objects = <T extends z.ZodType>(item: T) => z.array(item).max(OBJECTS_MAX)

const bigintText = z
  .string()
  .regex(/^[1-9]\d{0,18}$/)
  .describe('a positive number of 64 bits, in decimal')

const column = z.strictObject({
  source: sourceName.nullable().describe('null for a column that only the target has'),
  target: targetName,
  type: z.string().min(1).max(64).describe('editable: a type of docs/types.md'),
  conversion: z.enum(CONVERSIONS).describe('editable'),
  fidelity: z.enum(['exact', 'converted', 'lossy']),
  formats: z
    .array(z.enum(TEXT_FORMATS))
    .min(1)
    .max(TEXT_FORMATS.length)
    .optional()
    .describe('editable, for dates'),
  unfit: z.enum(['reject', 'null']).describe('editable'),
  nullable: z.boolean().describe('editable'),
  default: text.nullable().describe('may be set to null'),
  identity: z.strictObject({ next: bigintText }).nullable().describe('may be set to null'),
  generated: text.nullable().describe('may be set to null: then the values are copied'),
  expression: z
    .string()
    .min(1)
    .max(10_000)
    .optional()
    .describe('editable: one scalar SQL expression for the source'),
})

const key = z.strictObject({ name: targetName, columns: columnNames })

const index = z.strictObject({
  name: targetName,
  unique: z.boolean(),
  parts: z.array(text).min(1).max(COLUMNS_MAX),
  where: text.nullable(),
})

const foreignKey = z.strictObject({
  name: targetName,
  columns: columnNames,
  references: z.strictObject({ table: targetName, columns: columnNames }),
  on_update: text,
  on_delete: text,
  deferrable: z.boolean(),
  not_valid: z.boolean(),
})

const table = z.strictObject({
  source: sourceName,
  target: targetName,
  rows,
  bytes: rows,
  bytes_max: rows,
  columns: z.array(column).max(COLUMNS_MAX),
  key: columnNames.nullable(),
  primary_key: key.nullable(),
  uniques: objects(key),
  indexes: objects(index),
  foreign_keys: objects(foreignKey),
  checks: objects(z.strictObject({ name: targetName, expression: text })),
  hostile: z.boolean(),
})

const loss = z.strictObject({
  rule: z.enum(Object.keys(LOSS_RULES) as [keyof typeof LOSS_RULES]),
  table: sourceName,
  column: sourceName,
  rows,
  examples: z.array(text).max(1_000),
})

export const planSchema = z.strictObject({
  plan_version: z.literal(1),
  source: z.strictObject({
    engine: z.enum(['sqlite', 'mysql', 'mariadb', 'postgres']),
    url: text.describe('where it was, without secrets'),
    schema_fingerprint: z.string().min(1).max(256),
  }),
  target: z.strictObject({ schema: targetName.describe('editable') }),
  append: z.boolean(),
  tables: z.array(table).max(TABLES_MAX),
  views: objects(
    z.strictObject({
      source: sourceName,
      target: targetName,
      source_sql: text,
      target_sql: text,
      reads: objects(sourceName),
    }),
  ),
  skipped: objects(
    z.strictObject({
      kind: text,
      name: text,
      table: sourceName.nullable(),
      reason: text,
      sql: text.nullable(),
    }),
  ),
  converted: objects(z.strictObject({ kind: text, name: text, note: text })),
  losses: objects(loss),
  findings: objects(
    z.strictObject({
      code: text,
      table: sourceName.nullable(),
      column: sourceName.nullable(),
      message: text,
    }),
  ),
})

/** What docs/schemas/plan.schema.json holds. */
export function planJsonSchema(): unknown {
  return {
    title: 'A migration plan of Sensei',
    ...z.toJSONSchema(planSchema),
  }
}

/** Throws PLAN_INVALID, naming the first place that is wrong. */
export function checkPlan(value: unknown): Plan {
  return check(value, planProblem)
}

/** For a plan between two edits: what follows from the rest (docs/plan.md) need not follow yet. */
export function checkEditedPlan(value: unknown): Plan {
  return check(value, editableProblem)
}

function check(value: unknown, problemOf: (plan: Plan) => string | null): Plan {
  const parsed = planSchema.safeParse(value)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const path = issue?.path.map(String).join('.') || 'its root'
    throw invalid(`at ${path}: ${issue?.message ?? 'not understood'}`)
  }
  const plan: Plan = parsed.data
  const problem = problemOf(plan)
  if (problem !== null) throw invalid(problem)
  return plan
}

function invalid(problem: string): SenseiError {
  return new SenseiError('PLAN_INVALID', `This is no plan that can be run: ${problem}`)
}
