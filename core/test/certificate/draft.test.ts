import { describe, expect, test } from 'vitest'
import { columnsDigest, databaseRoot, rejectsDigest } from '../../certificate/digests.ts'
import { draftStatement } from '../../certificate/draft.ts'
import type { CertificateDraft } from '../../certificate/draft.ts'
import { signCertificate } from '../../certificate/sign.ts'
import { verifyCertificate } from '../../certificate/verify.ts'
import type { TableMapping } from '../../plan.ts'
import type { TableVerification, Verification } from '../../verdict.ts'
import { newSigningKey, sampleStatement } from './sample.ts'

const root = 'c'.repeat(64)

function mapping(target: string): TableMapping {
  const column = {
    source: 'id',
    target: 'id',
    type: 'bigint',
    conversion: 'integer',
    fidelity: 'exact',
    unfit: 'reject',
    nullable: false,
    default: null,
    identity: null,
    generated: null,
  } as const
  return {
    source: target.toUpperCase(),
    target,
    rows: 3,
    bytes: 24,
    bytes_max: 8,
    columns: [column, { ...column, source: 'day', target: 'day', expression: "date('now')" }],
    key: ['id'],
    primary_key: null,
    uniques: [],
    indexes: [],
    foreign_keys: [],
    checks: [],
    hostile: false,
  }
}

function verified(target: string): TableVerification {
  return {
    source: target.toUpperCase(),
    target,
    key: ['id'],
    rowsSource: 3,
    rowsTarget: 3,
    rowsRejected: 0,
    bucketBits: 4,
    rootSource: root,
    rootTarget: root,
    aggregates: [
      { column: null, name: 'rows', source: '3', target: '3', equal: true },
      { column: 'id', name: 'min', source: '1', target: '1', equal: true },
      { column: 'id', name: 'max', source: '9', target: '9', equal: true },
    ],
    differences: { details: [], rowsMissing: 0, rowsExtra: 0, rowsChanged: 0 },
  }
}

const verification: Verification = {
  verdict: 'equivalent',
  tables: [verified('zoo'), verified('Ähre'), verified('abc')],
  structure: [],
  views: [{ name: 'v', rowsSource: 2, rowsTarget: 2, ordered: false, equal: true, reason: null }],
  queries: [],
  foreignKeys: [{ table: 'abc', name: 'fk', orphans: 0, declared: 0 }],
  mutation: {
    status: 'run',
    reason: null,
    mutants: 3,
    caught: 2,
    operators: { swap: { mutants: 2, caught: 1 }, bit: { mutants: 1, caught: 1 } },
  },
  notChecked: [{ what: 'x', reason: 'y' }],
  databaseRoot: '',
}

function draft(changes: Partial<Verification> = {}): CertificateDraft {
  const { tool, source, target } = sampleStatement().predicate
  return {
    tool,
    source,
    target,
    migrationId: 'm-1',
    issuedAt: new Date(0),
    snapshot: {
      kind: 'private copy',
      name: 'copy-1',
      sha256: 'a'.repeat(64),
      takenAt: '2026-01-02T03:04:05Z',
      location: '/var/lib/secret/copy.db',
      notes: [],
    },
    plan: {
      plan_version: 1,
      source: { engine: 'sqlite', url: 'sqlite:x', schema_fingerprint: 'f' },
      target: { schema: 'public' },
      append: false,
      tables: ['zoo', 'Ähre', 'abc'].map(mapping),
      views: [],
      skipped: [{ kind: 'trigger', name: 't', table: null, reason: 'r', sql: 'create trigger …' }],
      converted: [],
      losses: [],
      findings: [],
    },
    planHash: 'b'.repeat(64),
    planVersion: 1,
    receipts: 'ledger',
    rejects: [],
    acceptedBy: (loss) => `flag ${loss}`,
    verification: { ...verification, ...changes },
  }
}

describe('the statement of a passed verification', () => {
  const statement = draftStatement(draft())
  const { predicate } = statement

  test('can be signed and verified as it is', () => {
    const key = newSigningKey()
    const check = verifyCertificate(signCertificate(statement, [key]), [key])
    expect(check).toMatchObject({ status: 'verified', statement })
  })

  test('has its tables in the order of the bytes of their names, whatever the order of the scan', () => {
    expect(predicate.tables.map(({ target }) => target)).toEqual(['abc', 'zoo', 'Ähre'])
    expect(predicate.database_root).toBe(databaseRoot(predicate.tables.toReversed()))
  })

  test('names the aggregates that were compared, and none of their values', () => {
    expect(predicate.aggregates.slice(0, 2)).toEqual([
      { table: 'zoo', column: null, compared: ['rows'] },
      { table: 'zoo', column: 'id', compared: ['min', 'max'] },
    ])
  })

  test('lists computed columns, and rounds the mutation score down', () => {
    expect(predicate.computed_columns[0]).toMatchObject({ table: 'zoo', column: 'day' })
    expect(predicate.mutation).toMatchObject({ mutants: '3', caught: '2', score: '0.6666' })
  })

  test('holds neither the place of the private copy nor the text of what was skipped', () => {
    expect(JSON.stringify(statement)).not.toMatch(/secret|create trigger/)
  })
})

describe('a verdict that its findings contradict gets no statement', () => {
  const [table] = verification.tables as [TableVerification]
  const [view] = verification.views
  const refused: readonly [string, Partial<Verification>][] = [
    ['different', { verdict: 'different' }],
    ['inconclusive', { verdict: 'inconclusive' }],
    ['not validated', { verdict: 'not_validated' }],
    ['a missing index', { structure: [{ kind: 'index', object: 'i', problem: 'is missing' }] }],
    ['unequal roots', { tables: [{ ...table, rootTarget: 'd'.repeat(64) }] }],
    [
      'an unequal sum',
      { tables: [{ ...table, aggregates: [{ ...table.aggregates[0], equal: false }] }] } as never,
    ],
    [
      'a row missing',
      { tables: [{ ...table, differences: { ...table.differences, rowsMissing: 1 } }] },
    ],
    ['another view', { views: [{ ...view, equal: false }] } as never],
    ['an undecided query', { queries: [{ ...view, equal: null, reason: 'timed out' }] } as never],
    ['an orphan', { foreignKeys: [{ table: 'abc', name: 'fk', orphans: 1, declared: 0 }] }],
    ['a table that the plan does not know', { tables: [verified('other')] }],
    ['a count beyond exactness', { tables: [{ ...table, rowsSource: 2 ** 53 }] }],
  ]
  test.each(refused)('%s', (_, changes) => {
    expect(() => draftStatement(draft(changes))).toThrow(
      expect.objectContaining({ code: 'INTERNAL' }),
    )
  })
})

describe('digests', () => {
  test('of columns tell every difference in what is compared', () => {
    const table = mapping('abc')
    const [id, day] = table.columns as [
      TableMapping['columns'][number],
      TableMapping['columns'][number],
    ]
    const variants = [
      table,
      { ...table, columns: [id] },
      { ...table, key: null, columns: [day, id] },
      { ...table, columns: [{ ...id, type: 'integer' }, day] },
      { ...table, columns: [{ ...id, conversion: 'any-as-text' as const }, day] },
      { ...table, columns: [{ ...id, target: 'Id' }, day] },
      { ...table, columns: [id, { ...day, expression: '1' }] },
    ]
    expect(new Set(variants.map(columnsDigest)).size).toBe(variants.length)
  })

  test('of rejects do not depend on their order, but on each of their values', () => {
    const reject = (value: string, code = '22021') => ({
      column: 'a',
      code,
      raw: [{ column: 'a', class: 'text' as const, value }],
    })
    const [a, b] = [reject('1'), reject('2')]
    expect(rejectsDigest([a, b])).toBe(rejectsDigest([b, a]))
    const digests = [[a], [b], [a, b], [a, a], [], [reject('1', '23505')]].map(rejectsDigest)
    expect(new Set(digests).size).toBe(6)
  })
})
