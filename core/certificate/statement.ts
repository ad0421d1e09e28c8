/**
 * What a certificate says: an in-toto Statement (v1) whose predicate is ours.
 *
 * The schema is strict: a field that is not listed here is refused, so nothing can ride along that
 * a reader of docs/certificate.md does not know. Counts are decimal strings, because JSON numbers
 * are exact only up to 2^53. docs/schemas/certificate.schema.json is generated from it.
 */
import { z } from 'zod'

export const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1'
export const PREDICATE_TYPE = 'https://sensei.dev/attestation/migration/v1'
/** Any change to what a row's bytes, hash or bucket are is a new number: roots of two encodings cannot be compared. */
export const ENCODING = 'canonical-1'

const name = z.string().min(1)
const sourceName = z.string().describe('a name in the source, where it may even be empty')
const sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .describe('SHA-256, in lower-case hex')
const count = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,18})$/)
  .describe('a count, in decimal')
const instant = z.iso.datetime({ precision: 3 }).describe('ISO 8601, UTC, milliseconds')
const url = z
  .string()
  .refine(
    (text) => !/^[a-z+]+:\/\/[^/?#]*:[^/?#]*@/i.test(text),
    'a URL here never holds a password',
  )
  .describe('where it was, without secrets')

const source = z.strictObject({
  engine: z.enum(['sqlite', 'mysql', 'mariadb', 'postgres']),
  version: name,
  url,
  identity: name.describe('what tells this source from another at the same place'),
})

const target = z.strictObject({
  engine: z.literal('postgres'),
  version: name,
  url,
  system_identifier: name
    .nullable()
    .describe('of the PostgreSQL cluster; null where the role may not read it'),
  database: name,
})

const snapshot = z.strictObject({
  kind: name,
  name,
  sha256: sha256.nullable().describe('of the private copy, where there is one'),
  taken_at: instant,
  notes: z.array(z.string()),
})

const table = z.strictObject({
  source: sourceName,
  target: name,
  key: z.array(name).min(1).nullable().describe('null: a row is its whole content'),
  rows_source: count,
  rows_target: count,
  rows_rejected: count,
  buckets: count.describe('leaves of the tree, a power of two'),
  root: sha256.describe('RFC 6962 root over the buckets, equal on both sides'),
  columns_digest: sha256.describe('of the compared columns: names, types, conversions, in order'),
})

const loss = z.strictObject({
  rule: name,
  table: sourceName,
  column: sourceName,
  rows: count,
  accepted_by: name,
})

const mutation = z.discriminatedUnion('status', [
  z.strictObject({ status: z.literal('not run'), reason: name }),
  z.strictObject({
    status: z.literal('run'),
    mutants: count.describe('changes that PostgreSQL itself calls different'),
    caught: count.describe('those that the comparison found'),
    score: z
      .string()
      .regex(/^[01]\.[0-9]{4}$/)
      .describe('caught / mutants, rounded down'),
    per_operator: z.array(z.strictObject({ operator: name, mutants: count, caught: count })),
  }),
])

const predicate = z.strictObject({
  tool: z.strictObject({ name, version: name }),
  migration_id: name,
  organization: name.optional(),
  issued_at: instant,
  source,
  target,
  snapshot,
  plan: z.strictObject({ hash: sha256, version: z.int().min(1) }),
  verdict: z.enum(['equivalent', 'equivalent_except_declared']),
  receipts: z
    .enum(['ledger', 'none'])
    .describe('none: Sensei compared this pair, but has no record of how the rows came there'),
  encoding: z.literal(ENCODING).describe('the version of docs/canonical.md that roots follow'),
  tables: z.array(table),
  database_root: sha256,
  rejects: z.array(z.strictObject({ table: name, count, digest: sha256 })),
  losses: z.array(loss),
  computed_columns: z.array(z.strictObject({ table: name, column: name, expression: name })),
  converted_objects: z.array(z.strictObject({ kind: name, name: sourceName, note: z.string() })),
  skipped_objects: z.array(
    z.strictObject({ kind: name, name: sourceName, table: sourceName.nullable(), reason: name }),
  ),
  not_checked: z.array(z.strictObject({ what: name, reason: name })),
  aggregates: z.array(
    z.strictObject({
      table: name,
      column: name.nullable().describe('null: of the table itself'),
      compared: z.array(name).min(1),
    }),
  ),
  foreign_keys: z.array(z.strictObject({ table: name, name, orphans: count })),
  queries: z.array(
    z.strictObject({
      kind: z.enum(['view', 'query']),
      name,
      rows: count,
      ordered: z.boolean(),
    }),
  ),
  mutation,
})

export const statementSchema = z.strictObject({
  _type: z.literal(STATEMENT_TYPE),
  subject: z
    .array(z.strictObject({ name, digest: z.strictObject({ sha256 }) }))
    .length(1)
    .describe('the target database; its digest is the database root'),
  predicateType: z.literal(PREDICATE_TYPE),
  predicate,
})

export type Statement = z.infer<typeof statementSchema>
export type Predicate = Statement['predicate']
export type CertifiedTable = Predicate['tables'][number]

/** The schema as it is published. */
export function statementJsonSchema(): Record<string, unknown> {
  return {
    $id: 'https://sensei.dev/schemas/certificate.schema.json',
    title: 'The statement inside a Sensei certificate',
    ...z.toJSONSchema(statementSchema),
  }
}
