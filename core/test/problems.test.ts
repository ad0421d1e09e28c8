import { expect, test } from 'vitest'
import { problemsOf } from '../problems.ts'
import type { TableVerification, Verification } from '../verdict.ts'

const table: TableVerification = {
  source: 't',
  target: 't',
  key: ['id'],
  rowsSource: 1,
  rowsTarget: 1,
  rowsRejected: 0,
  bucketBits: 0,
  rootSource: 'a',
  rootTarget: 'a',
  aggregates: [{ column: 'n', name: 'sum', source: '1', target: '1', equal: true }],
  differences: { details: [], rowsMissing: 0, rowsExtra: 0, rowsChanged: 0 },
}
const query = { name: 'q', rowsSource: 1, rowsTarget: 2, ordered: false, equal: true, reason: null }
const equal: Verification = {
  verdict: 'equivalent',
  tables: [table],
  structure: [],
  views: [query],
  queries: [query],
  foreignKeys: [{ table: 't', name: 'f', orphans: 3, declared: 3 }],
  mutation: { status: 'run', reason: null, mutants: 5, caught: 5, operators: {} },
  notChecked: [{ what: 'trigger x', reason: 'not carried' }],
  undecided: [],
  databaseRoot: '00',
}

test('a pass has no problems', () => {
  expect(problemsOf(equal)).toEqual([])
})

test.each<[string, Partial<Verification>, object]>([
  [
    'rows',
    { tables: [{ ...table, differences: { ...table.differences, rowsMissing: 2 } }] },
    { kind: 'rows', object: 't', problem: '0 rows changed, 2 missing, 0 extra' },
  ],
  [
    'structure',
    { structure: [{ object: 'i', kind: 'index', problem: 'is missing' }] },
    { kind: 'index', object: 'i', problem: 'is missing' },
  ],
  [
    'an aggregate',
    {
      tables: [
        {
          ...table,
          aggregates: [{ column: 'n', name: 'sum', source: '1', target: null, equal: false }],
        },
      ],
    },
    { kind: 'aggregate', object: 't.n', problem: 'sum is 1 in the source and NULL in the target' },
  ],
  [
    'orphans',
    { foreignKeys: [{ table: 't', name: 'f', orphans: 3, declared: 1 }] },
    { kind: 'orphans', object: 't.f', problem: '3 rows have no parent, of which 1 are declared' },
  ],
  [
    'a view',
    { views: [{ ...query, equal: false }] },
    { kind: 'view', object: 'q', problem: 'gives other rows: 1 in the source, 2 in the target' },
  ],
  [
    'a query without an answer',
    { queries: [{ ...query, equal: null, reason: 'too long' }] },
    { kind: 'query', object: 'q', problem: 'could not be compared: too long' },
  ],
  [
    'a mutant that was missed',
    { mutation: { ...equal.mutation, caught: 4 } },
    { kind: 'self-test', object: 'the comparison', problem: 'found 4 of 5 deliberate errors' },
  ],
  [
    'what was not decided',
    { undecided: [{ what: 'column t.c', reason: 'inet' }] },
    { kind: 'undecided', object: 'column t.c', problem: 'inet' },
  ],
])('%s', (_, changes, problem) => {
  expect(problemsOf({ ...equal, ...changes })).toEqual([problem])
})
