/** An existing pair, whoever copied it: equal, tampered with, half of it, and by a plan. */
import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { rowsOf, Story } from '../support/sensei.ts'
import { makeSqlite } from '../support/tables.ts'

vi.setConfig({ testTimeout: 120_000 })

let story: Story
let TARGET: string

beforeAll(async () => {
  story = await Story.open()
  TARGET = await story.target()
  makeSqlite(
    story.file('people.sqlite'),
    `create table Person (id integer primary key, name text not null, email text);
     create table visit (page text, at text);
     insert into Person values (16, 'Ada', 'ada@x'), (17, 'Grace', 'grace@x'), (18, '', null);
     insert into visit values ('/', '2024-01-01'), ('/', '2024-01-01'), ('/b', null);`,
  )
  // Copied by hand, with names of another case.
  await rowsOf(
    TARGET,
    `create table person (id bigint primary key, name text not null, email text);
     create table visit (page text, at text);
     insert into person values (16, 'Ada', 'ada@x'), (17, 'Grace', 'grace@x'), (18, '', null);
     insert into visit values ('/', '2024-01-01'), ('/', '2024-01-01'), ('/b', null);`,
  )
})

afterAll(() => story.close())

const verify = ['verify', '--source', 'sqlite:people.sqlite', '--target', 'env:TARGET']

test('a pair that somebody else copied is equivalent, and its certificate says that there are no receipts', async () => {
  const told = await story.json([...verify, '--certificate', 'pair.json'], { TARGET })
  expect(told).toMatchObject({
    exit: 0,
    migration_id: null,
    status: 'compared',
    verdict: 'equivalent',
    certificate: 'pair.json',
  })
  expect(
    told.tables.map(({ source, target, rows_source, rows_target }) => [
      source,
      target,
      rows_source,
      rows_target,
    ]),
  ).toEqual(
    expect.arrayContaining([
      ['Person', 'person', 3, 3],
      ['visit', 'visit', 3, 3],
    ]) as unknown[],
  )
  expect(await readFile(story.file('pair.json.md'), 'utf8')).toContain('No receipts')
  expect((await story.run(['certificate', 'verify', 'pair.json'])).exit).toBe(0)
})

test('a query is replayed on both sides', async () => {
  await writeFile(story.file('count.sql'), 'select count(*) as people from person')
  await writeFile(story.file('wrong.sql'), '-- source\nselect 1 as n\n-- target\nselect 2 as n\n')
  expect((await story.json([...verify, '--query', 'count.sql'], { TARGET })).exit).toBe(0)
  expect(await story.json([...verify, '--query', 'wrong.sql'], { TARGET })).toMatchObject({
    exit: 3,
    verdict: 'different',
  })
})

test('one cell that was tampered with is named by row and column, and ends with 3', async () => {
  await rowsOf(TARGET, "update person set email = 'mallory@x' where id = 17")
  const told = await story.json([...verify, '--certificate', 'tampered.json'], { TARGET })
  expect(told).toMatchObject({ exit: 3, verdict: 'different', certificate: null })
  expect(told.differences).toMatchObject([
    {
      table: 'person',
      key: '17',
      kind: 'changed',
      column: 'email',
      source: 'grace@x',
      target: 'mallory@x',
    },
  ])
  const { exit, stdout } = await story.run([...verify, '--certificate', 'tampered.json'], {
    TARGET,
  })
  expect(exit).toBe(3)
  expect(stdout).toContain('DIFFERENT')
  expect(stdout).toContain('person 17, email: "grace@x" became "mallory@x"')
  expect(await readFile(story.file('tampered.json.report.md'), 'utf8')).toContain('mallory@x')
})

test('NULL is not the empty text, and a row that is missing or extra is counted, also without a key', async () => {
  await rowsOf(
    TARGET,
    `
    update person set email = 'grace@x' where id = 17;
    update person set email = '' where id = 18;
    delete from person where id = 16;
    insert into person values (99, 'Eve', null);
    delete from visit where ctid = (select min(ctid) from visit);
    insert into visit values ('/c', null)`,
  )
  const told = await story.json(verify, { TARGET })
  expect(told).toMatchObject({ exit: 3, verdict: 'different' })
  expect(told.differences).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        table: 'person',
        key: '18',
        column: 'email',
        source: null,
        target: '',
      }),
      expect.objectContaining({
        table: 'person',
        kind: 'missing',
        key: '16',
        column: null,
        row: { id: '16', name: 'Ada', email: 'ada@x' },
      }),
      expect.objectContaining({
        table: 'person',
        kind: 'extra',
        key: '99',
        row: { id: '99', name: 'Eve', email: null },
      }),
      expect.objectContaining({ table: 'visit', kind: 'missing', column: null }),
      expect.objectContaining({ table: 'visit', kind: 'extra', column: null }),
    ]) as unknown[],
  )
})

test('a table that only one side has is never passed over', async () => {
  await rowsOf(TARGET, 'drop table visit; create table other (a int)')
  const told = await story.json(verify, { TARGET })
  expect(told.exit).toBe(3)
  expect(told.certificate).toBeNull()
})

test('a value that the target’s narrower type cannot hold is named by its row and column', async () => {
  const target = await story.target()
  makeSqlite(
    story.file('wide.sqlite'),
    `create table item (id integer primary key, n integer, note text);
     insert into item values (1, 70000, 'a'), (2, 5, 'b'), (3, 80000, 'c'), (4, 90000, 'd'), (5, 6, null);`,
  )
  await rowsOf(
    target,
    `create table item (id bigint primary key, n smallint, note text);
     insert into item values (1, 4464, 'a'), (2, 5, 'b'), (3, null, 'c'), (5, 7, null);`,
  )
  const told = await story.json(
    ['verify', '--source', 'sqlite:wide.sqlite', '--target', 'env:TARGET'],
    {
      TARGET: target,
    },
  )
  expect(told).toMatchObject({ exit: 3, verdict: 'different' })
  expect(told.differences).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        key: '1',
        kind: 'changed',
        column: 'n',
        source: '(a value that the planned type cannot represent, or NULL)',
        target: '4464',
      }),
      expect.objectContaining({ key: '5', kind: 'changed', column: 'n', source: '6', target: '7' }),
    ]) as unknown[],
  )
  expect(told.problems).toMatchObject([
    { kind: 'rows', object: 'item', problem: '3 rows changed, 1 missing, 0 extra' },
    { kind: 'aggregate', object: 'item', problem: 'rows is 5 in the source and 4 in the target' },
  ])
})
