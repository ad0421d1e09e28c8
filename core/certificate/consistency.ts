/**
 * What a statement must not contradict. A signature proves who said it; these rules refuse a
 * statement whose parts cannot all be true, whoever signed it.
 */
import { byTargetName, databaseRoot } from './digests.ts'
import type { CertifiedTable, Predicate, Statement } from './statement.ts'

/** The first contradiction in plain words, or null. */
export function contradiction({ subject, predicate }: Statement): string | null {
  const root = databaseRoot(predicate.tables)
  if (predicate.database_root !== root) return 'the database root is not that of its tables'
  if (subject[0]?.digest.sha256 !== root) return "the subject's digest is not the database root"
  return (
    contradictionInTables(predicate) ?? contradictionInVerdict(predicate) ?? wrongScore(predicate)
  )
}

function contradictionInTables({ tables, rejects }: Predicate): string | null {
  const rejected = new Map(rejects.map(({ table, count }) => [table, count]))
  if (rejected.size < rejects.length) return 'the rejects of a table are listed twice'
  for (const [at, table] of tables.entries()) {
    const before = tables[at - 1]
    if (before !== undefined && byTargetName(before, table) >= 0) {
      return 'the tables are not in the order of their target names, each once'
    }
    const problem = contradictionInTable(table, rejected.get(table.target) ?? '0')
    if (problem !== null) return `table ${JSON.stringify(table.target)}: ${problem}`
    rejected.delete(table.target)
  }
  const [stray] = rejected.keys()
  return stray === undefined
    ? null
    : `rejects of ${JSON.stringify(stray)}, which is not a table here`
}

function contradictionInTable(table: CertifiedTable, rejects: string): string | null {
  const buckets = BigInt(table.buckets)
  if (buckets === 0n || (buckets & (buckets - 1n)) !== 0n) return 'its buckets are no power of two'
  if (table.rows_rejected !== rejects) return 'its rejected rows are not those of the rejects'
  const expected = BigInt(table.rows_source) - BigInt(table.rows_rejected)
  return BigInt(table.rows_target) === expected
    ? null
    : 'its target rows are not the source rows without the rejected ones'
}

function contradictionInVerdict({ verdict, losses, rejects }: Predicate): string | null {
  return verdict === 'equivalent' && losses.length + rejects.length > 0
    ? 'it says "equivalent" and lists losses or rejects'
    : null
}

function wrongScore({ mutation }: Predicate): string | null {
  if (mutation.status !== 'run') return null
  const mutants = sum(mutation.per_operator.map((operator) => operator.mutants))
  const caught = sum(mutation.per_operator.map((operator) => operator.caught))
  const agrees =
    mutants === BigInt(mutation.mutants) &&
    caught === BigInt(mutation.caught) &&
    mutation.score === mutationScore(caught, mutants)
  return agrees ? null : 'its mutation score is not that of its operators'
}

/** Rounded down, so that 1.0000 means all of them; 0.0000 where there were none to catch. */
export function mutationScore(caught: bigint, mutants: bigint): string {
  const tenThousandths = mutants === 0n ? 0n : (caught * 10_000n) / mutants
  const digits = tenThousandths.toString().padStart(5, '0')
  return `${digits.slice(0, -4)}.${digits.slice(-4)}`
}

function sum(counts: readonly string[]): bigint {
  return counts.reduce((total, count) => total + BigInt(count), 0n)
}
