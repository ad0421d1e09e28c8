/** A plan is data that a person edits: rename, retype, leave out, compute. */
import { readFile, writeFile } from 'node:fs/promises'
import type { ColumnMapping, Plan } from '@sensei/core/plan'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { rowsOf, Story } from '../support/sensei.ts'
import { makeSqlite } from '../support/tables.ts'

vi.setConfig({ testTimeout: 120_000 })

let story: Story

beforeAll(async () => {
  story = await Story.open()
  makeSqlite(
    story.file('crm.sqlite'),
    `create table client (id integer primary key, first text, last text, secret text, cents integer not null);
     create table scratch (x);
     insert into client values (1, 'Ada', 'Lovelace', 's3', 1250), (2, 'Alan', 'Turing', null, -5);
     insert into scratch values (1), (2);`,
  )
  makeSqlite(
    story.file('stock.sqlite'),
    `create table item (id integer primary key, stock integer);
     create view stocked as select id, stock from item;
     create view known as select * from stocked;
     create view one as select 1 as n;
     insert into item values (1, 12), (2, 'sold out'), (3, 7);`,
  )
})

afterAll(() => story.close())

const pair = ['--source', 'sqlite:crm.sqlite', '--target', 'env:TARGET']

async function drawn(TARGET: string): Promise<Plan> {
  await story.run(['plan', ...pair, '--out', 'plan.json'], { TARGET })
  return JSON.parse(await readFile(story.file('plan.json'), 'utf8')) as Plan
}

function edit(plan: Plan, change: (column: ColumnMapping) => ColumnMapping | null): Plan {
  const tables = plan.tables
    .filter(({ source }) => source === 'client')
    .map((table) => ({
      ...table,
      target: 'customer',
      columns: table.columns.flatMap((column) => change(column) ?? []),
    }))
  return { ...plan, tables }
}

test('an edited plan renames, retypes, leaves out and computes; the certificate lists what was computed', async () => {
  const TARGET = await story.target()
  const edited = edit(await drawn(TARGET), (column) => {
    if (column.source === 'secret') return null
    if (column.source === 'first')
      return { ...column, target: 'name', expression: "first || ' ' || last" }
    if (column.source === 'cents') return { ...column, type: 'integer' }
    return column
  })
  await writeFile(story.file('edited.json'), JSON.stringify(edited))
  const told = await story.json(
    ['migrate', ...pair, '--plan', 'edited.json', '--yes', '--certificate', 'edited.cert.json'],
    { TARGET },
  )
  expect(told).toMatchObject({ exit: 0, error: null })
  expect(told.tables.map(({ source, target }) => [source, target])).toEqual([
    ['client', 'customer'],
  ])
  expect(told.skipped_objects.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['secret', 'scratch']) as string[],
  )
  expect(await rowsOf(TARGET, 'select * from customer order by id')).toEqual([
    { id: '1', name: 'Ada Lovelace', last: 'Lovelace', cents: 1250 },
    { id: '2', name: 'Alan Turing', last: 'Turing', cents: -5 },
  ])
  expect(await readFile(story.file('edited.cert.json.md'), 'utf8')).toContain(
    'Computed by the plan',
  )
})

test.each([
  ['(select group_concat(name) from sqlite_master)'],
  ["load_extension('x')"],
  ['first; drop table client'],
  ['random()'],
  ["readfile('/etc/passwd')"],
])('bad input 82: the expression %s is refused', async (expression) => {
  const TARGET = await story.target()
  const edited = edit(await drawn(TARGET), (column) =>
    column.source === 'first' ? { ...column, expression } : column,
  )
  await writeFile(story.file('hostile.json'), JSON.stringify(edited))
  const told = await story.json(['migrate', ...pair, '--plan', 'hostile.json', '--yes'], { TARGET })
  expect(told).toMatchObject({ exit: 2, error: { code: 'EXPRESSION_REFUSED' } })
})

test('a file that is no plan is refused by what is wrong with it', async () => {
  const TARGET = await story.target()
  for (const text of ['{', '{}', '{"plan_version":1,"plan_version":1}', '[]']) {
    await writeFile(story.file('broken.json'), text)
    const told = await story.json(['migrate', ...pair, '--plan', 'broken.json', '--yes'], {
      TARGET,
    })
    expect(told).toMatchObject({ exit: 2, error: { code: 'PLAN_INVALID' } })
  }
})

test('the examples of docs/plan.md for numbers that are texts do what the page says', async () => {
  makeSqlite(
    story.file('texts.sqlite'),
    `create table Product (id integer primary key, stock text, mixed integer);
     insert into Product values (1, '5', 5), (2, 'n/a', 'n/a'), (3, '12', 12), (4, '-5.25', -5), (5, '1e3', null), (6, null, 7)`,
  )
  const page = await readFile(new URL('../../docs/plan.md', import.meta.url), 'utf8')
  const examples = [...page.matchAll(/\{ "source": "stock"[^}]*\}/g)].map(
    ([text]) => JSON.parse(text.replace(/, … \}$/, '}')) as Partial<ColumnMapping>,
  )
  expect(examples.map(({ type }) => type)).toEqual(['numeric', 'bigint'])
  const ends = ['--source', 'sqlite:texts.sqlite', '--target', 'env:TARGET']
  const run = async (example: Partial<ColumnMapping>, flags: readonly string[]) => {
    const TARGET = await story.target()
    await story.run(['plan', ...ends, '--out', 'texts.json'], { TARGET })
    const plan = JSON.parse(await readFile(story.file('texts.json'), 'utf8')) as Plan
    const columns = plan.tables[0]?.columns ?? []
    for (const column of columns.filter(({ source }) => source !== 'id')) {
      const { source, target } = column
      const { expression } = example
      const named =
        expression === undefined ? {} : { expression: expression.replaceAll('stock', source ?? '') }
      Object.assign(column, example, { source, target }, named)
    }
    await writeFile(story.file('texts.json'), JSON.stringify(plan))
    const words = ['migrate', ...ends, '--plan', 'texts.json', '--yes', ...flags]
    const told = await story.json(words, { TARGET })
    expect(told).toMatchObject({ exit: 0, verdict: 'equivalent_except_declared' })
    const rows = await rowsOf(TARGET, 'select id, stock, mixed from "Product" order by id')
    return { losses: told.declared_losses.map(({ loss }) => loss), rows }
  }
  const [asNumeric = {}, asBigint = {}] = examples
  expect(await run(asNumeric, ['--accept-loss', 'not-a-number-to-null'])).toEqual({
    losses: ['not-a-number-to-null:Product.mixed', 'not-a-number-to-null:Product.stock'],
    rows: [
      { id: '1', stock: '5', mixed: '5' },
      { id: '2', stock: null, mixed: null },
      { id: '3', stock: '12', mixed: '12' },
      { id: '4', stock: '-5.25', mixed: '-5' },
      { id: '5', stock: null, mixed: null },
      { id: '6', stock: null, mixed: '7' },
    ],
  })
  expect(await run(asBigint, ['--max-rejects', '2'])).toEqual({
    losses: [],
    rows: [
      { id: '1', stock: '5', mixed: '5' },
      { id: '2', stock: '-1', mixed: '-1' },
      { id: '3', stock: '12', mixed: '12' },
      { id: '6', stock: null, mixed: '7' },
    ],
  })
})

async function rejectingPlan(TARGET: string): Promise<readonly string[]> {
  const ends = ['--source', 'sqlite:stock.sqlite', '--target', 'env:TARGET']
  await story.run(['plan', ...ends, '--out', 'stock.json'], { TARGET })
  const plan = JSON.parse(await readFile(story.file('stock.json'), 'utf8')) as Plan
  const stock = plan.tables[0]?.columns.find(({ source }) => source === 'stock')
  Object.assign(stock ?? {}, { type: 'bigint', conversion: 'integer', unfit: 'reject' })
  await writeFile(story.file('stock.json'), JSON.stringify(plan))
  return ['migrate', ...ends, '--plan', 'stock.json', '--yes', '--max-rejects', '1']
}

test('a view of a table with accepted rejects is said not to be compared, and is no difference', async () => {
  const TARGET = await story.target()
  const told = await story.json(await rejectingPlan(TARGET), { TARGET })
  expect(told).toMatchObject({ exit: 0, verdict: 'equivalent_except_declared', error: null })
  expect(told.tables).toMatchObject([{ source: 'item', rows_rejected: 1 }])
  const left = told.not_checked.filter(({ what }) => what.startsWith('view '))
  expect(left.map(({ what }) => what)).toEqual(['view stocked', 'view known'])
})

test('a query that gives other rows once rejects were accepted is inconclusive; one that does not see them is compared', async () => {
  await writeFile(story.file('all.sql'), 'select id from item')
  await writeFile(story.file('some.sql'), 'select stock from item where id = 3')
  const queries = ['--query', 'some.sql', '--query', 'all.sql']
  const TARGET = await story.target()
  const told = await story.json([...(await rejectingPlan(TARGET)), ...queries], { TARGET })
  expect(told).toMatchObject({ exit: 6, verdict: 'inconclusive', error: null })
  expect(told.problems).toMatchObject([{ kind: 'query', object: 'all.sql' }])
  expect(told.problems[0]?.problem).toContain('may read item, of which rows were rejected')
})
