/** What the scout says about a file, against what the file was made with. */
import type { SurveyTable } from '@sensei/core/survey'
import { afterAll, expect, test } from 'vitest'
import { openSqliteSource } from '../../source.ts'
import { calm, makeDatabase, snapshotOf, surveyOf, temporaryFolder } from '../support.ts'

const folder = temporaryFolder()
afterAll(() => folder.remove())

function tableOf(tables: readonly SurveyTable[], name: string): SurveyTable {
  const found = tables.find((table) => table.name === name)
  expect(found, name).toBeDefined()
  return found as SurveyTable
}

const SCHEMA = `
create table "parent" (id integer primary key autoincrement, code text collate nocase unique,
  constraint "uq x" unique (code, id) on conflict ignore);
create table child ( /* a ( comment */ a int constraint nn not null default (1+2), -- , and another
  [b ] text check (length("b ") > 0 and "b " <> ')'),
  \`c\` integer constraint "fk one" references parent(id) on delete cascade deferrable initially deferred,
  g int generated always as (a * 2) stored, h as (a || 'x,)') virtual, 'quoted' real default -1.5,
  constraint chk check (a < 10 or (a > 20)) constraint pk primary key (a, "b "),
  foreign key (c) references nowhere(x), foreign key (a) references parent not deferrable initially deferred);
create unique index ix on child(lower(\`c\`) desc, a collate nocase) where a > 5 and c is not null;
create view v as select a, "b " from child where c = "literal";
create view counts as select count(*) from v;
create trigger tr after insert on child begin update child set a = 1 where 0; end;
create virtual table ft using fts5(x);
create table keyless (a, b);
create table stern (k text collate rtrim, j blob, v any, primary key (k, j desc)) without rowid, strict;
pragma foreign_keys = off;
insert into parent values (5, 'a'), (7, null);
delete from parent where id = 7;
insert into child(a, "b ", c) values (1, 'x', 5), (2, 'y', 9), (3, null, 5), (5, 'z', null);
`

test('every kind of object is found, with what only its source text says', async () => {
  const { tables, objects, engine, encoding } = await surveyOf(folder, makeDatabase(folder, SCHEMA))
  expect({ engine, encoding }).toEqual({ engine: 'sqlite', encoding: 'UTF-8' })
  expect(tables.map(({ name }) => name)).toEqual(['parent', 'child', 'keyless', 'stern'])

  const parent = tableOf(tables, 'parent')
  expect(parent.autoincrement).toEqual({ column: 'id', next: '8' })
  expect(
    parent.uniques.map(({ name, columns, collations }) => [name, columns, collations]),
  ).toEqual([
    [null, ['code'], ['nocase']],
    ['uq x', ['code', 'id'], ['nocase', 'BINARY']],
  ])

  const child = tableOf(tables, 'child')
  expect(
    child.columns.map(({ name, declared, notNull, default: value, generated }) => [
      name,
      declared,
      notNull,
      value,
      generated,
    ]),
  ).toEqual([
    ['a', 'INT', true, '1+2', null],
    ['b ', 'TEXT', false, null, null],
    ['c', 'INTEGER', false, null, null],
    ['g', 'INT', false, null, { kind: 'stored', expression: 'a * 2' }],
    ['h', '', false, null, { kind: 'virtual', expression: `a || 'x,)'` }],
    ['quoted', 'REAL', false, '-1.5', null],
  ])
  expect(child.checks).toEqual([
    { name: null, expression: `length("b ") > 0 and "b " <> ')'` },
    { name: 'chk', expression: 'a < 10 or (a > 20)' },
  ])
  expect(child.primaryKey).toMatchObject({ name: 'pk', columns: ['a', 'b '], rowsWithNull: 1 })
  expect(child.indexes).toMatchObject([
    {
      name: 'ix',
      unique: true,
      where: 'a > 5 and c is not null',
      parts: [
        { column: null, expression: 'lower(`c`)', descending: true },
        { column: 'a', expression: null, descending: false, collation: 'nocase' },
      ],
    },
  ])
  expect(child.foreignKeys).toMatchObject([
    {
      name: 'fk one',
      columns: ['c'],
      references: { table: 'parent', columns: ['id'] },
      onDelete: 'CASCADE',
      deferred: true,
      orphans: 1,
      examples: [`2, 'y'`],
    },
    {
      name: null,
      columns: ['c'],
      references: { table: 'nowhere', columns: ['x'] },
      deferred: false,
      orphans: null,
    },
    {
      name: null,
      columns: ['a'],
      references: { table: 'parent', columns: ['id'] },
      deferred: false,
      orphans: 3,
    },
  ])

  expect(tableOf(tables, 'keyless')).toMatchObject({
    primaryKey: null,
    autoincrement: null,
    rows: 0,
  })
  expect(tableOf(tables, 'stern')).toMatchObject({
    withoutRowid: true,
    strict: true,
    primaryKey: { columns: ['k', 'j'], collations: ['rtrim', 'BINARY'] },
  })

  expect(objects.map(({ kind, name, table }) => [kind, name, table])).toEqual(
    expect.arrayContaining([
      ['internal table', 'sqlite_sequence', null],
      ['view', 'v', null],
      ['trigger', 'tr', 'child'],
      ['virtual table', 'ft', null],
      ['shadow table', 'ft_data', null],
    ]),
  )
  const reads = new Map(objects.map(({ name, reads: read }) => [name, read]))
  expect(reads.get('v')).toEqual(['child'])
  expect(reads.get('counts')).toEqual(['v'])
})

test('rows that only a virtual table has are counted; those of an index of other tables are not its own', async () => {
  const path = makeDatabase(folder, (database) => {
    database.exec(`create table t (id integer primary key, x text); insert into t values (1, 'a');
      create virtual table notes using fts5(title, body); insert into notes values ('a', 'b'), ('c', 'd');
      create virtual table old using fts4(title); insert into old values ('a');
      create virtual table boxes using rtree(id, x0, x1); insert into boxes values (1, 0, 1), (2, 0, 1), (3, 0, 1);
      create virtual table indexed using fts5(x, content='t', content_rowid='id'); insert into indexed(indexed) values ('rebuild');
      create virtual table words using fts5(x, content=''); insert into words values ('a');
      create virtual table empty using fts5(x)`)
  })
  const { objects } = await surveyOf(folder, path)
  const own = objects.filter(({ kind }) => kind === 'virtual table')
  expect(own.map(({ name, rows }) => [name, rows ?? 0])).toEqual([
    ['notes', 2],
    ['old', 1],
    ['boxes', 3],
    ['indexed', 0],
    ['words', 0],
    ['empty', 0],
  ])
})

test('a column is profiled by every one of its values', async () => {
  const path = makeDatabase(folder, (database) => {
    database.exec(
      `create table t (id integer primary key, d date, n decimal(10,2), r real, b boolean, u text, j jsonb, x blob, m)`,
    )
    const insert = database.prepare('insert into t values (?, ?, ?, ?, ?, ?, ?, ?, ?)')
    insert.run(
      1,
      '2024-02-29',
      12.5,
      0.1 + 0.2,
      0,
      'c56a4180-65aa-42ec-a945-5fd21dec0538',
      '{"a":1}',
      new Uint8Array(16),
      'text',
    )
    insert.run(
      2,
      '2023-02-30',
      100,
      1e300,
      1,
      'c56a4180-65aa-42ec-a945-5fd21dec0539',
      '{"a":1,"a":2}',
      new Uint8Array(3),
      7n,
    )
    insert.run(3, '31/01/2024', -0.125, 9e999, 1, 'x', '[1.0e2]', null, 1.5)
    insert.run(4, '2024-01-01T10:00:00Z', null, -5.25, 1, null, '{"a"', null, new Uint8Array(2))
    insert.run(5, '2024-01-01 10:00:00+02:00', null, 3, 1, '', 'null', null, null)
  })
  const { tables } = await surveyOf(folder, path)
  const profiles = Object.fromEntries(
    tables[0]!.columns.map(({ name, profile }) => [name, profile]),
  )
  expect(profiles.d!.text).toMatchObject({
    formats: { 'date-iso': 1, 'date-dmy-slash': 1, 'timestamp-zone': 2 },
    dateless: 1,
    timestampsUtc: 1,
  })
  expect(profiles.d!.examples).toMatchObject({
    dateless: ['2'],
    'timestamp-offset': ['5'],
    'date-formats-unified': ['3'],
  })
  expect(profiles.n).toMatchObject({
    census: { integer: 1, real: 2, null: 2 },
    real: { roundTrips: 2, scale: 3, precision: 2, infinite: 0 },
    integer: { min: '100', max: '100' },
  })
  expect(profiles.r!.real).toMatchObject({ roundTrips: 3, infinite: 1, precision: 301 })
  expect(profiles.b!.integer).toMatchObject({ zeroOrOne: 5 })
  expect(profiles.u!.text).toMatchObject({ formats: { uuid: 2 }, empty: 1, bytesMax: 36 })
  expect(profiles.j!.text).toMatchObject({ formats: { json: 3 }, jsonbUnfit: 2 })
  expect(profiles.x!.blob).toEqual({ bytesMax: 16, uuidSized: 1 })
  expect(profiles.m!.census).toEqual({ null: 1, integer: 1, real: 1, text: 1, blob: 1 })
  expect(profiles.m!.examples).toMatchObject({ mixed: ['2', '3', '4'] })
})

test('the profile of a big table, scanned in ranges side by side, is that of one scan', async () => {
  const fill = `with recursive n(i) as (select 1 union all select i + 1 from n limit 120000)
    select i * 3, case when i % 1000 = 0 then 'odd' else date('2000-01-01', i || ' days') end, i / 8.0,
      case when i = 99999 then cast(x'61ff' as text) when i = 5 then 'a' || char(0) else 'text ' || i end`
  const rowid = makeDatabase(
    folder,
    `create table t (id integer primary key, d text, r real, s text, b blob); insert into t ${fill}, zeroblob(600) from n`,
  )
  const keyed = makeDatabase(
    folder,
    `create table t (id text, d text, r real, s text, primary key (s, id)) without rowid; insert into t ${fill} from n`,
  )
  for (const path of [rowid, keyed]) {
    const { tables } = await surveyOf(folder, path)
    const [table] = tables
    expect(table).toMatchObject({ rows: 120_000, primaryKey: { rowsWithNull: 0 } })
    const columns = Object.fromEntries(table!.columns.map(({ name, profile }) => [name, profile]))
    expect(columns.d!.text).toMatchObject({ formats: { 'date-iso': 119_880 }, dateless: 120 })
    expect(columns.r!.real).toMatchObject({ roundTrips: columns.r!.census.real, scale: 3 })
    expect(columns.s!.text).toMatchObject({ nul: 1, invalidUtf8: 1 })
    expect(columns.s!.examples['invalid-utf8']?.[0]).toContain('299997')
  }
}, 60_000)

test('the fingerprint is the schema’s: rows and ANALYZE leave it, a new column changes it', async () => {
  const fingerprint = async (sql: string) =>
    (await surveyOf(folder, makeDatabase(folder, sql))).schemaFingerprint
  const plain = await fingerprint('create table t (a); create index i on t(a)')
  expect(
    await fingerprint(
      'create table t (a); create index i on t(a); insert into t values (1); analyze',
    ),
  ).toBe(plain)
  expect(await fingerprint('create table t (a, b); create index i on t(a)')).not.toBe(plain)
})

test('--include and --exclude choose tables, views and what belongs to them', async () => {
  const path = makeDatabase(
    folder,
    `create table orders(a); create table order_lines(a); create table users(a);
    create view order_view as select * from orders; create trigger users_t after insert on users begin select 1; end`,
  )
  const { tables, objects } = await surveyOf(folder, path, {
    include: ['ORDER*'],
    exclude: ['*lines'],
  })
  expect(tables.map(({ name }) => name)).toEqual(['orders'])
  expect(objects.map(({ name }) => name)).toEqual(['order_view'])
})

test('a survey stops when it is told to', async () => {
  const path = makeDatabase(folder, 'create table t (a)')
  const source = await openSqliteSource(`sqlite:${path}`)
  const surveyor = await source.openSurveyor(await snapshotOf(folder, path))
  const survey = surveyor.survey({ include: [], exclude: [], ...calm, signal: AbortSignal.abort() })
  await expect(survey).rejects.toMatchObject({ code: 'INTERRUPTED' })
  await surveyor.close()
})

test('a moment is plain where it is written as PostgreSQL writes it', async () => {
  const path = makeDatabase(folder, (database) => {
    database.exec('create table t (a datetime, b datetime)')
    const insert = database.prepare('insert into t values (?, ?)')
    insert.run('2024-01-31 10:20:30', '2024-01-31T10:20:30')
    insert.run('2024-01-31 10:20:30.5', '2024-01-31 10:20')
    insert.run('2024-01-31 10:20:30.000001', '2024-01-31 10:20:30.500')
    insert.run(null, '2024-01-31')
  })
  const columns = (await surveyOf(folder, path)).tables[0]!.columns
  expect(columns.map(({ profile }) => profile.text?.timestampsPlain)).toEqual([3, 0])
})

const COUNTED_WAYS: readonly (readonly [string, string[], number, number])[] = [
  ['Django: six digits, or none', ['10:20:30', '10:20:30.120000', '10:20:30.000001'], 3, 2],
  ['Rails: six digits', ['10:20:30.000000', '10:20:30.120000'], 2, 0],
  ['PostgreSQL: trimmed', ['10:20:30', '10:20:30.12', '10:20:30.000001'], 3, 3],
  ['hours and minutes', ['10:20', '10:21'], 2, 0],
  ['minutes beside seconds may be the same', ['10:20', '10:20:00'], 1, 1],
  ['three digits beside none may be the same', ['10:20:30', '10:20:30.000'], 1, 1],
  ['five zeros are one digit more', ['10:20:30.5', '10:20:30.500000'], 1, 1],
]
test.each(COUNTED_WAYS)('ways to write moments: %s', async (_, times, oneWay, plain) => {
  const path = makeDatabase(folder, (database) => {
    database.exec('create table t (blank, t, z, time)')
    const insert = database.prepare('insert into t values (?, ?, ?, ?)')
    for (const time of times) {
      insert.run(`2024-01-31 ${time}`, `2024-01-31T${time}`, `2024-01-31T${time}Z`, time)
    }
  })
  const texts = (await surveyOf(folder, path)).tables[0]!.columns.map(({ profile }) => profile.text)
  expect(texts.map((text) => Object.values(text!.oneWay!))).toEqual(Array(4).fill([oneWay]))
  expect(texts.map((text) => text!.timestampsPlain)).toEqual([plain, 0, 0, 0])
})

test('clauses ON CONFLICT that do more than refuse are found as they are written', async () => {
  const path = makeDatabase(
    folder,
    `create table t (id integer primary key on conflict replace, a unique on conflict ignore not null on conflict abort,
      b text not null ON CONFLICT Rollback references t(id) on delete cascade, unique (a, b) on conflict replace)`,
  )
  const { tables } = await surveyOf(folder, path)
  expect(tables[0]!.conflicts).toEqual([
    { column: 'id', clause: 'primary key on conflict replace' },
    { column: 'a', clause: 'unique on conflict ignore' },
    { column: 'b', clause: 'not null ON CONFLICT Rollback' },
    { column: null, clause: 'unique (a, b) on conflict replace' },
  ])
})

test('bad input 20: zeros with a sign are counted', async () => {
  const path = makeDatabase(folder, (database) => {
    database.exec('create table t (a)')
    const insert = database.prepare('insert into t values (?)')
    insert.run(1n)
    database.exec('insert into t values (-0.5), (0.0)')
    insert.run(-0)
  })
  const { tables } = await surveyOf(folder, path)
  expect(tables[0]!.columns[0]!.profile.real).toMatchObject({ negativeZeros: 1, roundTrips: 3 })
})
