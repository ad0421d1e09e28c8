/** Plans, tables and COPY BINARY tuples for the tests of the target: a generator of rows, not a mock of a server. */
import type { ColumnMapping, Plan, TableMapping } from '@sensei/core/plan'
import type { CopyBatch } from '@sensei/core/ports/source'
import type { LoadRequest } from '@sensei/core/ports/target'

export type Field = Buffer | null

export function tuple(...fields: readonly Field[]): Buffer {
  const head = Buffer.alloc(2)
  head.writeInt16BE(fields.length)
  return Buffer.concat([
    head,
    ...fields.flatMap((field) => [lengthOf(field), field ?? Buffer.of()]),
  ])
}

function lengthOf(field: Field): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(field === null ? -1 : field.length)
  return length
}

export function int8(value: bigint | number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(BigInt(value))
  return bytes
}

export function text(value: string): Buffer {
  return Buffer.from(value)
}

export function batch(rows: readonly Buffer[], unfit: CopyBatch['unfit'] = []): CopyBatch {
  return { bytes: Buffer.concat(rows), rows: rows.length, unfit }
}

export function column(
  name: string,
  type: string,
  more: Partial<ColumnMapping> = {},
): ColumnMapping {
  return {
    source: name,
    target: name,
    type,
    conversion: type === 'bigint' ? 'integer' : 'text',
    fidelity: 'exact',
    unfit: 'reject',
    nullable: true,
    default: null,
    identity: null,
    generated: null,
    ...more,
  }
}

export function table(
  name: string,
  columns: readonly ColumnMapping[],
  more: Partial<TableMapping> = {},
): TableMapping {
  return {
    source: name,
    target: name,
    rows: 0,
    bytes: 0,
    bytes_max: 0,
    columns,
    key: null,
    primary_key: null,
    uniques: [],
    indexes: [],
    foreign_keys: [],
    checks: [],
    hostile: false,
    ...more,
  }
}

export function plan(tables: readonly TableMapping[], more: Partial<Plan> = {}): Plan {
  return {
    plan_version: 1,
    source: { engine: 'sqlite', url: 'sqlite:test.db', schema_fingerprint: 'none' },
    target: { schema: 'public' },
    append: false,
    tables,
    views: [],
    skipped: [],
    converted: [],
    losses: [],
    findings: [],
    ...more,
  }
}

/** A request whose rows come as these batches, every time that they are read. */
export function request(
  mapping: TableMapping,
  batches: readonly CopyBatch[],
  more: Partial<LoadRequest> = {},
): LoadRequest {
  return {
    table: mapping,
    schema: 'public',
    chunk: { number: 1, range: null, rowsEstimated: 0 },
    read: async function* () {
      yield* batches
    },
    describe: async (ordinal) => ({
      key: `key ${ordinal}`,
      raw: [{ column: 'id', class: 'integer', value: String(ordinal) }],
    }),
    onRows: () => undefined,
    signal: new AbortController().signal,
    ...more,
  }
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
