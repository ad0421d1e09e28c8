/** G9: nothing is skipped silently. Each test takes one thing away from a pair that is equal, and sees it named. */
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type FreshDatabase, freshDatabase, server } from '@sensei/contracts/servers'
import { openSource, openTarget } from '@sensei/apps/pillars'
import { threadScanners } from '@sensei/apps/scanners'
import type { ColumnMapping, Plan, TableMapping } from '@sensei/core/plan'
import type { RawCell, Reject } from '@sensei/core/receipt'
import type { Verification } from '@sensei/core/verdict'
import { differingRows } from '@sensei/engine/validator/differing'
import {
  type ValidationRequest,
  validate,
  type ValidatorCast,
} from '@sensei/engine/validator/validate'
import { Client } from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { keepOriginals, restore } from '../g9/mutants.ts'
import { makePair, type Pair } from '../g9/pair.ts'
import { randomFrom } from '../g9/values.ts'

const seed = 99
let database: FreshDatabase
let client: Client
let pair: Pair
let cast: ValidatorCast & { close(): Promise<void> }

beforeAll(async () => {
  database = await freshDatabase(await server(18))
  client = new Client({ connectionString: database.url })
  await client.connect()
  pair = await makePair(client, randomFrom(seed), { tables: 3, rows: 40 })
  await keepOriginals(client, pair.plan.tables)
  const urls = { sourceUrl: `sqlite:${pair.snapshot.location}`, targetUrl: database.url }
  const scanners = threadScanners(urls)
  const target = await openTarget(urls.targetUrl)
  cast = {
    source: await openSource(urls.sourceUrl),
    target,
    scanners,
    progress: { report: () => undefined },
    close: async () => {
      await scanners.close()
      await target.close()
    },
  }
})

beforeEach(() =>
  restore(
    client,
    pair.plan.tables.map(({ target }) => target),
  ),
)

afterAll(async () => {
  await cast.close()
  await client.end()
  pair.remove()
  await database.drop()
})

function compare(
  plan: Plan = pair.plan,
  request: Partial<ValidationRequest> = {},
): Promise<Verification> {
  const options = { differencesMax: 2, queries: [] }
  return validate(cast, plan, pair.snapshot, {
    rejects: new Map(),
    options,
    signal: new AbortController().signal,
    ...request,
  })
}

const [keyed, keyless] = [0, 1]
const tableOf = (place: number): TableMapping => pair.plan.tables[place] as TableMapping
const withTable = (place: number, change: Partial<TableMapping>): Plan => ({
  ...pair.plan,
  tables: pair.plan.tables.map((table, at) => (at === place ? { ...table, ...change } : table)),
})

test(`an equal pair passes, and its self-test caught every mutant (seed ${seed})`, async () => {
  const verification = await compare()
  expect(verification.verdict).toBe('equivalent')
  expect(verification.structure).toEqual([])
  expect(verification.mutation).toMatchObject({ status: 'run' })
  expect(verification.mutation.mutants).toBeGreaterThan(100)
  expect(verification.mutation.caught).toBe(verification.mutation.mutants)
  const { rows } = await client.query(
    `select nspname from pg_namespace where nspname like 'sensei%'`,
  )
  expect(rows).toEqual([])
})

test('details are limited, counts are exact', async () => {
  await client.query(
    'delete from t0 where id < 5; update t0 set tag = tag || $$!$$ where id between 10 and 16; insert into t0 (id, tag) values (1000, $$new$$)',
  )
  const { verdict, tables } = await compare()
  expect(verdict).toBe('different')
  expect(tables[keyed]?.differences).toMatchObject({ rowsMissing: 5, rowsExtra: 1, rowsChanged: 7 })
  expect(tables[keyed]?.differences.details).toHaveLength(2)
  expect(tables[keyless]?.differences).toMatchObject({
    rowsMissing: 0,
    rowsExtra: 0,
    rowsChanged: 0,
  })
})

test('without a key a row is missing or extra so many times', async () => {
  await client.query(
    'insert into t1 select t.* from t1 t, generate_series(1, 3) where id = 7; delete from t1 where id = 8',
  )
  const { tables } = await compare()
  expect(tables[keyless]?.differences).toMatchObject({
    rowsMissing: 1,
    rowsExtra: 3,
    rowsChanged: 0,
  })
  expect(
    tables[keyless]?.differences.details.map(({ kind, times }) => `${kind} x ${times}`).sort(),
  ).toEqual(['extra x 3', 'missing x 1'])
})

test('every differing row is streamed to the reconciler, with its key', async () => {
  await client.query(
    'delete from t0 where id = 3; update t0 set c0 = null, c1 = null, c2 = null where id = 4; insert into t0 (id) values (77)',
  )
  const found: string[] = []
  for await (const { kind, key } of differingRows(cast, pair.plan, pair.snapshot, tableOf(keyed)))
    found.push(`${kind} ${Buffer.from(key).toString()}`)
  expect(found.sort()).toEqual(['changed i1:4', 'extra i2:77', 'missing i1:3'])
  // Nothing holds a lock on the table any more.
  await client.query(`set lock_timeout = '2s'; lock table t0 in access exclusive mode`)
})

test('a missing table and a missing column are named', async () => {
  await client.query('alter table t0 rename to gone')
  const missing = await compare()
  expect(missing.verdict).toBe('different')
  expect(missing.structure).toContainEqual({ object: 't0', kind: 'table', problem: 'is missing' })
  expect(missing.notChecked.map(({ what }) => what)).toContain('table t0')
  await client.query('alter table gone rename to t0; alter table t1 rename column tag to label')
  const renamed = await compare()
  expect(renamed.structure.map(({ object, problem }) => `${object} ${problem}`)).toEqual([
    't1.tag is missing',
    't1.label is not in the plan',
  ])
  await client.query('alter table t1 rename column label to tag')
})

test('a key, an index and a foreign key that the plan asks for are missed', async () => {
  const plan = withTable(keyed, {
    primary_key: { name: 't0_pkey', columns: ['id'] },
    uniques: [{ name: 't0_tag', columns: ['tag', 'id'] }],
    indexes: [{ name: 't0_c0', unique: false, parts: ['"c0"'], where: null }],
    checks: [{ name: 't0_positive', expression: 'id >= 0' }],
    foreign_keys: [
      {
        name: 't0_parent',
        columns: ['id'],
        references: { table: 't0', columns: ['id'] },
        on_update: 'no action',
        on_delete: 'cascade',
        deferrable: false,
        not_valid: false,
      },
    ],
  })
  const names = ({ structure }: Verification): string[] =>
    structure.map(({ object, kind }) => `${kind} ${object}`)
  expect(names(await compare(plan))).toEqual([
    'primary key t0_pkey',
    'unique t0_tag',
    'index t0_c0',
    'foreign key t0_parent',
    'check t0_positive',
  ])
  await client.query(`alter table t0 add primary key (id), add constraint t0_tag unique (tag, id), add constraint t0_positive check (id >= 0),
    add constraint t0_parent foreign key (id) references t0 (id) on delete cascade; create index t0_c0 on t0 (c0)`)
  const there = await compare({
    ...plan,
    tables: plan.tables.map((table) => ({
      ...table,
      columns: table.columns.map((column) =>
        column.target === 'id' && table.target === 't0' ? { ...column, nullable: false } : column,
      ),
    })),
  })
  expect(there.structure).toEqual([])
  expect(there.foreignKeys).toEqual([{ table: 't0', name: 't0_parent', orphans: 0, declared: 0 }])
  await client.query(
    'alter table t0 drop constraint t0_parent, drop constraint t0_pkey, drop constraint t0_tag, drop constraint t0_positive; drop index t0_c0; alter table t0 alter column id drop not null',
  )
})

test('a column of a type that cannot be compared leaves it undecided', async () => {
  const columns = tableOf(keyed).columns.map((column) =>
    column.target === 'c0' ? { ...column, type: 'inet', conversion: 'text' as const } : column,
  )
  const verification = await compare(withTable(keyed, { columns }), {
    pairing: { structure: [], undecided: [] },
  })
  expect(verification.verdict).toBe('inconclusive')
  expect(verification.notChecked).toContainEqual({
    what: 'column t0.c0',
    reason: 'no text becomes inet in a way that both sides can spell',
  })
})

/** The reject of a row that both sides know, as the load would have kept it. */
function rejectOf(id: number): Reject {
  const raw = tableOf(keyed).columns.map(
    ({ source }): RawCell => ({
      column: source ?? '',
      ...(source === 'id'
        ? { class: 'integer', value: String(id) }
        : { class: 'null', value: null }),
    }),
  )
  return {
    table: 't0',
    step: 'chunk 0',
    key: String(id),
    column: null,
    code: '23514',
    reason: 'refused',
    raw,
  }
}

test('a reject explains exactly its missing row', async () => {
  await client.query('delete from t0 where id = 9')
  const explained = await compare(pair.plan, { rejects: new Map([['t0', [rejectOf(9)]]]) })
  expect(explained.verdict).toBe('equivalent_except_declared')
  expect(explained.tables[keyed]).toMatchObject({ rowsSource: 40, rowsTarget: 39, rowsRejected: 1 })
  expect(explained.tables[keyed]?.rootSource).toBe(explained.tables[keyed]?.rootTarget)

  const other = await compare(pair.plan, { rejects: new Map([['t0', [rejectOf(10)]]]) })
  expect(other.verdict).toBe('different')
  expect(other.tables[keyed]?.differences.details.map(({ kind, key }) => `${kind} ${key}`)).toEqual(
    ['missing 9', 'missing 10: there is a reject, but no such row in the source'],
  )

  const twice = await compare(pair.plan, { rejects: new Map([['t0', [rejectOf(9), rejectOf(9)]]]) })
  expect(twice.verdict).toBe('different')
})

test('rows that the plan cannot represent need their rejects', async () => {
  // Identifiers do not fit into two bytes here, by a plan that narrows the column too far: ids of 0 and 1 do.
  const columns = tableOf(keyed).columns.map((column) =>
    column.target === 'id'
      ? { ...column, type: 'boolean', conversion: 'boolean' as const }
      : column,
  )
  const plan = withTable(keyed, { columns, key: null })
  await client.query(
    'alter table t0 rename to kept; create table t0 as select * from kept where id < 2; alter table t0 alter column id type boolean using id = 1',
  )
  const pairing = { structure: [], undecided: [] }
  const silent = await compare(plan, { pairing })
  expect(silent.verdict).toBe('different')
  expect(silent.tables[keyed]?.differences).toMatchObject({ rowsMissing: 38, rowsExtra: 0 })
  const rejects = new Map([['t0', Array.from({ length: 38 }, (_, place) => rejectOf(place + 2))]])
  expect((await compare(plan, { pairing, rejects })).verdict).toBe('equivalent_except_declared')
  await client.query('drop table t0; alter table kept rename to t0')
})

test('bad input 20: a sign of zero that was lost is found, though PostgreSQL calls the two zeros equal', async () => {
  const location = path.join(pair.folder, 'zero.db')
  const source = new DatabaseSync(location)
  source.exec('create table zero (id integer primary key, v)')
  source.prepare('insert into zero values (1, ?)').run(-0)
  source.close()
  await client.query(
    `create table zero (id bigint, v double precision); insert into zero values (1, '-0')`,
  )
  const shape = { ...tableOf(keyed), source: 'zero', target: 'zero', rows: 1, key: ['id'] }
  const [id, v] = ['id', 'c5'].map(
    (name) => tableOf(keyed).columns.find(({ target }) => target === name) as ColumnMapping,
  )
  const columns = [
    id,
    { ...v, source: 'v', target: 'v', type: 'double precision', conversion: 'real' },
  ] as ColumnMapping[]
  const plan = { ...pair.plan, tables: [{ ...shape, columns }] }
  const urls = { sourceUrl: `sqlite:${location}`, targetUrl: database.url }
  const own = { ...cast, source: await openSource(urls.sourceUrl), scanners: threadScanners(urls) }
  const options = { differencesMax: 2, queries: [] }
  const run = () =>
    validate(
      own,
      plan,
      { ...pair.snapshot, name: 'zero', location },
      { rejects: new Map(), options, signal: new AbortController().signal },
    )
  expect((await run()).verdict).toBe('equivalent')
  await client.query(`update zero set v = '0'`)
  const { verdict, tables } = await run()
  expect(verdict).toBe('different')
  expect(tables[0]?.differences.details).toEqual([
    { kind: 'changed', key: '1', columns: [{ column: 'v', source: '-0', target: '0' }], times: 1 },
  ])
  await own.scanners.close()
})

test('a role that may not create a schema leaves the self-test out, and says so', async () => {
  const name = `reader_${database.name}`
  await client.query(
    `create role ${name} login password 'reader'; grant select on all tables in schema public to ${name}`,
  )
  const url = new URL(database.url)
  url.username = name
  url.password = 'reader'
  const target = await openTarget(url.href)
  const options = { differencesMax: 2, queries: [] }
  const { verdict, mutation } = await validate({ ...cast, target }, pair.plan, pair.snapshot, {
    rejects: new Map(),
    options,
    signal: new AbortController().signal,
  })
  expect({ verdict, mutation }).toEqual({
    verdict: 'equivalent',
    mutation: {
      status: 'not run',
      reason: 'no right to create a schema in the target',
      mutants: 0,
      caught: 0,
      operators: {},
    },
  })
  await target.close()
  await client.query(`drop owned by ${name}; drop role ${name}`)
})
