/** Rows that the target refuses: kept with their bytes and the reason, counted, retried, cleaned. */
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { rowsOf, Story } from '../support/sensei.ts'
import { makeSqlite } from '../support/tables.ts'

vi.setConfig({ testTimeout: 120_000 })

let story: Story
let TARGET: string
let id: string

beforeAll(async () => {
  story = await Story.open()
  TARGET = await story.target()
  makeSqlite(
    story.file('names.sqlite'),
    `create table person (id integer primary key, name text not null);
     create table town (id integer primary key, name text);
     insert into person values (1, 'Ada'), (2, 'Grace'), (3, 'Hedy Lamarr'), (4, 'Mary'), (5, 'Katherine Johnson');
     insert into town values (1, 'Turin');`,
  )
})

afterAll(() => story.close())

const pair = ['--source', 'sqlite:names.sqlite', '--target', 'env:TARGET']

/** Tables that are there already, one of which takes names of at most eight characters: two rows are longer. */
const made = `create table person (id bigint primary key, name text not null check (length(name) <= 8));
  create table town (id bigint primary key, name text)`

test('more rejects than are allowed fail that table and not the others', async () => {
  await rowsOf(TARGET, made)
  const told = await story.json(['migrate', ...pair, '--append', '--yes'], { TARGET })
  expect(told).toMatchObject({
    exit: 1,
    status: 'failed',
    certificate: null,
    error: { code: 'TOO_MANY_REJECTS' },
  })
  expect(told.tables).toMatchObject([
    {
      source: 'person',
      rows_source: 5,
      rows_target: 3,
      rows_rejected: 2,
      error: { code: 'TOO_MANY_REJECTS' },
    },
    { source: 'town', rows_target: 1, rows_rejected: 0 },
  ])
  id = told.migration_id
})

test('each reject is kept with its key, its stored values and the reason', async () => {
  const { exit, stdout } = await story.run(['migrations', 'rejects', id], { TARGET })
  expect(exit).toBe(0)
  expect(stdout).toContain('person 3')
  expect(stdout).toContain('person 5')
  const told = (await story.json(['migrations', 'rejects', id], { TARGET })) as unknown as {
    total: number
    rejects: object[]
  }
  expect(told.total).toBe(2)
  expect(told.rejects[0]).toMatchObject({
    table: 'person',
    key: '3',
    raw: expect.arrayContaining([]) as object,
  })
})

test('within --max-rejects they are accepted exceptions, and the certificate counts them', async () => {
  const told = await story.json(
    ['migrations', 'retry', id, '--max-rejects', '2', '--certificate', 'two.json'],
    { TARGET },
  )
  expect(told).toMatchObject({
    exit: 0,
    verdict: 'equivalent_except_declared',
    certificate: 'two.json',
  })
  const { stdout } = await story.run(['certificate', 'verify', 'two.json'])
  expect(stdout).toContain('2 rows of person')
})

test('cleaned, the control plane still knows them', async () => {
  expect((await story.run(['migrations', 'clean', id], { TARGET })).exit).toBe(0)
  const { stdout } = await story.run(['migrations', 'rejects', id], { TARGET })
  expect(stdout).toContain('person 3')
})

test('what was mended in the source is carried by a retry, with a certificate of the new point in time', async () => {
  TARGET = await story.target()
  await rowsOf(TARGET, made)
  const failed = await story.json(['migrate', ...pair, '--append', '--yes'], { TARGET })
  expect(failed).toMatchObject({ exit: 1, status: 'failed' })
  const database = new DatabaseSync(story.file('names.sqlite'))
  database.exec('update person set name = substr(name, 1, 8) where length(name) > 8')
  database.close()
  const told = await story.json(
    ['migrations', 'retry', failed.migration_id, '--certificate', 'mended.json'],
    { TARGET },
  )
  expect(told).toMatchObject({ exit: 0, verdict: 'equivalent' })
  expect(
    await rowsOf(TARGET, 'select id::int, name from person where id in (3, 5) order by id'),
  ).toEqual([
    { id: 3, name: 'Hedy Lam' },
    { id: 5, name: 'Katherin' },
  ])
})
