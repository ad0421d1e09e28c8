import { describe, expect, test } from 'vitest'
import { renderCertificate } from '../certificate/companion.ts'
import { plain } from '../markdown.ts'
import type { Plan } from '../plan.ts'
import { renderReport } from '../report.ts'
import type { Reported } from '../report.ts'
import type { TableVerification, Verification } from '../verdict.ts'
import { sampleStatement } from './certificate/sample.ts'

const table: TableVerification = {
  source: 'Orders',
  target: 'orders',
  key: ['id'],
  rowsSource: 12345,
  rowsTarget: 12344,
  rowsRejected: 0,
  bucketBits: 6,
  rootSource: 'a'.repeat(64),
  rootTarget: 'b'.repeat(64),
  aggregates: [
    { column: 'total', name: 'sum', source: '10.50', target: '10.40', equal: false },
    { column: 'id', name: 'max', source: '12345', target: '12345', equal: true },
  ],
  differences: {
    details: [
      {
        kind: 'missing',
        key: '7',
        columns: [
          { column: 'total', source: '2.00', target: null },
          { column: 'note', source: null, target: null },
        ],
        times: 1,
      },
      {
        kind: 'changed',
        key: '9, x',
        columns: [
          { column: 'total', source: '1.50', target: '1.40' },
          { column: 'note', source: '', target: null },
        ],
        times: 1,
      },
    ],
    rowsMissing: 1,
    rowsExtra: 0,
    rowsChanged: 30,
  },
}

const verification: Verification = {
  verdict: 'different',
  tables: [table],
  structure: [{ object: 'orders_by_day', kind: 'index', problem: 'is missing' }],
  views: [
    { name: 'v', rowsSource: 1, rowsTarget: 1, ordered: false, equal: true, reason: null },
    { name: 'w', rowsSource: 3, rowsTarget: 2, ordered: false, equal: false, reason: null },
  ],
  queries: [
    {
      name: 'q.sql',
      rowsSource: 0,
      rowsTarget: 0,
      ordered: true,
      equal: null,
      reason: 'timed out',
    },
  ],
  foreignKeys: [{ table: 'orders', name: 'orders_fkey', orphans: 4, declared: 1 }],
  mutation: {
    status: 'run',
    reason: null,
    mutants: 10,
    caught: 9,
    operators: { swap: { mutants: 5, caught: 4 }, bit: { mutants: 5, caught: 5 } },
  },
  notChecked: [{ what: 'column orders.seen', reason: 'only the target has it' }],
  databaseRoot: 'b'.repeat(64),
}

const plan: Plan = {
  plan_version: 1,
  source: { engine: 'sqlite', url: 'sqlite:shop.db', schema_fingerprint: 'f' },
  target: { schema: 'public' },
  append: false,
  tables: [],
  views: [],
  skipped: [
    { kind: 'trigger', name: 'audit', table: 'Orders', reason: 'SQLite’s own language', sql: '' },
  ],
  converted: [{ kind: 'check', name: 'positive', note: 'GLOB became a regular expression' }],
  losses: [{ rule: 'mixed-to-text', table: 'Orders', column: 'note', rows: 1200, examples: [] }],
  findings: [],
}

const outcome: Reported = {
  migrationId: 'm-1',
  state: 'completed',
  verdict: 'different',
  plan,
  planHash: 'c'.repeat(64),
  snapshot: {
    kind: 'private copy',
    name: 'copy-1',
    sha256: null,
    takenAt: '2026-01-02T03:04:05Z',
    location: '/secret/place',
    notes: [],
  },
  tables: [{ ...table, failure: null }],
  verification,
  error: null,
}

describe('the report of a difference', () => {
  const report = renderReport(outcome)

  test.each([
    ['the verdict', '# Different: source and target do not agree'],
    ['the missing row', '| 7 | missing | total | 2.00 |  |'],
    ['NULL in the missing row', '| 7 | missing | note | *NULL* |  |'],
    ['the cell that changed, with both values', '| 9, x | changed | total | 1.50 | 1.40 |'],
    ['an empty text apart from NULL', "| 9, x | changed | note | '' | *NULL* |"],
    ['how many rows it does not list', '29 more rows are counted, not listed.'],
    ['the sum that differs', '| orders | total | sum | 10.50 | 10.40 |'],
    ['the index that is missing', '| index | orders_by_day | is missing |'],
    ['the view that differs', '| w | different | 3 | 2 |'],
    ['the query that could not be decided', '| q.sql | not decided: timed out | 0 | 0 |'],
    ['the foreign key with too many orphans', '| orders | orders_fkey | 4 | 1 |'],
    ['the deliberate errors that were missed', '| swap | 5 | 4 |'],
    ['the rows of each table', '| Orders → orders | 12,345 | 12,344 | 0 |  |'],
    ['the losses', '| mixed-to-text:Orders.note | 1,200 |'],
    ['what was not carried', '| trigger | audit of Orders | SQLite’s own language |'],
    ['what was carried in another form', '| check | positive | GLOB became a regular expression |'],
    ['what was not checked', '| column orders.seen | only the target has it |'],
  ])('names %s', (_, line) => {
    expect(report.split('\n')).toContain(line)
  })

  test('leaves out what was equal, and where the private copy lies', () => {
    expect(report).not.toMatch(/\| v \||\| max \||secret/)
  })
})

describe('the report of what was not compared', () => {
  test('says so instead of showing an empty list', () => {
    const report = renderReport({ ...outcome, verdict: 'not_validated', verification: null })
    expect(report).toContain('# Not validated: the rows were carried, but never compared')
    expect(report).toContain('Nothing was compared.')
  })

  test('says why a migration stopped, which table failed, and how to go on', () => {
    const failure = { code: 'TOO_MANY_REJECTS', message: '3 rows were refused' }
    const report = renderReport({
      ...outcome,
      state: 'failed',
      verdict: null,
      verification: null,
      tables: [{ ...table, rowsRejected: 3, failure }],
      error: { code: 'TABLE_FAILED', message: 'orders failed' },
    })
    expect(report).toContain('# Not finished: failed')
    expect(report).toContain('| Error | TABLE_FAILED: orders failed |')
    expect(report).toContain('TOO_MANY_REJECTS: 3 rows were refused')
    expect(report).toContain('`sensei migrate --resume m-1`')
    expect(report).toContain('`sensei migrations rejects m-1`')
  })

  test('names a self-test that was not run', () => {
    const mutation = {
      status: 'not run',
      reason: 'no right',
      mutants: 0,
      caught: 0,
      operators: {},
    } as const
    const report = renderReport({
      ...outcome,
      verdict: 'inconclusive',
      verification: { ...verification, mutation },
    })
    expect(report).toContain('| the comparison itself, by deliberate errors | no right |')
  })
})

describe('hostile names and values', () => {
  const hostile =
    'a|b `c` <script>alert(1)</script> [x](javascript:1) \u001b[31m \u202e * _u_ \n## x'

  test('bad input 39: stay text in a report: no markup, no HTML, no control characters', () => {
    const details = [
      {
        kind: 'changed',
        key: hostile,
        columns: [{ column: hostile, source: hostile, target: null }],
        times: 1,
      },
    ] as const
    const differences = { details, rowsMissing: 0, rowsExtra: 0, rowsChanged: 1 }
    const tables = [{ ...table, source: hostile, target: hostile, differences }]
    const reports = [
      renderReport({
        ...outcome,
        verification: { ...verification, tables },
        tables: [{ ...table, source: hostile, target: hostile, failure: null }],
      }),
      renderCertificate(
        sampleStatement({
          skipped_objects: [{ kind: 'view', name: hostile, table: hostile, reason: hostile }],
        }),
        'key',
      ),
    ]
    for (const report of reports) {
      expect(report).not.toMatch(/[^\P{Cc}\n]|\u202e|<|(?<!\\)\[x|(?<!\\)`c|\n## x/u)
      expect(report).toContain('\\\\x1b\\[31m')
    }
  })

  test('keep the underscores of ordinary names as they are', () => {
    expect(plain('order_items')).toBe('order_items')
    expect(plain('_private_')).toBe('\\_private\\_')
  })
})

describe('the companion of a certificate', () => {
  const companion = renderCertificate(sampleStatement(), 'f'.repeat(64))

  test.each([
    ['the verdict', '# Certificate: equivalent, except for what was declared'],
    ['the rows of each table', 'Kunden "alt" | 12,000 | 11,998 | 2 | id |'],
    ['counts beyond 2^53 exactly', '9,007,199,254,740,993'],
    [
      'the losses, and by what they were accepted',
      '| mixed-to-text:log.wert | 17 | --accept-loss |',
    ],
    ['what was not checked', '| column log.zufall | computed by random() on each read |'],
    ['what was not carried', '| trigger | log_ai of log | SQLite procedure |'],
    ['the mutation score', '400 of 400 deliberate errors'],
    ['the key', '| Key | ffff'],
    ['that the key’s owner must be asked', 'only its owner can tell'],
  ])('names %s', (_, text) => {
    expect(companion).toContain(text)
  })

  test('says that there are no receipts where Sensei did not copy', () => {
    const found = renderCertificate(sampleStatement({ receipts: 'none' }), 'k')
    expect(found).toContain('No receipts')
    expect(companion).toContain('accepted beforehand')
    expect(found).not.toContain('accepted beforehand')
  })
})
