/** What the structure's comparison sees, and that it sees nothing where nothing was touched. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Bench, bench, build, VERSIONS } from '../support/each-version.ts'
import { column, plan, table } from '../support/tuples.ts'

const parent = table('parent', [column('id', 'bigint', { nullable: false })], {
  primary_key: { name: 'parent_pkey', columns: ['id'] },
})
const child = table(
  'child',
  [
    column('id', 'bigint', { nullable: false }),
    column('parent', 'bigint'),
    column('name', 'text'),
    column('size', 'double precision'),
    column('twice', 'bigint', { generated: '("id" % nullif("parent", 0))' }),
  ],
  {
    primary_key: { name: 'child_pkey', columns: ['id'] },
    indexes: [
      {
        name: 'by_name',
        unique: true,
        parts: ['lower("name" collate "C")', '"id" desc'],
        where: `("name" in ('a', 'b\nc')) or ("size" > 0)`,
      },
      { name: 'by_parent', unique: false, parts: ['"parent"'], where: null },
    ],
    checks: [
      {
        name: 'small',
        expression: '(("size" between 0 and 1) or ("id" > 5)) and (length("name") < 9)',
      },
      { name: 'said', expression: `case when "name" <> 'x' then true else null end` },
    ],
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
  },
)
const both = plan([parent, child])

describe.each(VERSIONS)('on PostgreSQL %i', (version) => {
  let at: Bench

  beforeEach(async () => {
    at = await bench(version)
    await build(at, both)
    for (const part of ['keys', 'indexes', 'foreign keys'] as const) {
      for (const mapping of both.tables)
        await at.target.builder.finishTable(at.run, both, mapping, part)
    }
  })

  afterEach(() => at.close())

  async function findings(): Promise<string[]> {
    const witness = await at.target.openWitness({ schema: 'public' })
    try {
      return (await witness.structure(both)).map(({ kind, object }) => `${kind} ${object}`)
    } finally {
      await witness.close()
    }
  }

  test('what was built as planned has no findings', async () => {
    expect(await findings()).toEqual([])
  })

  test.each([
    [
      'check small',
      'alter table child drop constraint small, add constraint small check (size is null or true)',
    ],
    [
      'check said',
      `alter table child drop constraint said, add constraint said check (case when name <> 'y' then true end)`,
    ],
    ['index by_parent', 'drop index by_parent; create index by_parent on child (size)'],
    ['index by_parent', 'drop index by_parent; create index by_parent on child (parent desc)'],
    [
      'index by_name',
      `drop index by_name; create unique index by_name on child (lower(name collate "C"), id desc) where name in ('a', 'b\nd') or size > 0`,
    ],
    [
      'generated column child.twice',
      'alter table child drop twice, add twice bigint generated always as (id * 2) stored',
    ],
  ])('finds another %s: %s', async (finding, sql) => {
    await at.sql(sql)
    expect(await findings()).toEqual([finding])
  })

  const trigger = `create function noop() returns trigger language plpgsql as 'begin return new; end';
    create trigger extra before insert on child for each row execute function noop()`
  test.each([
    ['constraint child_parent', 'alter table child disable trigger all'],
    ['constraint child_parent', 'alter table parent disable trigger all'],
    ['trigger extra', trigger],
    ['trigger quiet', 'create rule quiet as on delete to child do instead nothing'],
    ['row security child', 'alter table child enable row level security'],
    ['row security parent', 'alter table parent force row level security'],
  ])('finds a table that is not guarded as planned, %s: %s', async (finding, sql) => {
    await at.sql(sql)
    expect(await findings()).toEqual([finding])
  })

  test.runIf(version === 18)('finds a constraint that is not enforced', async () => {
    await at.sql(
      'alter table child drop constraint small, add constraint small check ((size between 0 and 1 or id > 5) and length(name) < 9) not enforced',
    )
    expect(await findings()).toContain('constraint small')
    await at.sql('alter table child alter constraint child_parent not enforced')
    expect(await findings()).toContain('constraint child_parent')
  })

  test('after a question that a missing column fails, the next one is answered', async () => {
    await at.sql('alter table child drop parent cascade')
    const witness = await at.target.openWitness({ schema: 'public' })
    try {
      await expect(witness.orphans(both)).rejects.toMatchObject({ code: '42703' })
      const answer = await witness.query('select 1', { timeoutMs: 1_000, rowsMax: 1 })
      expect(answer.rows).toHaveLength(1)
    } finally {
      await witness.close()
    }
  })
})
