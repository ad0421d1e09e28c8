import type { Plan } from '@sensei/core/plan'
import type { TableVerification, Verification } from '@sensei/core/verdict'
import type { Outcome, TableOutcome } from '@sensei/engine/request'
import { describe, expect, test } from 'vitest'
import { summary } from '../summary.ts'
import { widthOf } from '../width.ts'

const ID = '0b6e0f5e-7c0a-4b4e-9f3e-1d2c3b4a5f60'

const table: TableOutcome = {
  source: 'order',
  target: 'order',
  rowsSource: 1_000,
  rowsTarget: 1_000,
  rowsRejected: 0,
  digest: 'ab',
  failure: null,
}

const compared: Verification = {
  verdict: 'equivalent',
  tables: [],
  structure: [],
  views: [],
  queries: [],
  foreignKeys: [],
  mutation: { status: 'run', reason: null, mutants: 10, caught: 10, operators: {} },
  notChecked: [],
  databaseRoot: '00',
}

function outcome(changes: Partial<Outcome> = {}): Outcome {
  return {
    migrationId: ID,
    state: 'completed',
    verdict: 'equivalent',
    plan: null,
    planHash: null,
    snapshot: null,
    tables: [table],
    viewsRefused: [],
    setAside: [],
    verification: compared,
    certificate: '{}',
    error: null,
    ...changes,
  }
}

function shown(changes: Partial<Outcome> = {}, color = false): string {
  return summary({
    outcome: outcome(changes),
    file: 'shop.json',
    seconds: 1.25,
    next: 'sensei certificate verify shop.json',
    color,
  })
}

function plan(size: number, name: (at: number) => string): Plan {
  const at = Array.from({ length: size }, (_, index) => index)
  return {
    losses: at.map((n) => ({
      rule: 'mixed-to-text',
      table: name(n),
      column: 'c',
      rows: n,
      examples: [],
    })),
    skipped: at.map((n) => ({
      kind: `kind ${n % 9}`,
      name: name(n),
      table: null,
      reason: 'r',
      sql: null,
    })),
  } as unknown as Plan
}

test('a view that PostgreSQL refused is not carried', () => {
  const viewsRefused = [{ name: 'sales', reason: 'PostgreSQL refused it: 42P01' }]
  expect(shown({ verdict: 'not_validated', verification: null, viewsRefused })).toContain(
    'Not carried 1 refused view: sales',
  )
})

test('a pass with nothing to tell is short and complete', () => {
  expect(shown()).toBe(
    [
      'EQUIVALENT: every row of every table arrived as planned',
      '',
      `Migration   ${ID}`,
      'Rows        1,000 of 1,000 · 1 table · 1.3 s',
      'Losses      none',
      'Not checked nothing',
      'Certificate shop.json',
      'Next        sensei certificate verify shop.json',
    ].join('\n'),
  )
})

describe('whatever a migration was, its end fits 80 x 24 with the prompt', () => {
  const many = plan(400, (at) => `${'注文'.repeat(60)}${at}`)
  const failing = Array.from(
    { length: 300 },
    (_, at): TableOutcome => ({
      ...table,
      failure: { table: `t${at}`, code: 'TABLE_FAILED', message: 'x'.repeat(500) },
    }),
  )
  const cases: Record<string, Partial<Outcome>> = {
    'many losses and skipped objects': { plan: many },
    'many failures': {
      plan: many,
      tables: failing,
      verdict: null,
      state: 'failed',
      error: { code: 'TABLE_FAILED', message: 'x' },
    },
    'a long message of many lines': {
      verdict: null,
      state: 'failed',
      error: { code: 'TARGET_REFUSED', message: 'a\n'.repeat(200) },
    },
    'many differences': {
      verdict: 'different',
      plan: many,
      verification: {
        ...compared,
        notChecked: Array.from({ length: 90 }, () => ({ what: 'w'.repeat(200), reason: 'r' })),
        tables: Array.from({ length: 50 }, (_, at) => ({
          target: `t${at}`,
          differences: {
            rowsMissing: 1,
            rowsExtra: 2,
            rowsChanged: 3,
            details: [
              {
                kind: 'changed',
                key: '1',
                times: 1,
                columns: [{ column: 'c', source: 'a', target: null }],
              },
            ],
          },
        })) as unknown as Verification['tables'],
      },
    },
  }
  test.each(Object.keys(cases))('%s', (name) => {
    const lines = shown(cases[name]).split('\n')
    expect(lines.length).toBeLessThanOrEqual(23)
    for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(79)
    expect(lines.at(-1)).toMatch(/^Next /)
    expect(lines.at(-2)).toMatch(/^Certificate /)
  })
})

test('a difference is named to row and column', () => {
  const text = shown({
    verdict: 'different',
    verification: {
      ...compared,
      tables: [
        {
          target: 'person',
          differences: {
            rowsMissing: 0,
            rowsExtra: 0,
            rowsChanged: 1,
            details: [
              {
                kind: 'changed',
                key: '17',
                times: 1,
                columns: [{ column: 'email', source: 'a@b', target: null }],
              },
            ],
          },
        },
      ] as unknown as Verification['tables'],
    },
  })
  expect(text).toContain('person: 1 changed, 0 missing, 0 extra')
  expect(text).toContain('person 17, email: "a@b" became NULL')
})

const pair: TableVerification = {
  source: 'item',
  target: 'item',
  key: ['id'],
  rowsSource: 3,
  rowsTarget: 3,
  rowsRejected: 0,
  bucketBits: 0,
  rootSource: 'a',
  rootTarget: 'a',
  aggregates: [],
  differences: { details: [], rowsMissing: 0, rowsExtra: 0, rowsChanged: 0 },
}
const sum = { column: 'n', name: 'sum', source: '6', target: '7', equal: false }
const query = {
  name: 'q',
  ordered: false,
  rowsSource: 3,
  rowsTarget: 2,
  equal: false,
  reason: null,
}

test.each<[string, Partial<Verification>, string]>([
  [
    'the structure',
    { structure: [{ kind: 'index', object: 'item_n', problem: 'is missing' }] },
    'Differs     index item_n: is missing',
  ],
  [
    'an aggregate',
    { tables: [{ ...pair, aggregates: [sum] }] },
    'Differs     aggregate item.n: sum is 6 in the source and 7 in the target',
  ],
  [
    'a foreign key',
    { foreignKeys: [{ table: 'item', name: 'owner', orphans: 3, declared: 1 }] },
    'Differs     orphans item.owner: 3 rows have no parent, of which 1 are declared',
  ],
  [
    'a view',
    { views: [{ ...query, name: 'sold' }] },
    'Differs     view sold: gives other rows: 3 in the source, 2 in the target',
  ],
  [
    'a query',
    { queries: [query] },
    'Differs     query q: gives other rows: 3 in the source, 2 in the target',
  ],
])('%s that alone is different is named', (_, changes, line) => {
  const text = shown({ verdict: 'different', verification: { ...compared, ...changes } })
  expect(text.split('\n')[4]).toBe(line)
})

test.each<[string, Partial<Verification>, string]>([
  [
    'a query without an answer',
    { queries: [{ ...query, equal: null, reason: 'it took more than 30000 ms' }] },
    'Undecided   query q: could not be compared: it took more than 30000 ms',
  ],
  [
    'a comparison that misses mutants',
    { mutation: { ...compared.mutation, caught: 9 } },
    'Undecided   self-test the comparison: found 9 of 10 deliberate errors',
  ],
  [
    'what could not be looked at',
    { undecided: [{ what: 'foreign keys', reason: 'permission denied' }] },
    'Undecided   foreign keys: permission denied',
  ],
])('%s that alone is undecided is named, and once', (_, changes, line) => {
  const told = { ...compared, ...changes }
  const notChecked = [
    ...(changes.undecided ?? []),
    ...(changes.queries ?? []).map(({ name }) => ({ what: `query ${name}`, reason: 'x' })),
  ]
  const text = shown({ verdict: 'inconclusive', verification: { ...told, notChecked } })
  expect(text.split('\n').slice(4, 7)).toEqual([
    line,
    'Losses      none',
    'Not checked nothing else',
  ])
})

test('rows, structure, views and queries that differ at once are all on the screen of 80 x 24', async () => {
  const row = (key: number) => ({
    kind: 'changed' as const,
    key: String(key),
    times: 1,
    columns: [{ column: 'n', source: 'a', target: 'b' }],
  })
  const details = Array.from({ length: 20 }, (_, key) => row(key))
  const views = Array.from({ length: 30 }, (_, at) => ({ ...query, name: `view_${at}` }))
  const text = shown({
    verdict: 'different',
    certificate: null,
    plan: plan(40, (at) => `name_${at}`),
    verification: {
      ...compared,
      tables: [
        {
          ...pair,
          aggregates: [sum],
          differences: { details, rowsChanged: 400, rowsMissing: 0, rowsExtra: 0 },
        },
      ],
      structure: [{ kind: 'index', object: 'item_n', problem: 'is missing' }],
      views,
      queries: [{ ...query, equal: null, reason: 'it took more than 30000 ms' }],
      mutation: { ...compared.mutation, caught: 9 },
      notChecked: [{ what: 'query q', reason: 'it took more than 30000 ms' }],
    },
  })
  expect(text.split('\n').length).toBeLessThanOrEqual(23)
  for (const line of text.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(79)
  await expect(`${text}\n`).toMatchFileSnapshot('golden/differs-summary.txt')
})

test('bad input 38, 39: a hostile name cannot move the cursor, colour the screen or add a line', () => {
  const hostile = plan(1, () => 'x"; drop table z; --\u001b[2J\u202e\nEQUIVALENT')
  const text = shown({ plan: hostile })
  expect(text).toContain('x"; drop table z; --\\x1b[2J\\u{202e}\\x0aEQUIVALENT')
  // eslint-disable-next-line no-control-regex
  expect(text.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f]/)
})

test('colour is on the verdict alone, and is switched off on the same line', () => {
  const [first = '', ...rest] = shown({}, true).split('\n')
  expect(first).toBe('\u001b[1;32mEQUIVALENT: every row of every table arrived as planned\u001b[0m')
  expect(rest.join('')).not.toContain('\u001b')
})

test('a pair that was only compared names no migration, and nothing that was accepted', () => {
  const facts = {
    outcome: outcome({
      verdict: 'equivalent_except_declared',
      plan: plan(9, (at) => `t${at}`),
    }),
    subject: ['Pair', 'a and b'] as const,
    file: 'pair.json',
    seconds: 1,
    next: 'read pair.json',
    color: false,
  }
  const certified = summary(facts)
  expect(certified).toContain('EQUIVALENT, except for what was declared\n')
  expect(certified).toContain('more: in the page beside the certificate (.md)')
  expect(certified).not.toContain('migrations get')
  const reported = summary({ ...facts, outcome: { ...facts.outcome, certificate: null } })
  expect(reported).toContain('more: in the report')
})
