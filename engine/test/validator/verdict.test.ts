import type { Plan } from '@sensei/core/plan'
import type { TableVerification } from '@sensei/core/verdict'
import { expect, test } from 'vitest'
import { type Findings, verdictOf } from '../../validator/verdict.ts'

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
  aggregates: [],
  differences: { details: [], rowsMissing: 0, rowsExtra: 0, rowsChanged: 0 },
}
const clean: Findings = {
  tables: [table],
  structure: [],
  views: [],
  queries: [],
  foreignKeys: [],
  mutation: { status: 'run', reason: null, mutants: 5, caught: 5, operators: {} },
  notChecked: [],
  undecided: [],
}
const plan = { losses: [] } as unknown as Plan
const lossy = {
  losses: [{ rule: 'strip-nul', table: 't', column: 'c', rows: 1, examples: [] }],
} as unknown as Plan
const query = { name: 'q', rowsSource: 1, rowsTarget: 1, ordered: false, equal: true, reason: null }

test.each<[string, Partial<Findings>, string]>([
  ['nothing at all', {}, 'equivalent'],
  ['two roots', { tables: [{ ...table, rootTarget: 'b' }] }, 'different'],
  [
    'a missing row',
    { tables: [{ ...table, differences: { ...table.differences, rowsMissing: 1 } }] },
    'different',
  ],
  [
    'an aggregate',
    {
      tables: [
        {
          ...table,
          aggregates: [{ column: null, name: 'rows', source: '1', target: '2', equal: false }],
        },
      ],
    },
    'different',
  ],
  [
    'the structure',
    { structure: [{ object: 't', kind: 'index', problem: 'is missing' }] },
    'different',
  ],
  ['a view', { views: [{ ...query, equal: false }] }, 'different'],
  ['a query', { queries: [{ ...query, equal: false }] }, 'different'],
  [
    'orphans that nobody declared',
    { foreignKeys: [{ table: 't', name: 'f', orphans: 1, declared: 0 }] },
    'different',
  ],
  [
    'declared orphans that are not there',
    { foreignKeys: [{ table: 't', name: 'f', orphans: 0, declared: 1 }] },
    'different',
  ],
  ['a mutant that was missed', { mutation: { ...clean.mutation, caught: 4 } }, 'inconclusive'],
  [
    'a self-test that was not run',
    { mutation: { status: 'not run', reason: 'no right', mutants: 0, caught: 0, operators: {} } },
    'equivalent',
  ],
  [
    'a query without an answer',
    { queries: [{ ...query, equal: null, reason: 'too long' }] },
    'inconclusive',
  ],
  [
    'a column that cannot be compared',
    { undecided: [{ what: 'column t.c', reason: 'inet' }] },
    'inconclusive',
  ],
  [
    'a difference and something undecided',
    { undecided: [{ what: 'x', reason: 'y' }], tables: [{ ...table, rootTarget: 'b' }] },
    'different',
  ],
  [
    'an explained reject',
    { tables: [{ ...table, rowsRejected: 1 }] },
    'equivalent_except_declared',
  ],
])('%s', (_, findings, verdict) => {
  expect(verdictOf({ ...clean, ...findings }, plan)).toBe(verdict)
})

test('a declared loss is an exception, and excuses nothing else', () => {
  expect(verdictOf(clean, lossy)).toBe('equivalent_except_declared')
  expect(verdictOf({ ...clean, tables: [{ ...table, rootTarget: 'b' }] }, lossy)).toBe('different')
  expect(verdictOf({ ...clean, undecided: [{ what: 'x', reason: 'y' }] }, lossy)).toBe(
    'inconclusive',
  )
})
