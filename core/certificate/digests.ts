/** The digests that a certificate holds besides the table roots. docs/certificate.md defines each. */
import { hash } from 'node:crypto'
import { canonicalJson } from '../canonical-json.ts'
import { merkleRoot } from '../merkle.ts'
import { comparedColumns } from '../plan.ts'
import type { TableMapping } from '../plan.ts'
import type { Reject } from '../receipt.ts'
import type { CertifiedTable } from './statement.ts'

/** What of a table goes into the database root. */
export type RootedTable = Pick<
  CertifiedTable,
  'target' | 'columns_digest' | 'rows_target' | 'buckets' | 'root'
>

/** Hex root of the tree whose leaves are the tables, one line of canonical JSON each, by target name. */
export function databaseRoot(tables: readonly RootedTable[]): string {
  const lines = [...tables]
    .sort(byTargetName)
    .map(({ target, columns_digest, rows_target, buckets, root }) =>
      canonicalJson({ target, columns_digest, rows_target, buckets, root }),
    )
  return hex(merkleRoot(lines.map((line) => Buffer.from(line))))
}

/** The order of tables in a certificate: the bytes of their target names, as in collation "C". */
export function byTargetName(left: { target: string }, right: { target: string }): number {
  return Buffer.compare(Buffer.from(left.target), Buffer.from(right.target))
}

/** Which columns were compared, under which conversion, in the order of the canonical row. */
export function columnsDigest(table: TableMapping): string {
  const columns = comparedColumns(table).map((column) => [
    column.source,
    column.target,
    column.type,
    column.conversion,
    column.expression ?? null,
  ])
  return hash('sha256', canonicalJson(columns), 'hex')
}

/**
 * Digest of a table's rejects by what they are, not by where the load met them: any chunking and
 * any order give the same. The server's wording of the reason is left out, since it has languages.
 */
export function rejectsDigest(rejects: Iterable<Pick<Reject, 'column' | 'code' | 'raw'>>): string {
  const lines = Array.from(rejects, ({ column, code, raw }) =>
    Buffer.from(canonicalJson({ column, code, raw })),
  )
  return hex(merkleRoot(lines.sort(Buffer.compare)))
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
