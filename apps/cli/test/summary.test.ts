import type { Plan } from '@sensei/core/plan'
import type { Verification } from '@sensei/core/verdict'
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
