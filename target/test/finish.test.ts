import type { TableMapping } from '@sensei/core/plan'
import type { FinishPart } from '@sensei/core/ports/target'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Bench, bench, build, VERSIONS } from './support/each-version.ts'
import {
  batch,
  collect,
  column,
  int8,
  plan,
  request,
  table,
  text,
  tuple,
} from './support/tuples.ts'

const parts: readonly FinishPart[] = ['keys', 'indexes', 'foreign keys', 'sequences', 'analyze']

const cities = table(
  'cities',
  [
    column('id', 'bigint', { nullable: false, identity: { next: '8' } }),
    column('name', 'text'),
    column('size', 'bigint', { generated: 'length("name")' }),
  ],
  {
    key: ['id'],
    primary_key: { name: 'cities_pkey', columns: ['id'] },
    indexes: [
      { name: 'cities_by_name', unique: false, parts: ['lower("name")', '"id" DESC'], where: null },
    ],
    checks: [{ name: 'named', expression: '"name" <> \'\'' }],
  },
)
const people = table('people', [column('id', 'bigint'), column('city', 'bigint')], {
  uniques: [{ name: 'people_id', columns: ['id'] }],
  foreign_keys: [
    {
      name: 'people_city',
      columns: ['city'],
      references: { table: 'cities', columns: ['id'] },
      on_update: 'NO ACTION',
      on_delete: 'CASCADE',
      deferrable: true,
      not_valid: false,
    },
  ],
})
const both = plan([cities, people], {
  views: [
    {
      source: 'late',
      target: 'late',
      source_sql: '',
      target_sql: 'select * from early',
      reads: [],
    },
    {
      source: 'early',
      target: 'early',
      source_sql: '',
      target_sql: 'select name from cities',
      reads: [],
    },
    {
      source: 'dead',
      target: 'dead',
      source_sql: '',
      target_sql: 'select * from nowhere',
      reads: [],
    },
    {
      source: 'two',
      target: 'two',
      source_sql: '',
      target_sql: 'select 1; drop table people',
      reads: [],
    },
  ],
})

describe.each(VERSIONS)('on PostgreSQL %i', (version) => {
  let at: Bench

  beforeEach(async () => {
    at = await bench(version)
  })

  afterEach(() => at.close())

  async function load(mapping: TableMapping, rows: readonly Buffer[], number = 1): Promise<void> {
    const loader = await at.target.openLoader(at.run, 'worker')
    const chunk = { number, range: null, rowsEstimated: rows.length }
    await loader.load(request(mapping, [batch(rows)], { chunk }))
    await loader.close()
  }

  async function finish(mapping: TableMapping, some: readonly FinishPart[] = parts) {
    const outcomes = []
    for (const part of some) {
      outcomes.push(await at.target.builder.finishTable(at.run, both, mapping, part))
    }
    return {
      steps: outcomes.flatMap((outcome) => outcome.receipts.map((receipt) => receipt.step)),
      refused: outcomes.flatMap((outcome) => outcome.refused),
    }
  }

  const city = (id: number, name: string): Buffer => tuple(int8(id), text(name))
  const person = (id: number, home: number | null): Buffer =>
    tuple(int8(id), home === null ? null : int8(home))

  test('keys, indexes, checks, foreign keys and sequences stand after the load, and once only', async () => {
    await build(at, both)
    await load(cities, [city(1, 'Ulm'), city(9, 'Rom')])
    await load(people, [person(1, 9), person(2, null)])
    const finished = await finish(cities)
    expect(finished).toEqual({
      steps: [
        'constraint cities_pkey of cities',
        'index cities_by_name of cities',
        'constraint named of cities',
        'sequence id of cities',
        'analyze cities',
      ],
      refused: [],
    })
    expect((await finish(people)).refused).toEqual([])
    const before = await at.target.builder.catalogueDigest()
    expect(await finish(cities)).toEqual(finished)
    expect(await at.target.builder.catalogueDigest()).toBe(before)
    expect(await at.sql(`insert into cities (name) values ('Bern') returning id, size`)).toEqual([
      { id: '10', size: '4' },
    ])
    const [foreign] = await at.sql(
      `select condeferrable, condeferred, convalidated, confdeltype::text from pg_constraint where conname = 'people_city'`,
    )
    expect(foreign).toEqual({
      condeferrable: true,
      condeferred: true,
      convalidated: true,
      confdeltype: 'c',
    })
    const manifest = await at.target.ledger.manifest('m-1')
    expect(manifest.map((entry) => `${entry.kind} ${entry.name}`).sort()).toEqual([
      'constraint "cities_pkey" on "public"."cities"',
      'constraint "named" on "public"."cities"',
      'constraint "people_city" on "public"."people"',
      'constraint "people_id" on "public"."people"',
      'index "public"."cities_by_name"',
      'sequence public.cities_id_seq',
      'table public.cities',
      'table public.people',
    ])
  })

  test('what the data refuses is counted exactly and named, and the other steps go on', async () => {
    await build(at, both)
    await load(cities, [
      city(1, 'Ulm'),
      city(1, 'Rom'),
      city(2, ''),
      city(2, 'Bonn'),
      city(2, 'Kiel'),
      city(3, 'Bern'),
    ])
    await load(people, [person(7, 1), person(8, 77), person(8, null)])
    const refusedCities = await finish(cities)
    expect(refusedCities.refused).toMatchObject([
      { table: 'cities', constraint: 'cities_pkey', code: '23505', rows: 5, examples: ['1', '2'] },
      { constraint: 'named', code: '23514', rows: 1, examples: ['2'] },
    ])
    expect(refusedCities.steps).toContain('index cities_by_name of cities')
    await at.sql('delete from cities where id = 2 or name = $1', ['Rom'])
    expect((await finish(cities)).refused).toEqual([])
    const refusedPeople = await finish(people)
    expect(refusedPeople.refused).toMatchObject([
      { constraint: 'people_id', code: '23505', rows: 2, examples: ['8'] },
      { constraint: 'people_city', code: '23503', rows: 1 },
    ])
  })

  test('a definition that PostgreSQL does not accept fails its table, with the reason', async () => {
    const index = { name: 'moving', unique: false, parts: ['(now()::text)'], where: null }
    const loose = { primary_key: { name: 'pk', columns: ['city'] }, uniques: [], foreign_keys: [] }
    const bad = {
      ...people,
      ...loose,
      indexes: [index],
      checks: [{ name: 'odd', expression: 'nowhere > 1' }],
    }
    await build(at, both)
    await load(people, [person(1, 1), person(2, null), person(3, null)])
    expect((await finish(bad)).refused).toMatchObject([
      { constraint: 'pk', code: '23502', rows: 2 },
      {
        constraint: 'moving',
        code: '42P17',
        rows: 0,
        message: expect.stringContaining('IMMUTABLE'),
      },
      { constraint: 'odd', code: '42703', rows: 0 },
    ])
  })

  test('duplicates in a partial index of expressions are counted as the index sees them', async () => {
    const index = {
      name: 'one_city',
      unique: true,
      parts: ['lower("name") DESC'],
      where: '"id" < 5',
    }
    const strict = { ...cities, primary_key: null, checks: [], indexes: [index] }
    await build(at, both)
    await load(cities, [city(1, 'Ulm'), city(2, 'ULM'), city(3, 'Rom'), city(9, 'ROM')])
    expect((await finish(strict)).refused).toMatchObject([
      { constraint: 'one_city', code: '23505', rows: 2, examples: ['ulm'] },
    ])
  })

  test('a foreign key planned as not valid is created so, over its orphans', async () => {
    const [planned] = people.foreign_keys
    const loose = { ...people, foreign_keys: [{ ...planned!, not_valid: true }] }
    await build(at, both)
    await load(cities, [city(1, 'Ulm')])
    await load(people, [person(8, 77)])
    await finish(cities)
    expect((await finish(loose)).refused).toEqual([])
    expect(
      await at.sql(`select convalidated from pg_constraint where conname = 'people_city'`),
    ).toEqual([{ convalidated: false }])
  })

  test('views are created in the order they need; a view that fails is reported with its reason', async () => {
    await build(at, both)
    const outcomes = await at.target.builder.createViews(at.run, both)
    expect(outcomes).toMatchObject([
      { view: 'late', created: true, reason: null },
      { view: 'early', created: true, reason: null },
      { view: 'dead', created: false, reason: expect.stringContaining('42P01') },
      { view: 'two', created: false, reason: expect.stringContaining('42601') },
    ])
    expect(await at.target.builder.createViews(at.run, both)).toEqual(outcomes)
    const witness = await at.target.openWitness({ schema: 'public' })
    const found = await witness.structure(both)
    await witness.close()
    expect(found.filter(({ kind }) => kind === 'view')).toEqual([
      { object: 'dead', kind: 'view', problem: 'is missing' },
      { object: 'two', kind: 'view', problem: 'is missing' },
    ])
  })

  test.each([
    ['a sequence that no column owns', "nextval('numbers')", null, '71'],
    ['one of another schema', 'nextval(\'"Other one".numbers\')', null, '71'],
    ['one that is ahead, for other tables take from it too', "nextval('numbers')", 900, '901'],
    ['one that counts down, which is nobody’s to guess', "nextval('down')", null, '-1'],
  ])(
    'the default of an existing column goes on after the rows: %s',
    async (_, taken, at0, next) => {
      await at.sql('create schema "Other one"')
      await at.sql('create sequence "Other one".numbers')
      await at.sql('create sequence numbers')
      await at.sql('create sequence down increment -1')
      await at.sql(`create table adopted (id bigint primary key default ${taken}, t text)`)
      if (at0 !== null) await at.sql(`select setval('numbers', ${at0})`)
      const mapping = table('adopted', [
        column('id', 'bigint', { identity: { next: '5' } }),
        column('t', 'text'),
      ])
      const appending = plan([mapping], { append: true })
      await build(at, appending)
      await load(mapping, [tuple(int8(70), text('x'))])
      await at.target.builder.finishTable(at.run, appending, mapping, 'sequences')
      expect(await at.sql(`insert into adopted (t) values ('y') returning id`)).toEqual([
        { id: next },
      ])
    },
  )

  test('a table that is reset can be loaded and finished again', async () => {
    await build(at, both)
    await load(cities, [city(1, 'Ulm')])
    await load(people, [person(8, 1)])
    await finish(cities)
    await finish(people)
    const before = await at.target.builder.catalogueDigest()
    await at.target.builder.resetTable(at.run, both, cities)
    expect(await at.sql('select from cities')).toEqual([])
    const steps = (await collect(at.target.ledger.receipts('m-1'))).map((receipt) => receipt.step)
    expect(steps.filter((step) => step.includes('cities'))).toEqual(['table cities'])
    expect(steps).not.toContain('foreign key people_city of people')
    await load(cities, [city(1, 'Ulm')])
    await finish(cities)
    await finish(people)
    expect(await at.target.builder.catalogueDigest()).toBe(before)
  })

  test('the catalogue digest sees every change and forgets those that were undone', async () => {
    const before = await at.target.builder.catalogueDigest()
    await at.sql('create table x (a int default 1)')
    const after = await at.target.builder.catalogueDigest()
    expect(after).not.toBe(before)
    await at.sql('alter table x alter a set default 2')
    expect(await at.target.builder.catalogueDigest()).not.toBe(after)
    await at.sql('drop table x')
    expect(await at.target.builder.catalogueDigest()).toBe(before)
  })

  test('cleaning removes the rows of the migration, and the schema when nothing else uses it', async () => {
    await build(at, both)
    await at.target.takeOver('m-2')
    await at.target.ledger.clean('m-1')
    expect(await collect(at.target.ledger.receipts('m-1'))).toEqual([])
    expect(await at.sql('select migration_id from sensei.fence')).toEqual([{ migration_id: 'm-2' }])
    await at.target.ledger.clean('m-2')
    expect(await at.sql(`select from pg_namespace where nspname = 'sensei'`)).toEqual([])
    await at.target.ledger.clean('m-2')
    expect(await at.target.ledger.manifest('m-1')).toEqual([])
  })

  test('a patch deletes by canonical keys and copies others in, once', async () => {
    await build(at, both)
    await load(cities, [city(1, 'Ulm'), city(2, 'Rom'), city(3, 'Bern')])
    await load(people, [person(5, 1)])
    await finish(cities)
    await finish(people)
    const loader = await at.target.openLoader(at.run, 'reconcile')
    const patch = {
      table: cities,
      schema: 'public',
      step: 'reconcile cities 1.0',
      deletes: [Buffer.from('i1:1'), Buffer.from('i1:2')],
      inserts: async function* () {
        yield batch([city(1, 'Köln')])
      },
    }
    const receipt = await loader.patch(patch)
    expect(await loader.patch(patch)).toEqual(receipt)
    await loader.close()
    expect(await at.sql('select id, name from cities order by id')).toEqual([
      { id: '1', name: 'Köln' },
      { id: '3', name: 'Bern' },
    ])
    // The child of the row that was written anew is still there, and its foreign key is made again.
    expect(await at.sql('select id from people')).toEqual([{ id: '5' }])
    expect(await at.sql(`select from pg_constraint where contype = 'f'`)).toEqual([])
    expect((await finish(people)).steps).toContain('foreign key people_city of people')
  })
})
