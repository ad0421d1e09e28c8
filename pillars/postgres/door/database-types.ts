/**
 * Writes Kysely's types from schema.prisma; a test fails when database.ts is not what this prints:
 *
 *   scripts/node pillars/postgres/door/database-types.ts > pillars/postgres/door/database.ts
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { get_dmmf as getDmmf } from '@prisma/prisma-schema-wasm'

interface Field {
  readonly name: string
  readonly kind: 'scalar' | 'object'
  readonly type: string
  readonly isRequired: boolean
  readonly isList: boolean
  readonly hasDefaultValue: boolean
}

interface Model {
  readonly name: string
  readonly fields: readonly Field[]
}

/** What `pg` returns for each scalar, and what it takes where that differs. */
const SCALARS: Readonly<Record<string, string>> = {
  String: 'string',
  Int: 'number',
  BigInt: 'BigInteger',
  Boolean: 'boolean',
  DateTime: 'Date',
  Json: 'JsonColumn',
  Bytes: 'Buffer',
}

const HEAD = `/** Written by database-types.ts from schema.prisma: the tables as Kysely sees them. */
import type { Json } from '@sensei/core/json'
import type { ColumnType } from 'kysely'

/** 64 bits do not fit a JavaScript number: \`pg\` returns text. */
type BigInteger = ColumnType<string, string | number, string | number>

/** Written as JSON text: \`pg\` would turn an array into a PostgreSQL array. */
type JsonColumn = ColumnType<Json, string, string>

/** May be left out of an insert. */
type Generated<T> =
  T extends ColumnType<infer S, infer I, infer U>
    ? ColumnType<S, I | undefined, U>
    : ColumnType<T, T | undefined, T>
`

function columnLine(field: Field): string {
  const scalar = SCALARS[field.type] ?? 'never'
  const type = field.isList ? `${scalar}[]` : scalar
  const nullable = field.isRequired ? type : `${type} | null`
  return `  ${field.name}: ${field.hasDefaultValue ? `Generated<${nullable}>` : nullable}`
}

function modelLines(model: Model): string {
  const columns = model.fields.filter((field) => field.kind === 'scalar').map(columnLine)
  return `interface ${typeName(model)} {\n${columns.join('\n')}\n}\n`
}

function typeName(model: Model): string {
  return model.name
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('')
}

export async function databaseTypes(): Promise<string> {
  const path = join(import.meta.dirname, '../schema.prisma')
  const dmmf = getDmmf(JSON.stringify({ prismaSchema: [[path, await readFile(path, 'utf8')]] }))
  const { datamodel } = JSON.parse(dmmf) as { datamodel: { models: Model[] } }
  const models = datamodel.models
  const tables = models.map((model) => `  ${model.name}: ${typeName(model)}`)
  return [
    HEAD,
    ...models.map(modelLines),
    `export interface Database {\n${tables.join('\n')}\n}\n`,
  ].join('\n')
}

if (import.meta.main) process.stdout.write(await databaseTypes())
