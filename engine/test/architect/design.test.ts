import { describe, expect, test } from 'vitest'
import type { Plan } from '@sensei/core/plan'
import { checkPlan } from '@sensei/core/plan-check'
import type { SurveyObject, SurveyTable } from '@sensei/core/survey'
import { design } from '../../architect/design.ts'
import {
  aColumn,
  aForeignKey,
  aKey,
  anIndex,
  anObject,
  aSurvey,
  aTable,
  idTable,
  integers,
  mixed,
  nothing,
  reals,
  texts,
  withNulls,
} from './surveys.ts'

function planOf(
  tables: readonly SurveyTable[],
  objects: readonly SurveyObject[] = [],
  append = false,
): Plan {
  const plan = design(aSurvey(tables, objects), { schema: 'public', append })
  expect(() => checkPlan(JSON.parse(JSON.stringify(plan)))).not.toThrow()
  return plan
}

function only<T>(items: readonly T[]): T {
  expect(items).toHaveLength(1)
  return items[0] as T
}

const bytes = (name: string): number => Buffer.byteLength(name)

describe('keys', () => {
  test('INTEGER PRIMARY KEY becomes an identity that goes on after what was ever handed out', () => {
    const table = idTable('a', [], { autoincrement: { column: 'id', next: '501' } })
    const plan = only(planOf([table]).tables)
    expect(plan.columns[0]).toMatchObject({
      type: 'bigint',
      nullable: false,
      identity: { next: '501' },
    })
    expect(plan.primary_key).toEqual({ name: 'a_pkey', columns: ['id'] })
    expect(plan.key).toEqual(['id'])
  })

  test('without AUTOINCREMENT it goes on after the largest value', () => {
    expect(only(planOf([idTable('a', [])]).tables).columns[0]?.identity).toEqual({ next: '101' })
  })

  test('bad input 53: the largest integer there is leaves the identity at the end of its range', () => {
    const id = aColumn('id', 'INTEGER', integers(2, { max: '9223372036854775807' }))
    const plan = planOf([aTable('a', [id], { primaryKey: aKey(['id']) })])
    expect(only(plan.tables).columns[0]?.identity).toEqual({ next: '9223372036854775807' })
    expect(plan.findings.map((finding) => finding.code)).toContain('identity-exhausted')
  })

  test('bad input 46: NULLs in a primary key make it a unique constraint beside a key of our own', () => {
    const table = aTable(
      'a',
      [aColumn('code', 'TEXT', withNulls(texts(), 2)), aColumn('sensei_row_id', 'INT', integers())],
      {
        primaryKey: aKey(['code'], { rowsWithNull: 2 }),
      },
    )
    const plan = planOf([table])
    const mapped = only(plan.tables)
    expect(mapped.primary_key?.columns).toEqual(['sensei_row_id_'])
    expect(mapped.uniques).toEqual([{ name: 'a_code_key', columns: ['code'] }])
    expect(mapped.columns.at(-1)).toMatchObject({
      source: null,
      target: 'sensei_row_id_',
      identity: { next: '1' },
    })
    expect(mapped.columns[0]?.nullable).toBe(true)
    expect(mapped.key).toBeNull()
    expect(plan.converted.map((each) => each.kind)).toContain('primary key')
  })

  test('without a primary key the first unique key without NULLs tells rows apart', () => {
    const columns = [
      aColumn('a', 'TEXT', texts()),
      aColumn('b', 'TEXT', texts(), { notNull: true }),
    ]
    const table = aTable('t', columns, { uniques: [aKey(['a']), aKey(['b'])] })
    expect(only(planOf([table]).tables)).toMatchObject({ key: ['b'], primary_key: null })
  })

  test('bad input 62: a unique key under NOCASE keeps refusing what it refused', () => {
    const email = aColumn('email', 'TEXT', texts(), { collation: 'NOCASE', notNull: true })
    const plan = planOf([
      idTable('u', [email], { uniques: [aKey(['email'], { collations: ['NOCASE'] })] }),
    ])
    expect(only(plan.tables).indexes).toEqual([
      { name: 'u_email_folded', unique: true, parts: ['lower("email" collate "C")'], where: null },
    ])
    expect(only(plan.tables).uniques).toHaveLength(1)
    expect(plan.findings).toContainEqual(
      expect.objectContaining({ code: 'collation', table: 'u', column: 'email' }),
    )
  })

  test('keys that an accepted loss may make equal are named; other columns are not', () => {
    const code = aColumn('code', 'TEXT', texts(100, { nul: 3 }), { notNull: true })
    const mix = aColumn('mix', '', mixed(integers(50), texts(50)))
    const note = aColumn('note', 'TEXT', texts(100, { nul: 1 }))
    const plan = planOf([
      aTable('t', [code, mix, note], {
        primaryKey: aKey(['code']),
        indexes: [anIndex('by_mix', ['mix'], { unique: true }), anIndex('by_note', ['note'])],
      }),
    ])
    const found = plan.findings.filter((finding) => finding.code === 'keys-may-collide')
    expect(found.map(({ column, message }) => [column, message.split(';')[0]])).toEqual([
      ['code', 'keys that differ only in what strip-nul changes become equal'],
      ['mix', 'keys that differ only in what mixed-to-text changes become equal'],
    ])
    expect(found[1]?.message).toContain('the index by_mix would refuse them')
  })

  test('bad input 62: a collation that PostgreSQL does not have leaves a key over bytes, and the plan says so', () => {
    const name = aColumn('name', 'TEXT', texts(), { collation: 'german', notNull: true })
    const plan = planOf([
      idTable('u', [name], {
        uniques: [aKey(['name'], { collations: ['german'] })],
        indexes: [anIndex('by_name', ['name'])],
      }),
    ])
    const [table] = plan.tables
    expect(table?.uniques).toMatchObject([{ columns: ['name'] }])
    expect(table?.indexes).toMatchObject([{ name: 'by_name', parts: ['"name"'] }])
    expect(plan.converted).toMatchObject([
      { kind: 'unique', note: expect.stringContaining('compares bytes') as string },
    ])
    expect(plan.findings.map(({ code, message }) => [code, /GERMAN.*bytes/.test(message)])).toEqual(
      [
        ['collation', true],
        ['collation', true],
      ],
    )
  })

  test('bad input 31: a unique key longer than an index entry is refused before anything is copied', () => {
    const long = aColumn('long', 'TEXT', texts(5, { bytesMax: 2705 }))
    const plan = planOf([
      idTable('t', [long], { uniques: [aKey(['long'])], indexes: [anIndex('by_long', ['long'])] }),
    ])
    expect(only(plan.tables)).toMatchObject({ uniques: [], indexes: [] })
    expect(plan.skipped.map(({ kind, reason }) => [kind, /2705 bytes/.test(reason)])).toEqual([
      ['index', true],
      ['unique', true],
    ])
  })
})

describe('names', () => {
  const columnNames = (...names: readonly string[]): readonly string[] =>
    only(
      planOf([
        aTable(
          't',
          names.map((name) => aColumn(name, 'TEXT', texts())),
        ),
      ]).tables,
    ).columns.map((each) => each.target)

  test('bad input 35: names beyond 63 bytes are cut alike in every run and stay apart', () => {
    const long = 'x'.repeat(70)
    const targets = columnNames(`${long}1`, `${long}2`)
    expect(new Set(targets).size).toBe(2)
    expect(targets.every((name) => bytes(name) <= 63)).toBe(true)
    expect(columnNames(`${long}1`, `${long}2`)).toEqual(targets)
  })

  test('bad input 36: a name is never cut inside a character', () => {
    const [target] = columnNames('日'.repeat(30))
    expect(target).toMatch(/^日+_[0-9a-f]{8}$/)
    expect(bytes(target ?? '')).toBeLessThanOrEqual(63)
  })

  test('bad input 37, 38, 39, 41: case, quotes, hidden signs and reserved words are kept exactly', () => {
    const names = ['Id', 'select', 'x"; drop table t; --', 'a\nb', '\u202ereverse', '\x1b[31mred']
    expect(columnNames(...names)).toEqual(names)
  })

  test('bad input 40: an empty name gets one', () => {
    expect(columnNames('', 'a')).toEqual(['unnamed', 'a'])
    expect(columnNames('', 'unnamed')[1]).toBe('unnamed')
  })

  test('bad input 42: the names of system columns are mapped', () => {
    expect(columnNames('ctid', 'xmin', 'tableoid', 'oid', 'CTID')).toEqual([
      'ctid_',
      'xmin_',
      'tableoid_',
      'oid',
      'CTID',
    ])
    const targets = columnNames('ctid', 'ctid_')
    expect(targets[1]).toBe('ctid_')
    expect(new Set(targets).size).toBe(2)
  })

  test.each([
    ['pg_x', 'PostgreSQL keeps it for itself'],
    ['information_schema', 'PostgreSQL keeps it for itself'],
    ['sensei', 'ledger'],
    ['é'.repeat(32), '63 bytes'],
    ['', '63 bytes'],
  ])('bad input 43: schema %j cannot be used, and is refused instead of mapped', (schema, why) => {
    const drawn = (): unknown => design(aSurvey([]), { schema, append: false })
    expect(drawn).toThrow(
      expect.objectContaining({ code: 'USAGE', message: expect.stringContaining(why) }),
    )
  })

  test('tables, indexes and constraints of PostgreSQL share one namespace', () => {
    const plan = planOf([
      idTable('a', [aColumn('b', 'TEXT', texts())], {
        indexes: [anIndex('a_pkey', ['b']), anIndex('c', ['b'])],
      }),
      idTable('c', []),
    ])
    const names = plan.tables.flatMap((table) => [
      table.target,
      table.primary_key?.name,
      ...table.indexes.map((index) => index.name),
    ])
    expect(new Set(names).size).toBe(names.length)
    expect(plan.tables.map((table) => table.target)).toEqual(['a', 'c'])
    expect(plan.converted.filter((each) => each.kind === 'index').map((each) => each.name)).toEqual(
      ['a_pkey', 'c'],
    )
  })

  test('every mapped name is listed', () => {
    const plan = planOf([aTable('', [aColumn('ctid', 'TEXT', texts())])])
    expect(plan.converted.map((each) => [each.kind, each.name])).toEqual([
      ['column', '.ctid'],
      ['name', ''],
    ])
  })
})

describe('foreign keys', () => {
  const parent = idTable('p', [aColumn('code', 'TEXT', texts(), { notNull: true })], {
    uniques: [aKey(['code'])],
  })
  const child = (key: Parameters<typeof aForeignKey>, ref = integers()): SurveyTable =>
    idTable('c', [aColumn('ref', 'INTEGER', ref)], { foreignKeys: [aForeignKey(...key)] })

  test('are carried with their actions', () => {
    const plan = planOf([
      parent,
      child([['ref'], 'P', ['ID'], { onDelete: 'SET NULL', onUpdate: 'CASCADE' }]),
    ])
    expect(plan.tables[0]?.foreign_keys).toEqual([
      {
        name: 'c_ref_fkey',
        columns: ['ref'],
        references: { table: 'p', columns: ['id'] },
        on_update: 'cascade',
        on_delete: 'set null',
        deferrable: false,
        not_valid: false,
      },
    ])
  })

  test('bad input 49: orphans make it NOT VALID, a declared loss with its rows', () => {
    const plan = planOf([parent, child([['ref'], 'p', ['id'], { orphans: 7, examples: ['3'] }])])
    expect(plan.tables[0]?.foreign_keys[0]?.not_valid).toBe(true)
    expect(plan.losses).toEqual([
      { rule: 'orphans-not-valid', table: 'c', column: 'c_ref_fkey', rows: 7, examples: ['3'] },
    ])
  })

  test('bad input 49: to a missing table it is skipped with the reason', () => {
    const plan = planOf([child([['ref'], 'gone', ['id'], { orphans: null }])])
    expect(only(plan.skipped)).toMatchObject({
      kind: 'foreign key',
      table: 'c',
      reason: expect.stringContaining('gone'),
    })
  })

  test('to columns that are not unique it is skipped', () => {
    const loose = idTable('p', [aColumn('code', 'INTEGER', integers())])
    expect(only(planOf([loose, child([['ref'], 'p', ['code']])]).skipped).reason).toContain(
      'not unique',
    )
  })

  test('between types that PostgreSQL cannot compare it is skipped', () => {
    const plan = planOf([parent, child([['ref'], 'p', ['id']], mixed(integers(), texts(1)))])
    expect(only(plan.skipped).reason).toContain('becomes text')
  })

  test('bad input 48: a table may refer to itself, and two to each other', () => {
    const a = idTable('a', [aColumn('b', 'INT', integers())], {
      foreignKeys: [aForeignKey(['b'], 'b', ['id']), aForeignKey(['id'], 'a', ['id'])],
    })
    const b = idTable('b', [aColumn('a', 'INT', integers())], {
      foreignKeys: [aForeignKey(['a'], 'a', ['id'])],
    })
    expect(planOf([a, b]).tables.map((table) => table.foreign_keys.length)).toEqual([2, 1])
  })

  test('bad input 50: what is checked at commit stays so', () => {
    const plan = planOf([parent, child([['ref'], 'p', ['id'], { deferred: true }])])
    expect(plan.tables[0]?.foreign_keys[0]?.deferrable).toBe(true)
  })

  const codes = mixed(integers(90), texts(10))
  const units = (declared: string, profile = codes): SurveyTable =>
    aTable('u', [aColumn('code', declared, profile, { notNull: true })], {
      primaryKey: aKey(['code']),
    })
  const uses = (declared: string, profile = integers()): SurveyTable =>
    aTable('c', [aColumn('unit', declared, profile)], {
      foreignKeys: [aForeignKey(['unit'], 'u', ['code'])],
    })

  test('integers that refer to a column of integers and texts become texts with it', () => {
    const plan = planOf([units('INTEGER_OR_TEXT'), uses('INTEGER_OR_TEXT')])
    const [child] = plan.tables
    expect(child?.columns[0]).toMatchObject({
      type: 'text',
      conversion: 'any-as-text',
      fidelity: 'converted',
    })
    expect(child?.foreign_keys).toHaveLength(1)
    expect(plan.skipped).toEqual([])
    expect(plan.losses.map(({ rule, table }) => `${rule}:${table}`)).toEqual(['mixed-to-text:u'])
  })

  test.each([
    [
      'of reals, which texts do not spell in one way',
      units('INT'),
      uses('INT', mixed(integers(), reals(1))),
    ],
    ['of texts that may spell a number otherwise', units('INT'), uses('ANY')],
    [
      'that is a rowid',
      units('INT'),
      idTable('c', [], { foreignKeys: [aForeignKey(['id'], 'u', ['code'])] }),
    ],
    ['that a parent without affinity has', units(''), uses('INT')],
  ])('a column %s does not follow: the foreign key is skipped', (_, parent, child) => {
    const plan = planOf([parent, child])
    expect(plan.tables[0]?.columns[0]?.conversion).not.toBe('any-as-text')
    expect(plan.tables[0]?.foreign_keys).toEqual([])
    expect(only(plan.skipped)).toMatchObject({ kind: 'foreign key' })
  })

  test('columns that it ties together get one type, whatever each alone would get', () => {
    const uuids = texts(100, { formats: { uuid: 100 } })
    const p = aTable('p', [aColumn('id', 'TEXT', uuids, { notNull: true })], {
      primaryKey: aKey(['id']),
    })
    const c = aTable('c', [aColumn('ref', 'TEXT', texts(100, { formats: { uuid: 99 } }))], {
      foreignKeys: [aForeignKey(['ref'], 'p', ['id'])],
    })
    const empty = aTable('e', [aColumn('ref', 'TEXT', nothing())], {
      foreignKeys: [aForeignKey(['ref'], 'p', ['id'])],
    })
    expect(planOf([p, c]).tables.map((table) => table.columns[0]?.type)).toEqual(['text', 'text'])
    expect(planOf([p, empty]).tables.map((table) => table.columns[0]?.type)).toEqual([
      'uuid',
      'uuid',
    ])
  })
})

describe('what SQLite computes', () => {
  const shop = (rest: Partial<SurveyTable>): SurveyTable =>
    idTable(
      'Product',
      [
        aColumn('sku', 'TEXT', texts()),
        aColumn('price', 'DECIMAL(10,2)', reals()),
        aColumn('sold', 'BOOLEAN', integers(100, { zeroOrOne: 100 }), { default: '0' }),
        aColumn('meta', 'JSON', texts(9, { formats: { json: 9 } }), { default: "'{}'" }),
      ],
      rest,
    )

  test('checks are translated, and what the type refuses needs none', () => {
    const plan = planOf([
      shop({
        checks: [
          { name: 'positive', expression: 'price >= 0' },
          { name: null, expression: 'length(sku) between 1 and 20' },
          { name: null, expression: 'json_valid(meta)' },
          { name: null, expression: 'sold in (0, 1)' },
          { name: null, expression: "sku glob 'A*'" },
        ],
      }),
    ])
    expect(only(plan.tables).checks).toEqual([
      { name: 'positive', expression: '("price" >= 0)' },
      { name: 'Product_check', expression: '((length("sku") >= 1) and (length("sku") <= 20))' },
      {
        name: expect.stringMatching(/^Product_check_/),
        expression: '(("sold" = false) or ("sold" = true))',
      },
    ])
    expect(only(plan.skipped)).toMatchObject({ kind: 'check', sql: "sku glob 'A*'" })
    expect(plan.converted.map((each) => each.kind)).toContain('check')
  })

  test('bad input 44: a label that no enum could hold stays one of the values of its check', () => {
    const label = 'ä'.repeat(64)
    const plan = planOf([
      shop({ checks: [{ name: 'kind', expression: `sku in ('${label}', '')` }] }),
    ])
    expect(only(only(plan.tables).checks).expression).toContain(`'${label}'`)
    expect(plan.tables[0]?.columns[1]).toMatchObject({ target: 'sku', type: 'text' })
  })

  test('bad input 51: generated columns are computed by the target too, or copied as values', () => {
    const generated = (expression: string) => ({
      generated: { kind: 'stored' as const, expression },
    })
    const table = idTable('t', [
      aColumn('a', 'TEXT', texts()),
      aColumn('folded', 'TEXT', texts(), generated('lower(a)')),
      aColumn('rounded', 'INTEGER', integers(), generated('round(id)')),
      aColumn('twice', '', texts(), generated('id * 2')),
    ])
    const plan = planOf([table])
    expect(
      only(plan.tables).columns.map((column) => [column.target, column.generated, column.fidelity]),
    ).toEqual([
      ['id', null, 'exact'],
      ['a', null, 'exact'],
      ['folded', 'lower("a" collate "C")', 'exact'],
      ['rounded', null, 'converted'],
      ['twice', null, 'converted'],
    ])
    expect(plan.converted.filter((each) => each.kind === 'generated column')).toHaveLength(2)
  })

  test('a clause ON CONFLICT is carried in another form: the constraint refuses', () => {
    const conflicts = [
      { column: 'a', clause: 'unique on conflict ignore' },
      { column: null, clause: 'unique (a, b) on conflict replace' },
    ]
    const plan = planOf([idTable('t', [aColumn('a', 'TEXT', texts())], { conflicts })])
    const noted = plan.converted.filter(({ kind }) => kind === 'conflict clause')
    expect(noted.map(({ name, note }) => `${name}: ${note}`)).toEqual([
      expect.stringMatching(/^t: unique \(a, b\) on conflict replace: PostgreSQL refuses/),
      expect.stringMatching(/^t\.a: unique on conflict ignore: PostgreSQL refuses/),
    ])
  })

  test('bad input 63: defaults are translated to the new type, or left out with a note', () => {
    const moment = texts(9, { formats: { 'timestamp-iso': 9 }, dateless: 0 })
    const day = texts(9, { formats: { 'date-iso': 9 }, dateless: 0 })
    const cases: readonly (readonly [string, ReturnType<typeof texts>, string, string | null])[] = [
      ['DATETIME', moment, 'CURRENT_TIMESTAMP', "date_trunc('second', (now() at time zone 'utc'))"],
      [
        'TEXT',
        texts(),
        "(datetime('now'))",
        "to_char((now() at time zone 'utc'), 'YYYY-MM-DD HH24:MI:SS')",
      ],
      ['DATE', day, "date('now')", "(now() at time zone 'utc')::date"],
      ['DATE', day, "'2024-02-01'", "date '2024-02-01'"],
      ['DATE', day, "''", null],
      ['TEXT', texts(), "'it''s'", "'it''s'"],
      ['TEXT', texts(), '"new"', "'new'"],
      ['INTEGER', integers(), '-1', '-1'],
      ['INTEGER', integers(), "'7'", '7'],
      ['INTEGER', integers(), "strftime('%s','now')", 'floor(extract(epoch from now()))::bigint'],
      ['BOOLEAN', integers(9, { zeroOrOne: 9 }), 'true', 'true'],
      ['REAL', reals(), '38.5', '38.5'],
      ['TEXT', texts(), 'null', null],
      ['TEXT', texts(), '(lower(hex(randomblob(16))))', null],
    ]
    const columns = cases.map(([declared, profile, text], at) =>
      aColumn(`c${at}`, declared, profile, { default: text }),
    )
    const plan = planOf([aTable('t', columns)])
    expect(only(plan.tables).columns.map((column) => column.default)).toEqual(
      cases.map(([, , , expected]) => expected),
    )
    expect(
      plan.converted.filter((each) => each.kind === 'default').map((each) => each.name),
    ).toEqual(['t.c13', 't.c4'])
  })

  test('indexes: descending, partial, over expressions, under a collation', () => {
    const part = (expression: string) => ({
      column: null,
      expression,
      descending: false,
      collation: null,
    })
    const plan = planOf([
      shop({
        indexes: [
          {
            ...anIndex('by_price', []),
            parts: [{ column: 'price', expression: null, descending: true, collation: null }],
          },
          anIndex('open', ['sku'], { where: 'sold = 0 and price > 1.5' }),
          { ...anIndex('folded', []), unique: true, parts: [part('lower(sku)')] },
          {
            ...anIndex('nocase', []),
            parts: [{ column: 'sku', expression: null, descending: false, collation: 'NOCASE' }],
          },
          { ...anIndex('odd', []), parts: [part("json_extract(meta, '$.a')")] },
          anIndex('json', ['meta']),
        ],
      }),
    ])
    expect(
      only(plan.tables).indexes.map(({ name, unique, parts, where }) => [
        name,
        unique,
        parts,
        where,
      ]),
    ).toEqual([
      ['by_price', false, ['"price" desc'], null],
      ['open', false, ['"sku"'], '(("sold" = false) and ("price" > 1.5))'],
      ['folded', true, ['(lower("sku" collate "C"))'], null],
      ['nocase', false, ['lower("sku" collate "C")'], null],
      ['json', false, ['"meta"'], null],
    ])
    expect(plan.skipped.map((each) => each.name)).toEqual(['odd'])
  })
})

describe('views', () => {
  const order = idTable('order', [
    aColumn('status', 'TEXT', texts()),
    aColumn('user', 'INT', withNulls(integers(), 5)),
    aColumn('paid', 'BOOL', integers(9, { zeroOrOne: 9 })),
  ])
  const user = idTable('user', [aColumn('Name', 'TEXT', texts())])
  const viewOf = (sql: string, ...more: readonly SurveyObject[]): Plan =>
    planOf([order, user], [anObject('view', 'v', `create view v as ${sql}`), ...more])

  test('portable ones are carried under their own column names', () => {
    const plan = viewOf(
      'select o.id, u.name as "Who", count(*) as n from "order" o left join user u on u.id = o.user where paid group by o.id, u.name order by 2 desc, o.id limit 5',
    )
    expect(only(plan.views)).toEqual({
      source: 'v',
      target: 'v',
      source_sql: expect.stringMatching(/^select o\.id/),
      target_sql:
        'select "o"."id" as "id", "u"."Name" as "Who", count(*) as "n" from "public"."order" as "o" left join "public"."user" as "u" on ("u"."id" = "o"."user") ' +
        'where "o"."paid" group by "o"."id", "u"."Name" order by "u"."Name" collate "C" desc nulls last, "o"."id" nulls first limit 5',
      reads: [],
    })
  })

  test('others are listed with their text and the reason', () => {
    const refused = [
      'select strftime(\'%Y\', status) from "order"',
      'select * from (select 1)',
      'select id from "order" union select id from user',
      'select status, count(*) from "order"',
      'select group_concat(status) from "order"',
      'select id from nowhere',
      'select rowid from user',
      'select id from "order", user',
    ]
    for (const sql of refused) {
      const plan = viewOf(sql)
      expect(plan.views, sql).toEqual([])
      expect(only(plan.skipped)).toMatchObject({
        kind: 'view',
        name: 'v',
        sql: `create view v as ${sql}`,
      })
    }
  })

  test('a view may read a view, in whatever order the source names them', () => {
    const plan = viewOf(
      'select id from z',
      anObject('view', 'z', 'create view z as select * from user', { reads: ['user'] }),
    )
    expect(plan.views).toHaveLength(1)
    const ordered = planOf(
      [user],
      [
        anObject('view', 'a', 'create view a as select id from z', { reads: ['z'] }),
        anObject('view', 'z', 'create view z as select * from user', { reads: ['user'] }),
      ],
    )
    expect(ordered.views.map((view) => view.target)).toEqual(['z', 'a'])
  })

  test('bad input 56, 57: circular views and views of missing tables are findings, not loops', () => {
    const plan = planOf(
      [],
      [
        anObject('view', 'a', 'create view a as select * from b', { reads: ['b'] }),
        anObject('view', 'b', 'create view b as select * from a', { reads: ['a'] }),
        anObject('view', 'c', 'create view c as select * from gone', {
          broken: 'no such table: gone',
        }),
      ],
    )
    expect(plan.views).toEqual([])
    expect(plan.skipped.map((each) => each.name)).toEqual(['a', 'b', 'c'])
    expect(plan.skipped[2]?.reason).toContain('no such table: gone')
  })
})

test('triggers, virtual and shadow tables are listed with their text', () => {
  const kinds = ['trigger', 'virtual table', 'shadow table', 'internal table'] as const
  const plan = planOf(
    [],
    kinds.map((kind) => anObject(kind, kind, `create ${kind}`)),
  )
  expect(plan.skipped.map((each) => [each.kind, each.sql])).toEqual(
    [...kinds].sort().map((kind) => [kind, `create ${kind}`]),
  )
  expect(plan.skipped.every((each) => each.reason !== '')).toBe(true)
})

test('rows that a virtual table keeps for itself are a declared loss', () => {
  const objects = [anObject('virtual table', 'notes', 'create …', { rows: 2 })]
  expect(planOf([], objects).losses).toEqual([
    { rule: 'virtual-rows-left', table: 'notes', column: '*', rows: 2, examples: [] },
  ])
})

test("a framework's own tables are left out by --append only, and listed", () => {
  const tables = [idTable('schema_migrations', []), idTable('a', [])]
  expect(planOf(tables).tables).toHaveLength(2)
  const plan = planOf(tables, [], true)
  expect(plan.tables.map((table) => table.source)).toEqual(['a'])
  expect(only(plan.skipped)).toMatchObject({ kind: 'table', name: 'schema_migrations' })
})

test('bad input 60: a table without rows or many columns is planned like any other', () => {
  const many = aTable(
    'wide',
    Array.from({ length: 1601 }, (_, at) => aColumn(`c${at}`, 'TEXT', texts())),
  )
  expect(only(planOf([many]).tables).columns).toHaveLength(1601)
  expect(only(planOf([aTable('none', [])]).tables).columns).toEqual([])
})

test('tables that need the exact reader are marked', () => {
  const plans = [
    aTable('a', [aColumn('x', '', mixed(integers(), texts()))]),
    aTable('b', [aColumn('x', 'TEXT', texts(5, { nul: 1 }))]),
    aTable('c', [aColumn('x', 'TEXT', texts())], { bytesMax: 2 ** 21 }),
    aTable('d', [aColumn('x', 'TEXT', texts()), aColumn('y', '', mixed(integers(), reals()))]),
  ]
  expect(planOf(plans).tables.map((table) => table.hostile)).toEqual([true, true, true, false])
  const utf16 = design(
    { ...aSurvey([plans[3] as SurveyTable]), encoding: 'UTF-16le' },
    { schema: 'public', append: false },
  )
  expect(only(utf16.tables).hostile).toBe(true)
})
