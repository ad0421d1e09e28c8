/** The self-test: what PostgreSQL calls different must change the buckets. A comparison that misses one proves nothing. */
import { type BucketTable, bucketBits, rowShape } from '@sensei/core/canonical/buckets'
import { RowSums } from '@sensei/core/canonical/row-sums'
import { isSenseiError } from '@sensei/core/errors'
import type { TableMapping } from '@sensei/core/plan'
import type { TargetMutator } from '@sensei/core/ports/mutator'
import type { TargetWitness } from '@sensei/core/ports/target'
import type { MutationScore, NotChecked } from '@sensei/core/verdict'

const ROWS_MAX = 1_000
const TIME_MS_MAX = 60_000
/** So many mutants say as much as more of them would; tables and columns take turns. */
const MUTANTS_MAX = 2_000

const TOO_LATE = `the time for the self-test (${TIME_MS_MAX / 1_000} s) was over`

export interface SelfTest {
  readonly score: MutationScore
  /** Tables with rows of which no mutant was made. */
  readonly passedOver: readonly NotChecked[]
}

interface Tally {
  mutants: number
  caught: number
}

export async function mutationScore(
  { target, signal }: { readonly target: TargetWitness; readonly signal: AbortSignal },
  tables: readonly TableMapping[],
): Promise<SelfTest> {
  let mutator: TargetMutator
  try {
    mutator = await target.openMutator()
  } catch (error) {
    if (!isSenseiError(error, 'TARGET_PRIVILEGE_MISSING')) throw error
    const score: MutationScore = {
      status: 'not run',
      reason: error.message,
      mutants: 0,
      caught: 0,
      operators: {},
    }
    return { score, passedOver: [] }
  }
  const operators = new Map<string, Tally>()
  const passedOver: NotChecked[] = []
  try {
    const deadline = performance.now() + TIME_MS_MAX
    let left = 0
    for (const [place, table] of tables.entries()) {
      signal.throwIfAborted()
      const made = total(operators).mutants
      const limit = mutantsDue(made, place, tables.length)
      if (limit === 0) {
        left += 1
        continue
      }
      const late = performance.now() > deadline
      const reason = late
        ? TOO_LATE
        : await mutateTable(mutator, { table, turn: made, operators, deadline, limit })
      if (reason !== null) passedOver.push({ what: `self-test on ${table.target}`, reason })
    }
    // Named one by one, thousands of them would only hide the rest of the list.
    if (left > 0) {
      const reason = `the ${MUTANTS_MAX} mutants that are made were made of others`
      passedOver.push({ what: `self-test on ${left} of the ${tables.length} tables`, reason })
    }
  } finally {
    await mutator.close()
  }
  const { mutants, caught } = total(operators)
  const score: MutationScore =
    mutants === 0
      ? {
          status: 'not run',
          reason: 'the tables hold no rows to change',
          mutants,
          caught,
          operators: {},
        }
      : { status: 'run', reason: null, mutants, caught, operators: Object.fromEntries(operators) }
  return { score, passedOver }
}

/** Equal shares of what is left; with more tables than mutants, one for every few tables. */
function mutantsDue(made: number, place: number, tables: number): number {
  return tables <= MUTANTS_MAX
    ? Math.ceil((MUTANTS_MAX - made) / (tables - place))
    : Math.floor(((place + 1) * MUTANTS_MAX) / tables) - made
}

interface TableRun {
  readonly table: TableMapping
  /** Mutants made of other tables: each table begins with another operator and another row. */
  readonly turn: number
  readonly operators: Map<string, Tally>
  readonly deadline: number
  readonly limit: number
}

/** Null, or why the table was passed over. An empty one has nothing to change: that is no gap. */
async function mutateTable(
  mutator: TargetMutator,
  { table, turn, operators, deadline, limit }: TableRun,
): Promise<string | null> {
  let sampled: number
  try {
    sampled = await mutator.sample(table, ROWS_MAX)
  } catch (error) {
    if (isSenseiError(error)) throw error
    return `no sample of it could be made: ${error instanceof Error ? error.message : String(error)}`
  }
  if (sampled === 0) return null
  const bits = bucketBits(sampled)
  let made = 0
  const mutations = spread(await mutator.mutations(table), limit, turn)
  for (const [place, mutation] of mutations.entries()) {
    if (performance.now() > deadline) return made === 0 ? TOO_LATE : null
    mutator.pick(mutation, fraction(turn + place))
    // Rows that nobody touches add the same to a bucket before and after: they need no second look.
    const before = await condense(mutator, table, bits)
    const different = await mutator.apply(table, mutation)
    if (different === true) {
      const tally = operators.get(mutation.operator) ?? { mutants: 0, caught: 0 }
      operators.set(mutation.operator, tally)
      tally.mutants += 1
      if (before.differing(await condense(mutator, table, bits)).length > 0) tally.caught += 1
      made += 1
    }
    await mutator.restore()
    if (made >= limit) return null
  }
  return null
}

async function condense(
  mutator: TargetMutator,
  table: TableMapping,
  bits: number,
): Promise<BucketTable> {
  const sums = new RowSums(bits)
  const shape = rowShape(table)
  for await (const batch of mutator.scan(table)) sums.add(batch.bytes, shape)
  return sums.finish()
}

/** All of them, the first `limit` from all over the list; the rest is for those of them that fit no value. */
function spread<T>(all: readonly T[], limit: number, turn: number): T[] {
  const turned = all.map((_, place) => all[(place + turn) % all.length] as T)
  if (all.length <= limit) return turned
  const first = new Set(
    Array.from({ length: limit }, (_, place) => turned[Math.floor((place * all.length) / limit)]),
  )
  return [...turned.filter((one) => first.has(one)), ...turned.filter((one) => !first.has(one))]
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
