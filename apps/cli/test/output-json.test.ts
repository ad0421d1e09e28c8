import type { Verification } from '@sensei/core/verdict'
import { expect, test } from 'vitest'
import { outcomeJson } from '../output-json.ts'

const outcome = {
  migrationId: '0b6e0f5e-7c0a-4b4e-9f3e-1d2c3b4a5f60',
  state: 'completed',
  verdict: 'not_validated',
  plan: null,
  planHash: null,
  snapshot: null,
  tables: [],
  viewsRefused: [],
  setAside: [],
  verification: null,
  certificate: null,
  error: null,
} as const

test('a view that PostgreSQL refused is named without a validation too', () => {
  const viewsRefused = [{ name: 'sales', reason: 'PostgreSQL refused it: 42P01' }]
  expect(outcomeJson({ ...outcome, viewsRefused }, null, 1)).toMatchObject({
    skipped_objects: [
      { kind: 'view', table: null, name: 'sales', reason: 'PostgreSQL refused it: 42P01' },
    ],
    problems: [],
  })
})

test('what makes a verdict no pass is said beside the differing rows', () => {
  const verification: Verification = {
    verdict: 'different',
    tables: [],
    structure: [{ object: 'sales', kind: 'view', problem: 'is missing' }],
    views: [],
    queries: [],
    foreignKeys: [],
    mutation: { status: 'not run', reason: 'no right', mutants: 0, caught: 0, operators: {} },
    notChecked: [],
    undecided: [{ what: 'column t.c', reason: 'inet' }],
    databaseRoot: '00',
  }
  const told = outcomeJson({ ...outcome, verdict: 'different', verification }, null, 1)
  expect(told).toMatchObject({
    differences: [],
    problems: [
      { kind: 'view', object: 'sales', problem: 'is missing' },
      { kind: 'undecided', object: 'column t.c', problem: 'inet' },
    ],
  })
})
