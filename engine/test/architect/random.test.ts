import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkPlan } from '@sensei/core/plan-check'
import { planHash } from '@sensei/core/plan-hash'
import {
  type ColumnProfile,
  type Survey,
  type SurveyColumn,
  type SurveyTable,
  TEXT_FORMATS,
} from '@sensei/core/survey'
import { design } from '../../architect/design.ts'
import { applyPlan } from '../../architect/edited.ts'
import {
  aColumn,
  aForeignKey,
  aKey,
  anIndex,
  anObject,
  aSurvey,
  aTable,
  blobs,
  integers,
  mixed,
  nothing,
  reals,
  texts,
  withNulls,
} from './surveys.ts'

const SEED = 90_125

const name = fc.oneof(
  fc.constantFrom(
    'id',
    'a',
    'A',
    'b',
    'order',
    'select',
    'ctid',
    'xmin',
    '',
    'x"; drop table t; --',
    'a_pkey',
    'a_b_key',
    'a_check',
    'sensei_row_id',
    'a_id_seq',
    '\u202e',
    'a\nb',
  ),
  fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => text.replaceAll('\0', '')),
  fc.string({ unit: fc.constantFrom('x', 'ä', '日', '🙂'), minLength: 20, maxLength: 70 }),
)
const declared = fc.constantFrom(
  '',
  'INTEGER',
  'INT',
  'BOOLEAN',
  'TINYINT(1)',
  'REAL',
  'DECIMAL(10,2)',
  'NUMERIC',
  'TEXT',
  'VARCHAR(9)',
  'BLOB',
  'DATE',
  'DATETIME',
  'TIMESTAMPTZ',
  'TIME',
  'UUID',
  'JSON',
  'JSONB',
  'ANY',
  'FOO BAR(1,2,3)',
)
const count = fc.integer({ min: 1, max: 50 })

const someTexts: fc.Arbitrary<ColumnProfile> = fc
  .record({
    count,
    dateless: fc.nat(50),
    nul: fc.constantFrom(0, 0, 0, 2),
    invalid: fc.constantFrom(0, 0, 0, 3),
    bytesMax: fc.constantFrom(1, 20, 3000, 2_000_000),
    formats: fc.dictionary(fc.constantFrom(...TEXT_FORMATS), fc.nat(50), { maxKeys: 3 }),
  })
  .map(({ count: total, dateless, nul, invalid, bytesMax, formats }) =>
    texts(total, {
      dateless: Math.min(dateless, total),
      nul: Math.min(nul, total),
      invalidUtf8: Math.min(invalid, total),
      bytesMax,
      formats: Object.fromEntries(
        Object.entries(formats).map(([format, times]) => [format, Math.min(times, total)]),
      ),
    }),
  )
const one: fc.Arbitrary<ColumnProfile> = fc.oneof(
  count.map((total) => integers(total, { zeroOrOne: total })),
  count.map((total) =>
    integers(total, { min: '-9223372036854775808', max: '9223372036854775807' }),
  ),
  count.map((total) => reals(total)),
  count.map((total) => reals(total, { roundTrips: 0, infinite: 1 })),
  count.map((total) => blobs(total, total)),
  someTexts,
)
const profile = fc.oneof(
  fc.constant(nothing()),
  one,
  fc.tuple(one, count).map(([each, nulls]) => withNulls(each, nulls)),
  fc.array(one, { minLength: 2, maxLength: 3 }).map((all) => mixed(...all)),
)

const column: fc.Arbitrary<SurveyColumn> = fc
  .record({
    name,
    declared,
    profile,
    notNull: fc.boolean(),
    collation: fc.constantFrom(null, null, 'NOCASE', 'RTRIM'),
    text: fc.constantFrom(
      null,
      '0',
      "'x'",
      'current_timestamp',
      "date('now')",
      '(random())',
      '"y"',
      "x'00'",
    ),
    generated: fc.constantFrom(
      null,
      null,
      null,
      { kind: 'virtual' as const, expression: 'id || a' },
      { kind: 'stored' as const, expression: 'lower(a)' },
    ),
  })
  .map(({ name: called, declared: type, profile: values, notNull, collation, text, generated }) =>
    aColumn(called, type, values, {
      notNull: notNull && values.census.null === 0,
      collation,
      default: text,
      generated,
    }),
  )

const fold = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())

const table: fc.Arbitrary<SurveyTable> = fc
  .record({
    name,
    columns: fc.uniqueArray(column, { selector: (each) => fold(each.name), maxLength: 6 }),
    pick: fc.array(fc.nat(), { minLength: 12, maxLength: 12 }),
    nulls: fc.boolean(),
    parent: name,
  })
  .map(({ name: called, columns, pick, nulls, parent }) => {
    const choose = (at: number): string => columns[(pick[at] ?? 0) % columns.length]?.name ?? ''
    const some = columns.length > 0
    const keyed = some && (pick[0] ?? 0) % 3 > 0
    return aTable(called, columns, {
      primaryKey: keyed ? aKey([choose(1)], { rowsWithNull: nulls ? 1 : 0 }) : null,
      uniques:
        some && (pick[2] ?? 0) % 2 > 0
          ? [aKey([choose(3)], { name: (pick[4] ?? 0) % 2 > 0 ? called : null })]
          : [],
      indexes: some
        ? [
            anIndex('a', [choose(5)]),
            anIndex(choose(6), [choose(7)], { unique: true, where: 'a is not null' }),
          ]
        : [],
      foreignKeys: some
        ? [aForeignKey([choose(8)], parent, [choose(9)], { orphans: (pick[10] ?? 0) % 3 })]
        : [],
      checks: [
        { name: 'a_check', expression: 'a > 0' },
        { name: null, expression: `length(b) < ${pick[11]}` },
      ],
    })
  })

const survey: fc.Arbitrary<Survey> = fc
  .record({ tables: fc.uniqueArray(table, { selector: (each) => fold(each.name), maxLength: 6 }) })
  .map(({ tables }) =>
    aSurvey(tables, [
      anObject('view', 'a view', 'create view "a view" as select * from a'),
      anObject('trigger', 'a', 'create trigger a'),
    ]),
  )

describe('for any survey', () => {
  test('the plan is one that the strict reader takes, with names that PostgreSQL can hold', () => {
    fc.assert(
      fc.property(survey, fc.boolean(), (found, append) => {
        const plan = design(found, { schema: 'public', append })
        // The reader checks names, types, conversions, keys and references.
        expect(checkPlan(JSON.parse(JSON.stringify(plan)))).toEqual(plan)
      }),
      { seed: SEED, numRuns: 120 },
    )
  })

  test('the same survey gives the same plan, and a plan that is not edited stays it', () => {
    fc.assert(
      fc.property(survey, (found) => {
        const hash = planHash(design(found, { schema: 'public', append: false }))
        expect(planHash(design(structuredClone(found), { schema: 'public', append: false }))).toBe(
          hash,
        )
        expect(
          planHash(
            applyPlan(
              found,
              JSON.parse(JSON.stringify(design(found, { schema: 'public', append: false }))),
            ),
          ),
        ).toBe(hash)
      }),
      { seed: SEED, numRuns: 60 },
    )
  })

  test('every object of the source ends carried or skipped with a reason', () => {
    fc.assert(
      fc.property(survey, (found) => {
        const plan = design(found, { schema: 'public', append: false })
        expect(plan.tables.map((each) => each.source).sort()).toEqual(
          found.tables.map((each) => each.name).sort(),
        )
        for (const each of found.tables) {
          const mapped = plan.tables.find((candidate) => candidate.source === each.name)
          expect(mapped?.columns.flatMap((one) => one.source ?? [])).toEqual(
            each.columns.map((one) => one.name),
          )
          const skipped = (kind: string): number =>
            plan.skipped.filter(
              (one) => one.kind === kind && one.table === each.name && one.reason !== '',
            ).length
          expect((mapped?.foreign_keys.length ?? 0) + skipped('foreign key')).toBe(
            each.foreignKeys.length,
          )
          expect((mapped?.checks.length ?? 0) + skipped('check')).toBe(each.checks.length)
          const folded = mapped?.indexes.filter((one) => one.name.endsWith('folded')).length ?? 0
          expect((mapped?.indexes.length ?? 0) + skipped('index')).toBeGreaterThanOrEqual(
            each.indexes.length,
          )
          expect((mapped?.indexes.length ?? 0) + skipped('index')).toBeLessThanOrEqual(
            each.indexes.length + Math.max(folded, 2),
          )
        }
        expect(plan.views.length + plan.skipped.filter((each) => each.kind === 'view').length).toBe(
          1,
        )
      }),
      { seed: SEED, numRuns: 80 },
    )
  })

  test('a column is lossy exactly when a loss is declared for it, with the rows it touches', () => {
    fc.assert(
      fc.property(survey, (found) => {
        const plan = design(found, { schema: 'public', append: false })
        for (const each of plan.tables) {
          for (const one of each.columns) {
            const losses = plan.losses.filter(
              (loss) =>
                loss.table === each.source &&
                loss.column === one.source &&
                loss.rule !== 'orphans-not-valid',
            )
            expect(losses.length > 0).toBe(one.fidelity === 'lossy')
            const source = found.tables
              .find((candidate) => candidate.name === each.source)
              ?.columns.find((candidate) => candidate.name === one.source)
            const { integer, real, text, blob } = source?.profile.census ?? {
              integer: 0,
              real: 0,
              text: 0,
              blob: 0,
            }
            for (const loss of losses) {
              expect(loss.rows).toBeGreaterThan(0)
              expect(loss.rows).toBeLessThanOrEqual(integer + real + text + blob)
            }
          }
        }
      }),
      { seed: SEED, numRuns: 80 },
    )
  })
})

test('bad input 65: ten thousand tables are planned in seconds', { timeout: 60_000 }, () => {
  const tables = Array.from({ length: 10_000 }, (_, at) =>
    aTable(
      `t${at}`,
      [aColumn('id', 'INTEGER', integers()), aColumn('ref', 'INTEGER', integers())],
      {
        primaryKey: aKey(['id']),
        foreignKeys: [aForeignKey(['ref'], `t${(at * 7) % 10_000}`, ['id'])],
      },
    ),
  )
  const started = performance.now()
  const plan = design(aSurvey(tables), { schema: 'public', append: false })
  expect(() => checkPlan(plan)).not.toThrow()
  expect(plan.tables.every((each) => each.foreign_keys.length === 1)).toBe(true)
  expect(performance.now() - started).toBeLessThan(20_000)
})
