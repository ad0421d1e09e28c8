/** Into tables that are there already, and without a comparison. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { rowsOf, Story } from '../support/sensei.ts'
import { makeSqlite } from '../support/tables.ts'

vi.setConfig({ testTimeout: 120_000 })

let story: Story

beforeAll(async () => {
  story = await Story.open()
  makeSqlite(
    story.file('two.sqlite'),
    `create table city (code text primary key, name text) without rowid;
     create table visit (at text, code text);
     insert into city values ('TRN', 'Turin'), ('', null);
     insert into visit values ('2024-01-01', 'TRN'), ('2024-01-01', 'TRN'), ('2024-02-30', null);
     create table schema_migrations (version text);
     insert into schema_migrations values ('1');`,
  )
})

afterAll(() => story.close())

const migrate = ['migrate', '--source', 'sqlite:two.sqlite', '--target', 'env:TARGET', '--yes']

test('--append loads into empty tables of one’s own, which stay as they were made; a framework’s own table is left out', async () => {
  const TARGET = await story.target()
  await rowsOf(
    TARGET,
    `create table city (code text primary key, name text);
     create table visit (at text, code text);
     comment on table city is 'mine'`,
  )
  const told = await story.json([...migrate, '--append', '--certificate', 'append.json'], {
    TARGET,
  })
  expect(told).toMatchObject({ exit: 0, verdict: 'equivalent' })
  expect(told.skipped_objects.map(({ name }) => name)).toContain('schema_migrations')
  expect(
    await rowsOf(
      TARGET,
      "select code, name, obj_description('city'::regclass) as note from city order by code",
    ),
  ).toEqual([
    { code: '', name: null, note: 'mine' },
    { code: 'TRN', name: 'Turin', note: 'mine' },
  ])
})

test('--append takes tables as their owner made them: a key without identity, a default of its own', async () => {
  const TARGET = await story.target()
  makeSqlite(
    story.file('ids.sqlite'),
    "create table person (id integer primary key, name text); insert into person values (7, 'Ada')",
  )
  await rowsOf(
    TARGET,
    "create table person (id bigint primary key, name text not null default 'nobody')",
  )
  const told = await story.json(
    ['migrate', '--source', 'sqlite:ids.sqlite', '--target', 'env:TARGET', '--yes', '--append'],
    { TARGET },
  )
  expect(told).toMatchObject({ exit: 0, verdict: 'equivalent' })
  expect(told.not_checked.map(({ what }) => what)).toContain(
    'keys, constraints, indexes, defaults, triggers and row-level security of the tables',
  )
})

test.each([
  ['a column that is missing', 'create table city (code text primary key)', 'name'],
  [
    'a column that is extra and must have a value',
    'create table city (code text primary key, name text, mayor text not null)',
    'mayor',
  ],
])('bad input 59: %s is refused by its name', async (_what, ddl, column) => {
  const TARGET = await story.target()
  await rowsOf(TARGET, `${ddl}; create table visit (at text, code text)`)
  const told = await story.json([...migrate, '--append'], { TARGET })
  expect(told).toMatchObject({ exit: 4, error: { code: 'TARGET_COLUMNS_DIFFER' } })
  expect(told.error?.message).toContain(column)
  expect(await rowsOf(TARGET, 'select from visit')).toEqual([])
})

test('a failed --append names the triggers and foreign keys that it leaves set aside; clean brings them back and says how', async () => {
  const TARGET = await story.target()
  makeSqlite(
    story.file('orphan.sqlite'),
    `create table a (id integer primary key);
     create table b (id integer primary key, a_id integer);
     insert into a values (1); insert into b values (1, 1), (2, 7), (3, 99);`,
  )
  await rowsOf(
    TARGET,
    `create table a (id bigint primary key);
     create table b (id bigint primary key, a_id bigint check (a_id < 50) constraint b_a references a);
     create function stamp() returns trigger language plpgsql as 'begin return new; end';
     create trigger stamped before insert on b for each row execute function stamp()`,
  )
  const append = ['migrate', '--source', 'sqlite:orphan.sqlite', '--target', 'env:TARGET', '--yes']
  const told = await story.json([...append, '--append', '--certificate', 'b.json'], { TARGET })
  expect(told).toMatchObject({ exit: 1, status: 'failed', error: { code: 'TOO_MANY_REJECTS' } })
  const aside = [
    { kind: 'trigger', table: 'public.b', name: 'stamped' },
    { kind: 'foreign key', table: 'public.b', name: 'b_a' },
  ]
  expect(told.set_aside).toEqual(aside)
  const id = told.migration_id
  const got = await story.run(['migrations', 'get', id])
  expect(got.stderr).toContain('trigger "stamped" of public.b: switched off')
  expect(got.stderr).toContain('foreign key "b_a" of public.b: dropped')
  expect(got.stderr).toContain(`sensei migrations clean ${id}`)
  expect(readFileSync(story.file('b.json.report.md'), 'utf8')).toContain('stamped')
  const cleaned = await story.run(['migrations', 'clean', id], { TARGET })
  expect(cleaned.exit).toBe(0)
  expect(cleaned.stderr).toContain('trigger "stamped" of public.b')
  expect(cleaned.stderr).toContain('alter table public.b validate constraint "b_a"')
  const after = await story.json(['migrations', 'get', id])
  expect(after).toMatchObject({ status: 'cancelled', set_aside: [] })
  expect(
    await rowsOf(
      TARGET,
      `select tgenabled::text as trigger, convalidated as valid
       from pg_trigger, pg_constraint where tgname = 'stamped' and conname = 'b_a'`,
    ),
  ).toEqual([{ trigger: 'O', valid: false }])
})

test('--no-validate carries only: exit 0, no certificate; verify makes up for it', async () => {
  const TARGET = await story.target()
  const told = await story.json([...migrate, '--no-validate', '--schema', 'shop'], { TARGET })
  expect(told).toMatchObject({
    exit: 0,
    status: 'completed',
    verdict: 'not_validated',
    certificate: null,
  })
  expect(await rowsOf(TARGET, 'select count(*)::int as rows from shop.visit')).toEqual([
    { rows: 3 },
  ])
  const verify = [
    'verify',
    '--source',
    'sqlite:two.sqlite',
    '--target',
    'env:TARGET',
    '--schema',
    'shop',
  ]
  const compared = await story.json(verify, { TARGET })
  expect(compared).toMatchObject({ exit: 0, verdict: 'equivalent' })
})

test('--include and --exclude choose tables by name', async () => {
  const TARGET = await story.target()
  const told = await story.json([...migrate, '--include', '*it*', '--exclude', 'v*'], { TARGET })
  expect(told.exit).toBe(0)
  expect(told.tables.map(({ source }) => source)).toEqual(['city'])
  const none = await story.json([...migrate, '--include', 'nothing'], {
    TARGET: await story.target(),
  })
  expect(none).toMatchObject({ exit: 2, error: { code: 'USAGE' } })
})
