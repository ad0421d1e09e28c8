import { describe, expect, test } from 'vitest'
import type { ColumnMapping, Plan, TableMapping } from '@sensei/core/plan'
import { planHash } from '@sensei/core/plan-hash'
import type { Survey } from '@sensei/core/survey'
import { design } from '../../architect/design.ts'
import { applyPlan } from '../../architect/edited.ts'
import { unacceptedLosses } from '../../architect/losses.ts'
import {
  aColumn,
  aForeignKey,
  aKey,
  anIndex,
  anObject,
  aSurvey,
  idTable,
  integers,
  mixed,
  reals,
  texts,
  withNulls,
} from './surveys.ts'

const survey: Survey = aSurvey(
  [
    idTable(
      'product',
      [
        aColumn('sku', 'TEXT', texts(100, { bytesMax: 12 }), { notNull: true }),
        aColumn('amount', 'TEXT', texts(100, { formats: { decimal: 7 } })),
        aColumn('stock', 'INTEGER', mixed(integers(98), texts(2))),
        aColumn('price', 'DECIMAL(10,2)', reals(), { default: '0' }),
        aColumn('sold', 'BOOLEAN', integers(100, { zeroOrOne: 100 })),
        aColumn(
          'since',
          'DATE',
          withNulls(texts(90, { formats: { 'date-iso': 80 }, dateless: 10 }), 10),
        ),
        aColumn('folded', 'TEXT', texts(), {
          generated: { kind: 'stored', expression: 'lower(sku)' },
        }),
        aColumn('count', 'INTEGER', integers(100, { max: '40000' })),
      ],
      {
        uniques: [aKey(['sku'])],
        indexes: [anIndex('by_price', ['price'], { where: 'price > 1' })],
        checks: [{ name: null, expression: 'price >= 0' }],
      },
    ),
    idTable('line', [aColumn('product_sku', 'TEXT', texts(100, { bytesMax: 12 }))], {
      foreignKeys: [aForeignKey(['product_sku'], 'product', ['sku'], { orphans: 3 })],
    }),
  ],
  [
    anObject(
      'view',
      'cheap',
      'create view cheap as select sku, price from product where price < 2',
      { reads: ['product'] },
    ),
  ],
)

const own = design(survey, { schema: 'public', append: false })

type Loose<T> = T extends readonly (infer I)[]
  ? Loose<I>[]
  : T extends object
    ? { -readonly [K in keyof T]: Loose<T[K]> }
    : T

function edit(change: (plan: Loose<Plan>, product: Loose<TableMapping>) => void): Plan {
  const plan = structuredClone(own) as Loose<Plan>
  const product = plan.tables.find((table) => table.source === 'product')
  if (product !== undefined) change(plan, product)
  return plan as Plan
}

function column(table: Loose<TableMapping>, source: string): Loose<ColumnMapping> {
  const found = table.columns.find((each) => each.source === source)
  if (found === undefined) expect.unreachable(source)
  return found as Loose<ColumnMapping>
}

function applied(change: Parameters<typeof edit>[0]): { plan: Plan; product: TableMapping } {
  const plan = applyPlan(survey, JSON.parse(JSON.stringify(edit(change))))
  return { plan, product: plan.tables.find((table) => table.source === 'product') as TableMapping }
}

test('a plan that nobody edited stays the same plan', () => {
  expect(planHash(applyPlan(survey, own))).toBe(planHash(own))
})

test('a plan of another schema is refused', () => {
  const other = { ...survey, schemaFingerprint: '0'.repeat(64) }
  expect(() => applyPlan(other, own)).toThrow(
    expect.objectContaining({ code: 'PLAN_SOURCE_MISMATCH' }),
  )
})

test('a renamed table and column are renamed wherever they occur', () => {
  const { plan, product } = applied((_, table) => {
    table.target = 'Item'
    column(table, 'price').target = 'net"price'
    column(table, 'sku').target = 'code'
  })
  expect(product.checks).toEqual([{ name: 'product_check', expression: '("net""price" >= 0)' }])
  expect(product.indexes[0]).toMatchObject({
    name: 'by_price',
    parts: ['"net""price"'],
    where: '("net""price" > 1)',
  })
  expect(product.uniques).toEqual([{ name: 'product_sku_key', columns: ['code'] }])
  expect(product.columns.find((each) => each.source === 'folded')?.generated).toBe(
    'lower("code" collate "C")',
  )
  expect(plan.tables.find((table) => table.source === 'line')?.foreign_keys[0]?.references).toEqual(
    { table: 'Item', columns: ['code'] },
  )
  expect(plan.views[0]?.target_sql).toContain('from "public"."Item" as "product"')
  expect(
    plan.converted.filter((each) => /becomes/.test(each.note)).map((each) => each.name),
  ).toContain('product')
})

test('patterns that leave out what the plan carries are refused; others change nothing', () => {
  const filtered = { ...survey, tables: survey.tables.filter(({ name }) => name !== 'product') }
  const patterns = { include: [], exclude: ['product'] }
  expect(() => applyPlan(filtered, own, patterns)).toThrow(
    expect.objectContaining({
      code: 'USAGE',
      message: expect.stringMatching(/carries: product\./),
    }),
  )
  expect(planHash(applyPlan(survey, own, { include: [], exclude: ['other'] }))).toBe(planHash(own))
})

test('another schema needs one place only: the views follow', () => {
  const { plan } = applied((edited, table) => {
    edited.target.schema = 'other"one'
    table.target = 'Item'
  })
  expect(plan.target.schema).toBe('other"one')
  expect(plan.views[0]?.target_sql).toContain('from "other""one"."Item" as "product"')
  const back = applyPlan(survey, { ...plan, target: { ...plan.target, schema: 'public' } })
  expect(back.views[0]?.target_sql).toContain('from "public"."Item" as "product"')
})

test('a view that was written by hand is refused under another schema, too', () => {
  const plan = edit((edited) => {
    edited.target.schema = 'other'
    const [view] = edited.views
    if (view !== undefined) view.target_sql = view.target_sql.replace('< 2', '< 3')
  })
  expect(() => applyPlan(survey, plan)).toThrow(
    expect.objectContaining({ code: 'PLAN_INVALID', message: expect.stringMatching(/“cheap”/) }),
  )
})

test('a table that is taken out is listed, with what hung on it', () => {
  const { plan } = applied((edited) => {
    edited.tables = edited.tables.filter((table) => table.source !== 'product')
    edited.views = []
  })
  expect(plan.tables.map((table) => [table.source, table.foreign_keys.length])).toEqual([
    ['line', 0],
  ])
  expect(plan.skipped.map((each) => `${each.kind} ${each.name}`)).toEqual(
    ['table product', 'view cheap', 'foreign key line (product_sku)'].sort((a, b) =>
      a < b ? -1 : 1,
    ),
  )
  expect(plan.losses.map((loss) => loss.rule)).toEqual([])
})

test('a column that is taken out takes its keys, checks and indexes along', () => {
  const { plan, product } = applied((_, table) => {
    table.columns = table.columns.filter((each) => each.source !== 'price')
    table.indexes = []
    table.checks = []
  })
  expect(product.columns.map((each) => each.target)).not.toContain('price')
  expect(plan.skipped.map((each) => each.kind)).toEqual(
    expect.arrayContaining(['column', 'check', 'index', 'view']),
  )
})

test('columns come in the order of the file', () => {
  const { product } = applied((_, table) => table.columns.reverse())
  expect(product.columns.map((each) => each.source)).toEqual(
    own.tables[1]?.columns.map((each) => each.source).reverse(),
  )
})

describe('a retype is judged by the values', () => {
  const good: readonly (readonly [
    string,
    string,
    Partial<Loose<ColumnMapping>>,
    string,
    readonly string[],
  ])[] = [
    [
      'numbers out of mixed values, others NULL',
      'stock',
      { type: 'bigint', conversion: 'integer', unfit: 'null' },
      'lossy',
      ['not-a-number-to-null 2'],
    ],
    [
      'numbers out of mixed values, other rows rejected',
      'stock',
      { type: 'bigint', conversion: 'integer' },
      'exact',
      [],
    ],
    [
      'numbers out of texts, others NULL',
      'amount',
      { type: 'numeric', conversion: 'decimal', unfit: 'null' },
      'lossy',
      ['not-a-number-to-null 93'],
    ],
    [
      'whole rows rejected for texts that are numbers',
      'amount',
      { type: 'bigint', conversion: 'integer' },
      'exact',
      [],
    ],
    [
      'bytes out of mixed values',
      'stock',
      { type: 'bytea', conversion: 'any-as-bytes' },
      'lossy',
      ['mixed-to-bytes 100'],
    ],
    [
      'dates kept as they were written',
      'since',
      { type: 'text', conversion: 'text', unfit: 'reject', formats: undefined },
      'exact',
      [],
    ],
    ['a number for a boolean', 'sold', { type: 'smallint', conversion: 'integer' }, 'exact', []],
    ['a narrower number', 'count', { type: 'integer', conversion: 'integer' }, 'exact', []],
    ['text for a number', 'count', { type: 'text', conversion: 'any-as-text' }, 'converted', []],
    ['a length that holds', 'sku', { type: 'varchar(12)' }, 'exact', []],
    [
      'a double for a decimal',
      'price',
      { type: 'double precision', conversion: 'real' },
      'exact',
      [],
    ],
    ['another precision', 'price', { type: 'numeric(5,2)' }, 'converted', []],
  ]
  test.each(good)('%s', (_, name, change, fidelity, losses) => {
    const { plan, product } = applied((__, table) => Object.assign(column(table, name), change))
    const wanted = JSON.parse(JSON.stringify({ ...change, fidelity })) as object
    expect(product.columns.find((each) => each.source === name)).toMatchObject(wanted)
    const declared = plan.losses.filter((loss) => loss.column === name)
    expect(declared.map((loss) => `${loss.rule} ${loss.rows}`)).toEqual(losses)
  })

  const bad: readonly (readonly [string, string, Partial<Loose<ColumnMapping>>, RegExp])[] = [
    [
      'a number that is too narrow',
      'count',
      { type: 'smallint' },
      /from 1 to 40000, so use a wider type/,
    ],
    ['a length that may not hold', 'sku', { type: 'varchar(11)' }, /12 bytes/],
    ['a precision that does not hold', 'price', { type: 'numeric(4,2)' }, /use numeric/],
    [
      'half the digits of a double',
      'price',
      { type: 'real', conversion: 'real' },
      /use double precision/,
    ],
    [
      'whole numbers out of doubles',
      'price',
      { type: 'bigint', conversion: 'integer' },
      /does not say which/,
    ],
    ['uuids that are none', 'sku', { type: 'uuid', conversion: 'uuid' }, /use text/],
    [
      'NULL for texts that are numbers',
      'amount',
      { type: 'bigint', conversion: 'integer', unfit: 'null' },
      /7 of its texts are numbers, .* use numeric by decimal/,
    ],
    [
      'NULL for what no rule covers',
      'stock',
      { type: 'text', conversion: 'text', unfit: 'null' },
      /set unfit to reject/,
    ],
    [
      'NULL for values nobody can count',
      'count',
      { expression: 'count + 1', unfit: 'null' },
      /set unfit to reject/,
    ],
    ['NOT NULL where there are NULLs', 'since', { nullable: false, unfit: 'reject' }, /10 NULLs/],
  ]
  test.each(bad)('%s is refused, and the message says what to do', (_, name, change, message) => {
    const plan = edit((__, table) => Object.assign(column(table, name), change))
    expect(() => applyPlan(survey, plan)).toThrow(
      expect.objectContaining({ code: 'PLAN_INVALID', message: expect.stringMatching(message) }),
    )
  })
})

test('a computed column is listed with its expression, read by the exact reader', () => {
  const { plan, product } = applied((_, table) =>
    Object.assign(column(table, 'count'), { expression: 'count * 2' }),
  )
  expect(product.columns.find((each) => each.source === 'count')).toMatchObject({
    expression: 'count * 2',
    fidelity: 'converted',
  })
  expect(product.hostile).toBe(true)
  expect(plan.converted).toContainEqual({
    kind: 'computed column',
    name: 'product.count',
    note: 'computed by the source: count * 2',
  })
})

test('defaults, identities and generated values may be given up', () => {
  const { plan, product } = applied((_, table) => {
    column(table, 'price').default = null
    column(table, 'id').identity = null
    column(table, 'folded').generated = null
  })
  expect(
    product.columns.map(({ default: value, identity, generated }) => [value, identity, generated]),
  ).toEqual(product.columns.map(() => [null, null, null]))
  expect(plan.converted.map((each) => each.kind)).toEqual(
    expect.arrayContaining(['default', 'generated column']),
  )
})

test('constraints and indexes that are taken out are listed, with the foreign keys that needed them', () => {
  const { plan, product } = applied((_, table) => {
    table.uniques = []
    table.checks = []
  })
  expect(product).toMatchObject({ uniques: [], checks: [] })
  expect(plan.tables.find((table) => table.source === 'line')?.foreign_keys).toEqual([])
  expect(plan.losses.map((loss) => loss.rule)).not.toContain('orphans-not-valid')
  expect(
    plan.skipped
      .filter((each) => each.reason.includes('edited'))
      .map((each) => each.kind)
      .sort(),
  ).toEqual(['check', 'foreign key', 'unique'])
})

describe('SQL in a plan file never reaches the target', () => {
  const smuggled: readonly (readonly [
    string,
    (plan: Loose<Plan>, product: Loose<TableMapping>) => void,
  ])[] = [
    [
      'a check',
      (_, table) => table.checks.push({ name: 'evil', expression: 'true); drop table x; --' }),
    ],
    ['a changed check', (_, table) => Object.assign(table.checks[0] ?? {}, { expression: 'true' })],
    ['an index part', (_, table) => Object.assign(table.indexes[0] ?? {}, { parts: ['(evil())'] })],
    ['a predicate', (_, table) => Object.assign(table.indexes[0] ?? {}, { where: 'evil()' })],
    ['a default', (_, table) => (column(table, 'price').default = 'evil()')],
    ['a default where there was none', (_, table) => (column(table, 'sku').default = 'evil()')],
    ['a generated column', (_, table) => (column(table, 'folded').generated = 'evil()')],
    ['a view', (plan) => Object.assign(plan.views[0] ?? {}, { target_sql: 'select evil()' })],
    [
      'a view of a new name',
      (plan) =>
        plan.views.push({
          source: 'x',
          target: 'x',
          source_sql: '',
          target_sql: 'select 1',
          reads: [],
        }),
    ],
    [
      'a table that is not there',
      (plan, table) => plan.tables.push({ ...table, source: 'x', target: 'x' } as never),
    ],
    [
      'a column that is not there',
      (_, table) => table.columns.push({ ...column(table, 'sku'), source: 'x', target: 'x' }),
    ],
    [
      'a target column of its own',
      (_, table) => table.columns.push({ ...column(table, 'sku'), source: null, target: 'x' }),
    ],
    [
      'another primary key',
      (_, table) => (table.primary_key = { name: 'product_pkey', columns: ['count'] }),
    ],
    ['another key', (_, table) => (table.key = ['count'])],
  ]
  test.each(smuggled)('%s', (_, change) => {
    expect(() => applyPlan(survey, edit(change))).toThrow(
      expect.objectContaining({ code: 'PLAN_INVALID' }),
    )
  })
})

describe('accepted losses', () => {
  const names = (accepted: readonly string[]): readonly string[] =>
    unacceptedLosses(own, accepted).map((loss) => `${loss.rule}:${loss.table}.${loss.column}`)

  test('are named exactly, by rule, or by a pattern', () => {
    const all = [
      'invalid-date-to-null:product.since',
      'mixed-to-text:product.stock',
      'orphans-not-valid:line.line_product_sku_fkey',
    ]
    expect(names([])).toEqual(all)
    expect(names(['mixed-to-text:product.stock'])).toEqual([all[0], all[2]])
    expect(names(['orphans-not-valid'])).toEqual(all.slice(0, 2))
    expect(names(['*:product.*'])).toEqual([all[2]])
    expect(names(['*'])).toEqual([])
    expect(names(['mixed-to-text:product.stoc'])).toEqual(all)
    expect(names(['strip-nul'])).toEqual(all)
  })

  test.each([
    ['mixed-to-txt', 'mixed-to-text'],
    ['strip_nul:a.b', 'strip-nul'],
    ['orphans', 'orphans-not-valid'],
    ['constructor', ''],
  ])('an unknown rule %s is an error that names the nearest', (entry, nearest) => {
    expect(() => names([entry])).toThrow(
      expect.objectContaining({ code: 'USAGE', message: expect.stringContaining(nearest) }),
    )
  })
})
