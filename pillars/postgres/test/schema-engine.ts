/**
 * Prisma's schema engine without its binary or the network: the WASM build over an adapter of our own. Prisma's own
 * adapter cannot read the catalogue's "char" columns and splits scripts at every semicolon.
 */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils'
import { type Client, type ConnectionSettings, connect } from '@sensei/postgres/door/connection'
import pg from 'pg'

/** The types that the engine's catalogue queries return, by oid. */
const COLUMN_TYPES: Readonly<Record<number, number>> = {
  16: ColumnTypeEnum.Boolean,
  18: ColumnTypeEnum.Character,
  19: ColumnTypeEnum.Text,
  20: ColumnTypeEnum.Int64,
  21: ColumnTypeEnum.Int32,
  23: ColumnTypeEnum.Int32,
  25: ColumnTypeEnum.Text,
  26: ColumnTypeEnum.Int64,
  1000: ColumnTypeEnum.BooleanArray,
  1002: ColumnTypeEnum.CharacterArray,
  1003: ColumnTypeEnum.TextArray,
  1005: ColumnTypeEnum.Int32Array,
  1009: ColumnTypeEnum.TextArray,
  1016: ColumnTypeEnum.Int64Array,
  1028: ColumnTypeEnum.Int64Array,
  1043: ColumnTypeEnum.Text,
}
const TEXT_ARRAY = 1009
const PARSED_AS: Readonly<Record<number, number>> = {
  16: 16,
  21: 21,
  23: 23,
  1000: 1000,
  1002: TEXT_ARRAY,
  1003: TEXT_ARRAY,
  1005: 1005,
  1009: TEXT_ARRAY,
  1016: 1016,
  1028: TEXT_ARRAY,
}

interface Query {
  readonly sql: string
  readonly args: unknown[]
}

interface SchemaEngine {
  diff(request: unknown): Promise<{ exitCode: number; stdout: string }>
}

/** The SQL that would make the database what `model` says; null when it is that already. */
export async function drift(settings: ConnectionSettings, model: string): Promise<string | null> {
  const bindings = await bindingsOnce()
  const client = await connect(settings)
  const schema = { files: [{ path: 'schema.prisma', content: model }] }
  try {
    const adapter = bindMigrationAwareSqlAdapterFactory(factoryOn(client) as never)
    const engine = await bindings.SchemaEngine.new(
      { datamodels: [['schema.prisma', model]] },
      () => undefined,
      adapter,
    )
    const { exitCode, stdout } = await engine.diff({
      from: { tag: 'schemaDatasource', ...schema, configDir: '/' },
      to: { tag: 'schemaDatamodel', ...schema },
      script: true,
      exitCode: true,
      shadowDatabaseUrl: null,
      filters: { externalTables: [], externalEnums: [] },
    })
    return exitCode === 0 ? null : stdout
  } finally {
    await client.end().catch(() => undefined)
  }
}

interface Bindings {
  __wbg_set_wasm(exports: unknown): void
  readonly SchemaEngine: {
    new: (options: unknown, log: () => void, adapter: unknown) => Promise<SchemaEngine>
  }
}

/** Node has it; the type library that we compile against does not say so. */
interface WithWebAssembly {
  readonly WebAssembly: {
    instantiate(
      code: Uint8Array,
      imports: Readonly<Record<string, unknown>>,
    ): Promise<{ readonly instance: { readonly exports: Readonly<Record<string, unknown>> } }>
  }
}

let loaded: Promise<Bindings> | undefined

/** Once: the bindings keep views of one instance's memory. */
function bindingsOnce(): Promise<Bindings> {
  loaded ??= load()
  return loaded
}

async function load(): Promise<Bindings> {
  const root = dirname(createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm'))
  const module = join(root, 'schema_engine_bg')
  const bindings = (await import(pathToFileURL(`${module}.js`).href)) as Bindings
  const { WebAssembly } = globalThis as unknown as WithWebAssembly
  const { instance } = await WebAssembly.instantiate(await readFile(`${module}.wasm`), {
    './schema_engine_bg.js': bindings,
  })
  bindings.__wbg_set_wasm(instance.exports)
  const start = instance.exports.__wbindgen_start as (() => void) | undefined
  start?.()
  Object.assign(globalThis, { PRISMA_WASM_PANIC_REGISTRY: { set_message: () => undefined } })
  return bindings
}

function factoryOn(client: Client) {
  const provider = 'postgres'
  const adapterName = 'sensei-test'
  const connection = {
    provider,
    adapterName,
    queryRaw: ({ sql, args }: Query) => queryRaw(client, sql, args),
    executeRaw: async ({ sql, args }: Query) => (await client.query(sql, args)).rowCount ?? 0,
    executeScript: async (script: string) => void (await client.query(script)),
    getConnectionInfo: () => ({ schemaName: 'public', supportsRelationJoins: true }),
    dispose: async () => undefined,
  }
  return {
    provider,
    adapterName,
    connect: async () => connection,
    connectToShadowDb: async () => connection,
  }
}

async function queryRaw(client: Client, sql: string, args: unknown[]) {
  const getTypeParser = (oid: number) => {
    const as = PARSED_AS[oid]
    return as === undefined ? (text: string) => text : pg.types.getTypeParser(as)
  }
  const { fields, rows } = await client.query({
    text: sql,
    values: args,
    rowMode: 'array',
    types: { getTypeParser: getTypeParser as typeof pg.types.getTypeParser },
  })
  return {
    columnNames: fields.map((field) => field.name),
    columnTypes: fields.map((field) => COLUMN_TYPES[field.dataTypeID]),
    rows,
  }
}
