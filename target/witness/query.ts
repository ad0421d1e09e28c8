/** Runs a query of a view or of a user, inside the snapshot, read-only and under a time limit. */
import { CellBuffer } from '@sensei/core/canonical/cells'
import { SenseiError } from '@sensei/core/errors'
import type { QueryLimits, QueryResult } from '@sensei/core/ports/witness'
import { quoteIdent } from '@sensei/core/sql'
import type { ClientBase, CustomTypesConfig } from 'pg'
import { canonicalJsonb } from './jsonb.ts'

const asText: CustomTypesConfig = { getTypeParser: () => (value: unknown) => value }

const OID = {
  bool: 16,
  bytea: 17,
  int8: 20,
  int2: 21,
  int4: 23,
  float4: 700,
  float8: 701,
  numeric: 1700,
  jsonb: 3802,
  bpchar: 1042,
} as const
const NUMBERS: readonly number[] = [OID.int2, OID.int4, OID.int8, OID.numeric]

/** Names without a schema mean the one that is compared: one text serves both sides. */
export async function runQuery(
  client: ClientBase,
  schema: string,
  sql: string,
  limits: QueryLimits,
): Promise<QueryResult> {
  await client.query('savepoint sensei_query')
  try {
    await client.query(`select set_config('search_path', $1, true)`, [quoteIdent(schema)])
    await client.query(`set local statement_timeout = ${Math.ceil(limits.timeoutMs)}`)
    return await fetch(client, sql, limits.rowsMax)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new SenseiError('TARGET_REFUSED', `the target could not run the query: ${why}`, { cause })
  } finally {
    // Also undoes the time limit and the path.
    await client.query('rollback to savepoint sensei_query')
  }
}

async function fetch(client: ClientBase, sql: string, rowsMax: number): Promise<QueryResult> {
  // One statement only, which must be able to be a cursor: nothing but a query passes.
  const query = sql.replace(/[;\s]+$/, '')
  const declaration = {
    text: `declare sensei_query no scroll cursor for ${query}`,
    values: [],
    queryMode: 'extended',
  }
  await client.query(declaration)
  const columns: string[] = []
  const rows: Uint8Array[] = []
  for (;;) {
    const result = await client.query<(string | null)[]>({
      text: `fetch ${Math.min(1_000, rowsMax + 1 - rows.length)} from sensei_query`,
      rowMode: 'array',
      types: asText,
    })
    if (columns.length === 0) columns.push(...result.fields.map(({ name }) => name))
    const oids = result.fields.map(({ dataTypeID }) => dataTypeID)
    for (const row of result.rows) rows.push(canonicalRow(row, oids))
    if (rows.length > rowsMax) return { columns, rows: rows.slice(0, rowsMax), cut: true }
    if (result.rows.length === 0) return { columns, rows, cut: false }
  }
}

/** Floats as bits of a double, booleans as the numbers that other engines have for them. */
function canonicalRow(row: readonly (string | null)[], oids: readonly number[]): Uint8Array {
  const out = new CellBuffer(256)
  row.forEach((value, place) => {
    const oid = oids[place] as number
    if (value === null) out.null()
    else if (oid === OID.bool) out.ascii(0x64, value === 't' ? '1' : '0')
    else if (NUMBERS.includes(oid)) out.ascii(0x64, plainNumber(value))
    else if (oid === OID.float4 || oid === OID.float8) out.ascii(0x66, bitsOf(value))
    else if (oid === OID.bytea) out.cell(0x78, Buffer.from(value.slice(2), 'hex'))
    else if (oid === OID.jsonb) out.text(0x4a, canonicalJsonb(value))
    else out.text(0x74, oid === OID.bpchar ? value.replace(/ +$/, '') : value)
  })
  return Uint8Array.from(out.written())
}

function plainNumber(text: string): string {
  const plain = text.includes('.') ? text.replace(/\.?0+$/, '') : text
  return plain === '-0' ? '0' : plain
}

function bitsOf(text: string): string {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(Number(text))
  return bytes.toString('hex')
}
