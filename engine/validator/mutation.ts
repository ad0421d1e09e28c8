/** The self-test: what PostgreSQL calls different must change the buckets. A comparison that misses one proves nothing. */
import { BucketTable, bucketBits, rowShape } from '@sensei/core/canonical/buckets'
import { isSenseiError } from '@sensei/core/errors'
import type { TableMapping } from '@sensei/core/plan'
import type { TargetMutator } from '@sensei/core/ports/mutator'
import type { TargetWitness } from '@sensei/core/ports/target'
import type { MutationScore } from '@sensei/core/verdict'

const ROWS_MAX = 1_000
const TIME_MS_MAX = 60_000
/** So many mutants say as much as more of them would; tables and columns take turns. */
const MUTANTS_MAX = 2_000

interface Tally {
  mutants: number
  caught: number
}

export async function mutationScore(
  { target, signal }: { readonly target: TargetWitness; readonly signal: AbortSignal },
  tables: readonly TableMapping[],
): Promise<MutationScore> {
  let mutator: TargetMutator
  try {
    mutator = await target.openMutator()
  } catch (error) {
    if (!isSenseiError(error, 'TARGET_PRIVILEGE_MISSING')) throw error
    return { status: 'not run', reason: error.message, mutants: 0, caught: 0, operators: {} }
  }
  const operators = new Map<string, Tally>()
  try {
    const deadline = performance.now() + TIME_MS_MAX
    for (const [place, table] of tables.entries()) {
      signal.throwIfAborted()
      if (performance.now() > deadline) break
      const limit = Math.ceil((MUTANTS_MAX - total(operators).mutants) / (tables.length - place))
      await mutateTable(mutator, { table, operators, deadline, limit })
    }
  } finally {
    await mutator.close()
  }
  const { mutants, caught } = total(operators)
  if (mutants === 0) return { status: 'not run', reason: 'the tables hold no rows to change', mutants, caught, operators: {} }
  return { status: 'run', reason: null, mutants, caught, operators: Object.fromEntries(operators) }
}

interface TableRun {
  readonly table: TableMapping
  readonly operators: Map<string, Tally>
  readonly deadline: number
  readonly limit: number
}

async function mutateTable(mutator: TargetMutator, { table, operators, deadline, limit }: TableRun): Promise<void> {
  let sampled: number
  try {
    sampled = await mutator.sample(table, ROWS_MAX)
  } catch (error) {
    // A table that is not there is a finding of the structure.
    if (isSenseiError(error)) throw error
    return
  }
  if (sampled === 0) return
  const before = await condense(mutator, table, sampled)
  let made = 0
  for (const [place, mutation] of spread(await mutator.mutations(table), limit).entries()) {
    if (performance.now() > deadline) return
    const different = await mutator.apply(table, mutation, fraction(place))
    if (different === true) {
      const tally = operators.get(mutation.operator) ?? { mutants: 0, caught: 0 }
      operators.set(mutation.operator, tally)
      tally.mutants += 1
      if (before.differing(await condense(mutator, table, sampled)).length > 0) tally.caught += 1
      made += 1
    }
    await mutator.restore()
    if (made >= limit) return
  }
}

async function condense(mutator: TargetMutator, table: TableMapping, rows: number): Promise<BucketTable> {
  const buckets = new BucketTable(bucketBits(rows))
  const shape = rowShape(table)
  for await (const batch of mutator.scan(table)) buckets.addRows(batch.bytes, shape)
  return buckets
}

/** At most `limit` of them, from all over the list. */
function spread<T>(all: readonly T[], limit: number): T[] {
  if (all.length <= limit) return [...all]
  return Array.from({ length: limit }, (_, place) => all[Math.floor((place * all.length) / limit)] as T)
}

/** Rows from all over the sample, the same ones each time: multiples of the golden ratio. */
function fraction(place: number): number {
  return (place * 0.618_033_988_749_895) % 1
}

function total(operators: ReadonlyMap<string, Tally>): Tally {
  let [mutants, caught] = [0, 0]
  for (const tally of operators.values()) {
    mutants += tally.mutants
    caught += tally.caught
  }
  return { mutants, caught }
}
