/** The cases of bad input that concern the target, each named by its number. */
import { server, urlOf } from '@sensei/contracts/servers'
import type { Plan, TableMapping } from '@sensei/core/plan'
import { quoteIdent } from '@sensei/core/sql'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { refuseUnfit } from '../inspect.ts'
import { openTarget } from '../target.ts'
import { type Bench, bench, build, VERSIONS } from './support/each-version.ts'
import { batch, column, int8, plan, request, table, text, tuple } from './support/tuples.ts'

const GIGABYTE = 1024 ** 3
const id = column('id', 'bigint')

function wide(columns: number, rows: number, bytesPerRow: number): TableMapping {
  const all = Array.from({ length: columns }, (_, at) => column(`c${at}`, 'text'))
  return table('wide', all, { rows, bytes: rows * bytesPerRow, bytes_max: bytesPerRow })
}

async function codes(at: Bench, checked: Plan): Promise<(string | null)[]> {
  return (await at.target.preflight(checked)).map((finding) => finding.code)
}

describe.each(VERSIONS)('what a plan may hold, on PostgreSQL %i', (version) => {
  let at: Bench

  beforeAll(async () => {
    at = await bench(version)
  })

  afterAll(() => at.close())

  const key = { name: 'k', columns: ['t'] }
  const textKey = table('keyed', [column('t', 'text')], {
    primary_key: key,
    key: ['t'],
    rows: 1,
    bytes: 9_000,
    bytes_max: 9_000,
  })
  const named = (name: string): Plan => plan([table(name, [id])])
  const withColumn = (name: string): Plan => plan([table('t', [column(name, 'text')])])

  test.each<[string, Plan, (string | null)[]]>([
    [
      '29: a row over 1 GB is refused',
      plan([table('t', [id], { bytes_max: GIGABYTE })]),
      ['ROW_TOO_LARGE'],
    ],
    [
      '29: a row of more than 128 MB is refused',
      plan([table('t', [id], { bytes_max: 129 * 1024 ** 2 })]),
      ['ROW_TOO_LARGE'],
    ],
    [
      '30: 1,600 text columns that do not fit a page are refused',
      plan([wide(1_600, 10, 20_000)]),
      ['TABLE_TOO_WIDE'],
    ],
    ['30: 1,600 text columns that are nearly empty are not', plan([wide(1_600, 10, 1_000)]), []],
    ['31: a key of long texts is announced', plan([textKey]), [null]],
    ['35: a name over 63 bytes is refused, not cut', named('n'.repeat(64)), ['PLAN_INVALID']],
    ['36: bytes count, not characters', named('é'.repeat(32)), ['PLAN_INVALID']],
    ['36: 63 bytes of them are allowed', named(`${'é'.repeat(31)}x`), []],
    ['40: an empty name is refused', withColumn(''), ['PLAN_INVALID']],
    ['42: ctid is a system column', withColumn('ctid'), ['PLAN_INVALID']],
    ['42: xmin is a system column', withColumn('xmin'), ['PLAN_INVALID']],
    ['43: a schema pg_x is refused', plan([], { target: { schema: 'pg_x' } }), ['PLAN_INVALID']],
    ['60: 1,601 columns are refused', plan([wide(1_601, 0, 0)]), ['TABLE_TOO_WIDE']],
    ['60: no column at all is allowed', plan([table('none', [])]), []],
  ])('bad input %s', async (_, checked, expected) => {
    expect(await codes(at, checked)).toEqual(expected)
  })
})

describe.each(VERSIONS)('on PostgreSQL %i', (version) => {
  let at: Bench

  beforeEach(async () => {
    at = await bench(version)
  })

  afterEach(() => at.close())

  async function load(mapping: TableMapping, rows: readonly Buffer[], schema = 'public') {
    const loader = await at.target.openLoader(at.run, 'worker')
    const receipt = await loader.load(request(mapping, [batch(rows)], { schema }))
    await loader.close()
    return receipt
  }

  const HOSTILE = [
    ['37', 'Foo'],
    ['37', 'foo'],
    ['38', 'x"; drop table z; --'],
    ['39', 'line\nbreak \u202e\u001b[31mred аdmin'],
    ['41', 'select'],
    ['36', 'ß'.repeat(31)],
  ] as const

  test.each(HOSTILE)(
    'bad input %s: the name %j is quoted and harmless everywhere',
    async (_, name) => {
      await at.sql('create table z (a int)')
      const mapping = table(name, [id, column(name, 'text')], {
        key: ['id'],
        primary_key: { name: `${name}1`.slice(0, 60), columns: ['id'] },
        indexes: [
          { name: `i${name}`.slice(0, 60), unique: false, parts: [quoteIdent(name)], where: null },
        ],
      })
      const view = {
        source: 'v',
        target: 'v"',
        source_sql: '',
        target_sql: `select ${quoteIdent(name)} from ${quoteIdent(name)}`,
        reads: [],
      }
      const hostile = plan([mapping], { target: { schema: name }, views: [view] })
      expect(await codes(at, hostile)).toEqual([])
      await build(at, hostile)
      await load(mapping, [tuple(int8(1), text(name))], name)
      for (const part of ['keys', 'indexes', 'foreign keys', 'sequences', 'analyze'] as const) {
        const outcome = await at.target.builder.finishTable(at.run, hostile, mapping, part)
        expect(outcome.refused).toEqual([])
      }
      expect(await at.target.builder.createViews(at.run, hostile)).toMatchObject([
        { created: true },
      ])
      const qualified = `${quoteIdent(name)}.${quoteIdent(name)}`
      expect(await at.sql(`select ${quoteIdent(name)} as it from ${qualified}`)).toEqual([
        { it: name },
      ])
      expect(await at.sql('select from z')).toEqual([])
      await at.target.builder.resetTable(at.run, hostile, mapping)
      expect(await at.sql(`select from ${qualified}`)).toEqual([])
    },
  )

  test('bad input 30: a row that does not fit a page is rejected, and its neighbours arrive', async () => {
    const mapping = wide(1_600, 3, 100)
    await build(at, plan([mapping]))
    const row = (value: string): Buffer =>
      tuple(...Array.from({ length: 1_600 }, () => text(value)))
    const receipt = await load(mapping, [row(''), row('0123456789'), row('x')])
    expect(receipt).toMatchObject({ rowsWritten: 2, rowsRejected: 1 })
  })

  test('bad input 31: keys over 2,704 bytes are counted and named when the key is built', async () => {
    const mapping = table('keyed', [column('id', 'bigint'), column('t', 'text')], {
      key: ['id'],
      uniques: [{ name: 'keyed_t', columns: ['t'] }],
    })
    const checked = plan([mapping])
    await build(at, checked)
    await at.sql(`insert into keyed select g, md5(g::text) from generate_series(1, 10) g`)
    await at.sql(
      `insert into keyed select 100 + k, string_agg(md5(k || ':' || g), '') from generate_series(1, 2) k, generate_series(1, 200) g group by k`,
    )
    await at.sql('insert into keyed values (200, $1)', ['x'.repeat(4_000)])
    const outcome = await at.target.builder.finishTable(at.run, checked, mapping, 'keys')
    expect(outcome.refused).toMatchObject([{ code: '54000', rows: 2, examples: ['101', '102'] }])
  })

  test('bad input 48: foreign keys in a cycle and to the table itself are made after the load', async () => {
    const key = (name: string, parent: string): TableMapping['foreign_keys'][number] => ({
      name,
      columns: ['up'],
      references: { table: parent, columns: ['id'] },
      on_update: 'NO ACTION',
      on_delete: 'SET NULL',
      deferrable: false,
      not_valid: false,
    })
    const up = column('up', 'bigint')
    const shape = (name: string, parent: string): TableMapping =>
      table(name, [id, up], {
        key: ['id'],
        primary_key: { name: `${name}_pkey`, columns: ['id'] },
        foreign_keys: [key(`${name}_up`, parent)],
      })
    const tables = [shape('a', 'b'), shape('b', 'a'), shape('self', 'self')]
    const cyclic = plan(tables)
    await build(at, cyclic)
    for (const mapping of tables)
      await load(mapping, [tuple(int8(1), int8(2)), tuple(int8(2), int8(1))])
    for (const part of ['keys', 'foreign keys'] as const) {
      const outcomes = await Promise.all(
        tables.map((mapping) => at.target.builder.finishTable(at.run, cyclic, mapping, part)),
      )
      expect(outcomes.flatMap((outcome) => outcome.refused)).toEqual([])
    }
    expect(
      await at.sql(`select from pg_constraint where contype = 'f' and convalidated`),
    ).toHaveLength(3)
  })

  test('bad input 50: a deferred constraint of the target that a row breaks costs this row only', async () => {
    await at.sql('create table appended (id bigint unique deferrable initially deferred)')
    const mapping = table('appended', [id])
    await build(at, plan([mapping], { append: true }))
    const receipt = await load(
      mapping,
      [1, 2, 2, 3].map((value) => tuple(int8(value))),
    )
    expect(receipt).toMatchObject({ rowsWritten: 3, rowsRejected: 1 })
    expect(await at.sql('select id from appended order by id')).toEqual([
      { id: '1' },
      { id: '2' },
      { id: '3' },
    ])
  })

  test('bad input 52: GENERATED ALWAYS AS IDENTITY takes the loaded values and goes on after them', async () => {
    await at.sql('create table appended (id bigint generated always as identity, t text)')
    const mapping = table('appended', [
      column('id', 'bigint', { identity: { next: '5' } }),
      column('t', 'text'),
    ])
    const appending = plan([mapping], { append: true })
    await build(at, appending)
    await load(mapping, [tuple(int8(70), text('x'))])
    await at.target.builder.finishTable(at.run, appending, mapping, 'sequences')
    expect(await at.sql(`insert into appended (t) values ('y') returning id`)).toEqual([
      { id: '71' },
    ])
  })

  test.each([
    ['the largest integer', '9223372036854775807', '9223372036854775807', null],
    ['an empty table', null, '4', '4'],
    ['negative keys', '-5', '1', '1'],
  ])('bad input 53: the sequence after %s', async (_, last, next, expected) => {
    const mapping = table('counted', [
      column('id', 'bigint', { identity: { next } }),
      column('t', 'text'),
    ])
    await build(at, plan([mapping]))
    if (last !== null) await load(mapping, [tuple(int8(BigInt(last)), text('x'))])
    await at.target.builder.finishTable(at.run, plan([mapping]), mapping, 'sequences')
    const witness = await at.target.openWitness({ schema: 'public' })
    const found = await witness.structure(plan([mapping]))
    await witness.close()
    expect(found.filter(({ kind }) => kind === 'identity')).toEqual([])
    const insert = at.sql(`insert into counted (t) values ('y') returning id`)
    if (expected === null) await expect(insert).rejects.toMatchObject({ code: '2200H' })
    else expect(await insert).toEqual([{ id: expected }])
  })

  describe('--append', () => {
    const child = table('child', [id, column('parent', 'bigint')], {
      foreign_keys: [
        {
          name: 'child_parent',
          columns: ['parent'],
          references: { table: 'parent', columns: ['id'] },
          on_update: 'NO ACTION',
          on_delete: 'CASCADE',
          deferrable: false,
          not_valid: false,
        },
      ],
    })
    const parent = table('parent', [id])
    const appending = plan([child, parent], { append: true })

    beforeEach(async () => {
      await at.sql('create table parent (id bigint primary key)')
      await at.sql(
        'create table child (id bigint, parent bigint constraint child_parent references parent on delete cascade)',
      )
      await at.sql(
        `create function shout() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$`,
      )
      await at.sql(
        'create trigger loud before insert on child for each row execute function shout()',
      )
      await at.sql(
        'create trigger always before insert on child for each row execute function shout()',
      )
      await at.sql('alter table child enable always trigger always')
    })

    const triggers = (): Promise<{ name: string; state: string }[]> =>
      at.sql(
        `select tgname::text as name, tgenabled::text as state from pg_trigger
         where not tgisinternal order by 1`,
      )

    test('bad input 58: triggers of the target are set aside during the load and put back after it', async () => {
      const findings = await at.target.preflight(appending)
      expect(findings).toMatchObject([{ code: null, message: expect.stringContaining('"loud"') }])
      const before = await at.target.builder.catalogueDigest()
      await build(at, appending)
      expect(await triggers()).toEqual([
        { name: 'always', state: 'D' },
        { name: 'loud', state: 'D' },
      ])
      await load(child, [tuple(int8(1), int8(5))])
      await load(parent, [tuple(int8(5))])
      for (const part of ['keys', 'indexes', 'foreign keys', 'sequences', 'analyze'] as const) {
        const outcome = await at.target.builder.finishTable(at.run, appending, child, part)
        expect(outcome.refused).toEqual([])
      }
      expect(await triggers()).toEqual([
        { name: 'always', state: 'A' },
        { name: 'loud', state: 'O' },
      ])
      expect(await at.target.builder.catalogueDigest()).toBe(before)
      expect(await at.target.ledger.manifest('m-1')).toEqual([])
    })

    test('bad input 58: what a migration that was given up had set aside comes back when it is cleaned', async () => {
      await build(at, appending)
      await load(child, [tuple(int8(1), int8(99))])
      const outcome = await at.target.builder.finishTable(at.run, appending, child, 'foreign keys')
      expect(outcome.refused).toMatchObject([
        { constraint: 'child_parent', code: '23503', rows: 1 },
      ])
      const aside = await at.target.ledger.setAside('m-1')
      const key = { kind: 'foreign key', table: 'public.child', name: 'child_parent' }
      expect(aside).toHaveLength(3)
      expect(aside).toContainEqual(key)
      expect(await at.target.ledger.clean('m-1')).toEqual([key])
      expect(await at.target.ledger.setAside('m-1')).toEqual([])
      expect((await triggers()).map((trigger) => trigger.state)).toEqual(['A', 'O'])
      expect(
        await at.sql(`select conname, convalidated from pg_constraint where contype = 'f'`),
      ).toEqual([{ conname: 'child_parent', convalidated: false }])
    })

    test('bad input 59: an existing table is refused without --append, with its rows, and with other columns', async () => {
      expect(await codes(at, plan([parent]))).toEqual(['TARGET_TABLE_EXISTS'])
      await at.sql('insert into parent values (1)')
      expect(await codes(at, plan([parent], { append: true }))).toEqual(['TARGET_TABLE_NOT_EMPTY'])
      await expect(build(at, plan([parent], { append: true }))).rejects.toMatchObject({
        code: 'TARGET_TABLE_NOT_EMPTY',
      })
      const other = table('parent', [column('name', 'text')])
      const [differs] = await at.target.preflight(plan([other], { append: true }))
      expect(differs).toMatchObject({ code: 'TARGET_COLUMNS_DIFFER' })
      expect(differs?.message).toContain('extra in the target: "id"; missing there: "name"')
      expect(await codes(at, plan([table('absent', [id])], { append: true }))).toEqual([
        'TARGET_COLUMNS_DIFFER',
      ])
    })
  })

  test('an existing table of other types is refused: its bytes would be read as something else', async () => {
    await at.sql('create domain day as date')
    await at.sql('create table typed (a timestamp, b day, c numeric(10, 2), d varchar(10))')
    const typed = (a: string): TableMapping =>
      table('typed', [
        column('a', a),
        column('b', 'date'),
        column('c', 'numeric'),
        column('d', 'character varying(10)'),
      ])
    const append = { append: true }
    expect(await codes(at, plan([typed('timestamp without time zone')], append))).toEqual([])
    const [found] = await at.target.preflight(plan([typed('bigint')], append))
    expect(found).toMatchObject({ code: 'TARGET_COLUMNS_DIFFER' })
    expect(found?.message).toContain(
      '"a" is timestamp without time zone there and bigint in the plan',
    )
    await expect(build(at, plan([typed('bigint')], append))).rejects.toMatchObject({
      code: 'TARGET_COLUMNS_DIFFER',
    })
  })

  test.each(['citext', 'no type at all', 'text; drop table z'])(
    'a type %j that PostgreSQL does not know is found before any DDL',
    async (type) => {
      expect(await codes(at, plan([table('t', [column('a', type)])]))).toEqual(['PLAN_INVALID'])
    },
  )

  test('bad input 60: a table without columns is created', async () => {
    await build(at, plan([table('none', [])]))
    expect(await at.sql('select from none')).toEqual([])
  })

  test.each(['SQL_ASCII', 'LATIN1'])(
    'bad input 79: a database in %s is refused',
    async (encoding) => {
      const name = `${at.database.name}_${encoding.toLowerCase()}`
      await at.sql(`create database ${name} encoding '${encoding}' locale 'C' template template0`)
      const target = await openTarget(urlOf(await server(version), name))
      await expect(target.inspect()).rejects.toMatchObject({
        code: 'TARGET_ENCODING_UNSUPPORTED',
        message: expect.stringContaining(encoding),
      })
      await target.close()
      await at.sql(`drop database ${name} with (force)`)
    },
  )

  test('what the role lacks is named with the GRANT that gives it', async () => {
    const role = `plain_${at.database.name}`
    await at.sql(`create role ${role} login password 'p'`)
    await at.sql('revoke create on schema public from public')
    await at.sql('create schema kept')
    const address = await server(version)
    const target = await openTarget(
      urlOf({ ...address, user: role, password: 'p' }, at.database.name),
    )
    const missing = await target.preflight(plan([table('t', [id])]))
    expect(missing.map((finding) => finding.message)).toEqual([
      expect.stringContaining(`GRANT USAGE, CREATE ON SCHEMA "public" TO "${role}"`),
      expect.stringContaining(`GRANT ALL ON SCHEMA sensei TO "${role}"`),
    ])
    await target.close()
    await at.sql(`drop role ${role}`)
  })
})

test('versions before 14 and after 18 are refused', () => {
  const facts = { database: 'd', encoding: 'UTF8' }
  const unsupported = expect.objectContaining({ code: 'TARGET_VERSION_UNSUPPORTED' })
  expect(() => refuseUnfit({ ...facts, version: '13.9', number: 130_009 })).toThrow(unsupported)
  expect(() => refuseUnfit({ ...facts, version: '19.0', number: 190_000 })).toThrow(unsupported)
  expect(() => refuseUnfit({ ...facts, version: '14.0', number: 140_000 })).not.toThrow()
})
