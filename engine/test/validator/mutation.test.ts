/** What the score of the self-test says: it counts mutants that the walk itself has shown, of every operator. */
import { openTarget } from '@sensei/apps/pillars'
import { freshDatabase, servers } from '@sensei/contracts/servers'
import type { TableMapping } from '@sensei/core/plan'
import type { Mutation, TargetMutator } from '@sensei/core/ports/mutator'
import type { Target, TargetWitness } from '@sensei/core/ports/target'
import type { CanonicalBatch } from '@sensei/core/ports/witness'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { mutationScore } from '../../validator/mutation.ts'

const { signal } = new AbortController()

function mapping(target: string, columns: readonly (readonly [string, string, string])[]) {
  return {
    target,
    key: ['id'],
    rows: 40,
    bytes: 4_000,
    columns: columns.map(([name, type, conversion]) => ({
      source: name,
      target: name,
      type,
      conversion,
      unfit: 'reject',
      generated: null,
    })),
  } as unknown as TableMapping
}

const table = mapping('person', [
  ['id', 'int8', 'integer'],
  ['name', 'text', 'text'],
  ['seen', 'timestamptz', 'timestamptz'],
])

let target: Target
let witness: TargetWitness

beforeAll(async () => {
  const database = await freshDatabase((await servers()).pg18)
  const client = new Client({ connectionString: database.url })
  await client.connect()
  await client.query(
    `create table person as select id::int8, 'Łódź ' || id as name, '2024-01-31 10:20:30+00'::timestamptz + id * interval '1 s' as seen
     from generate_series(1, 40) id`,
  )
  await client.end()
  target = await openTarget(database.url)
  witness = await target.openWitness({ schema: 'public' })
})

afterAll(async () => {
  await witness.close()
  await target.close()
})

test('every mutant that PostgreSQL calls different is caught', async () => {
  const { score, passedOver } = await mutationScore({ target: witness, signal }, [table])
  expect(passedOver).toEqual([])
  expect(score.status).toBe('run')
  expect(score.mutants).toBeGreaterThan(15)
  expect(score.caught).toBe(score.mutants)
  expect(Object.keys(score.operators)).toEqual(
    expect.arrayContaining(['drop', 'double', 'swap', 'null', 'plus one', 'case', 'microsecond']),
  )
})

test('a comparison that walks the rows as they were catches no mutant, of no operator', async () => {
  const blind = { openMutator: async () => walksTheOld(await witness.openMutator()) }
  const { score } = await mutationScore({ target: blind as unknown as TargetWitness, signal }, [
    table,
  ])
  expect(score.mutants).toBeGreaterThan(15)
  expect(score.caught).toBe(0)
})

/** What was changed is taken back before anybody looks. */
function walksTheOld(mutator: TargetMutator): TargetMutator {
  return {
    sample: (...of) => mutator.sample(...of),
    mutations: (of) => mutator.mutations(of),
    pick: (...of) => mutator.pick(...of),
    apply: (...of) => mutator.apply(...of),
    restore: () => mutator.restore(),
    close: () => mutator.close(),
    async *scan(of) {
      await mutator.restore()
      yield* mutator.scan(of)
    },
  }
}

const OPERATORS = ['drop', 'double', 'swap', 'null', 'case', 'sign', 'last digit', 'empty']

/** Counts only; what a mutant is, PostgreSQL tells above. */
function counting(fits: (mutation: Mutation) => boolean): TargetWitness {
  const mutator: TargetMutator = {
    sample: () => Promise.resolve(10),
    mutations: () => Promise.resolve(OPERATORS.map((operator) => ({ operator, column: null }))),
    pick: () => undefined,
    apply: (_, mutation) => Promise.resolve(fits(mutation) ? true : null),
    restore: () => Promise.resolve(),
    async *scan(): AsyncGenerator<CanonicalBatch> {
      // There are no rows.
    },
    close: () => Promise.resolve(),
  }
  return { openMutator: () => Promise.resolve(mutator) } as unknown as TargetWitness
}

test('where there are more tables than mutants, the operators take turns', async () => {
  const tables = Array.from({ length: 4_000 }, () => table)
  const { score } = await mutationScore({ target: counting(() => true), signal }, tables)
  expect(score.mutants).toBe(2_000)
  const shares = OPERATORS.map((operator) => score.operators[operator]?.mutants ?? 0)
  expect(Math.min(...shares)).toBeGreaterThan(200)
})

test('a mutation that fits no value is replaced by another one of the table', async () => {
  const tables = Array.from({ length: 4_000 }, () => table)
  const fits = ({ operator }: Mutation): boolean => operator === 'empty'
  const { score } = await mutationScore({ target: counting(fits), signal }, tables)
  expect(score.operators).toEqual({ empty: { mutants: 2_000, caught: 0 } })
})
