/**
 * Rows whose content follows from their number, as COPY BINARY tuples, and the SQL that judges what arrived. The
 * generator and the oracle agree on one sentence only: `body` is the MD5 of the number's text, then 100 times `x`.
 */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Plan, TableMapping } from '@sensei/core/plan'
import type { CopyBatch } from '@sensei/core/ports/source'
import type { LoadRequest } from '@sensei/core/ports/target'
import { Client } from 'pg'

const padding = Buffer.alloc(100, 'x')

const column = {
  fidelity: 'exact',
  unfit: 'reject',
  nullable: false,
  default: null,
  identity: null,
  generated: null,
} as const

export const TABLE: TableMapping = {
  source: 'numbered',
  target: 'numbered',
  rows: 0,
  bytes: 0,
  bytes_max: 0,
  columns: [
    { ...column, source: 'id', target: 'id', type: 'bigint', conversion: 'integer' },
    { ...column, source: 'body', target: 'body', type: 'text', conversion: 'text' },
  ],
  key: null,
  primary_key: null,
  uniques: [],
  indexes: [],
  foreign_keys: [],
  checks: [],
  hostile: false,
}

export const PLAN: Plan = {
  plan_version: 1,
  source: { engine: 'sqlite', url: 'sqlite:generated', schema_fingerprint: 'generated' },
  target: { schema: 'public' },
  append: false,
  tables: [TABLE],
  views: [],
  skipped: [],
  converted: [],
  losses: [],
  findings: [],
}

export interface ChunkRows {
  /** The chunk's number; its rows follow from `first`, so that two chunks can hold the same rows. */
  readonly number: number
  readonly first: number
  readonly rows: number
  readonly batches: number
  /** Awaited before each batch: a pause, or a place to stop. */
  readonly before?: (batch: number) => Promise<unknown>
}

export function loadRequest(chunk: ChunkRows): LoadRequest {
  return {
    table: TABLE,
    schema: 'public',
    chunk: { number: chunk.number, range: null, rowsEstimated: chunk.rows },
    read: () => read(chunk),
    describe: async (ordinal) => ({ key: String(chunk.first + ordinal), raw: [] }),
    onRows: () => undefined,
    signal: new AbortController().signal,
  }
}

async function* read(chunk: ChunkRows): AsyncGenerator<CopyBatch> {
  const perBatch = Math.ceil(chunk.rows / chunk.batches)
  for (let batch = 0; batch < chunk.batches; batch++) {
    await (chunk.before ?? pause)(batch)
    const from = chunk.first + batch * perBatch
    const to = Math.min(from + perBatch, chunk.first + chunk.rows)
    const tuples = Array.from({ length: to - from }, (_, at) => tuple(from + at))
    yield { bytes: Buffer.concat(tuples), rows: tuples.length, unfit: [] }
  }
}

function pause(): Promise<void> {
  return sleep(2)
}

function tuple(id: number): Buffer {
  const body = Buffer.concat([
    Buffer.from(createHash('md5').update(String(id)).digest('hex')),
    padding,
  ])
  const head = Buffer.alloc(18)
  head.writeInt16BE(2, 0)
  head.writeInt32BE(8, 2)
  head.writeBigInt64BE(BigInt(id), 6)
  head.writeInt32BE(body.length, 14)
  return Buffer.concat([head, body])
}

export interface Found {
  readonly rows: number
  readonly distinct: number
  readonly wrong: number
  /** Rows that the ledger says were written. */
  readonly ledger: number
}

export async function judge(url: string): Promise<Found> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<Found>(
      `select count(*)::int as rows, count(distinct id)::int as distinct,
         (count(*) filter (where body is distinct from md5(id::text) || repeat('x', 100)))::int as wrong,
         (select coalesce(sum(rows_written), 0)::int from sensei.ledger where kind = 'chunk') as ledger
       from public.numbered`,
    )
    return rows[0] as Found
  } finally {
    await client.end()
  }
}
