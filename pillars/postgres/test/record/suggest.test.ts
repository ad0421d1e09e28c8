import { randomUUID } from 'node:crypto'
import { server } from '@sensei/contracts/servers'
import { PostgresJournal } from '@sensei/postgres/record/journal'
import {
  type ColumnQuestion,
  suggestionQuery,
  suggestMappings,
  valuesOf,
} from '@sensei/postgres/record/suggest'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints, type TestControl, testControl } from '../control-database.ts'

type Column = readonly [source: string, target: string, type: string, conversion: string]

const SHOP: readonly Column[] = [
  ['customerId', 'customer_id', 'bigint', 'integer'],
  ['customer_name', 'customer_name', 'text', 'text'],
  ['createdAt', 'created_at', 'timestamptz', 'timestamptz'],
  ['price', 'price', 'numeric(10,2)', 'decimal'],
]

describe.each([18, 15] as const)('suggestions on PostgreSQL %i', (version) => {
  let plane: TestControl
  let other: string

  beforeAll(async () => {
    plane = await testControl(await server(version))
    other = randomUUID()
    await plane.client.query(
      `insert into organization (id, slug, name) values ($1, 'other', 'O')`,
      [other],
    )
    await approve(plane.orgId, SHOP)
    await approve(plane.orgId, [['customer-id', 'customer_id', 'bigint', 'integer']])
    await approve(plane.orgId, [['customerId', 'client', 'uuid', 'uuid']], false)
    await approve(other, [['customerId', 'secret_canary', 'text', 'text']])
  })
  afterAll(() => plane.close())

  /** A migration whose plan has these columns, approved or only drawn. */
  const approve = async (orgId: string, columns: readonly Column[], approved = true) => {
    const journal = new PostgresJournal(plane.door, orgId)
    const id = randomUUID()
    await journal.create({ id, ...endpoints, options: {}, actor: 'test' })
    const body = {
      tables: [
        {
          source: 'Order',
          target: 'order',
          columns: columns.map(([source, target, type, conversion]) => ({
            source,
            target,
            type,
            conversion,
          })),
        },
      ],
    }
    await journal.record(id, [{ kind: 'plan', version: 1, hash: 'h', plan: body as never }])
    const step = { migrationId: id, actor: 'test' } as const
    await journal.transition({
      ...step,
      event: 'planning_started',
      expectedVersion: 1,
      payload: {},
    })
    const planned = { planVersion: 1, planHash: 'h' }
    await journal.transition({
      ...step,
      event: 'planned',
      expectedVersion: 2,
      payload: planned as never,
    })
    if (!approved) return id
    const payload = { ...planned, acceptedLosses: [] }
    await journal.transition({ ...step, event: 'approved', expectedVersion: 3, payload })
    return id
  }

  const ask = async (orgId: string, table: string, column: ColumnQuestion) => {
    const [answers = []] = await suggestMappings(plane.door, orgId, { table, columns: [column] })
    return answers
  }
  const suggest = (column: string, type?: string) =>
    ask(plane.orgId, 'Orders', { column, ...(type === undefined ? {} : { type }) })

  test('the likest name comes first, with how often it was approved', async () => {
    const [first] = await suggest('CustomerID')
    expect(first).toMatchObject({
      column: 'customer_id',
      type: 'bigint',
      conversion: 'integer',
      migrations: 2,
    })
    expect(first?.score).toBeGreaterThan(0.8)
    expect((await suggest('creatd_at'))[0]).toMatchObject({ column: 'created_at' })
    expect(await suggest('zzz')).toEqual([])
  })

  test('nothing comes of a plan that was not approved, and nothing of another tenant', async () => {
    const columns = (await suggest('customerId')).map(({ column }) => column)
    expect(columns).not.toContain('client')
    expect(columns).not.toContain('secret_canary')
    const theirs = await ask(other, 'Order', { column: 'customerId' })
    expect(theirs.map(({ column }) => column)).toEqual(['secret_canary'])
  })

  test('a migration suggests nothing to itself, and many columns are asked for at once', async () => {
    const id = await approve(plane.orgId, [['loyaltyTier', 'loyalty_tier', 'smallint', 'integer']])
    const columns = ['loyaltyTier', 'zzz', 'Loyalty tier'].map((column) => ({ column }))
    const question = { table: 'Order', columns }
    const found = [{ column: 'loyalty_tier', type: 'smallint', conversion: 'integer' }]
    const asked = await suggestMappings(plane.door, plane.orgId, question)
    expect(asked).toMatchObject([found, [], found])
    const own = { ...question, exceptMigration: id }
    expect(await suggestMappings(plane.door, plane.orgId, own)).toEqual([[], [], []])
  })

  test('of equal names the one of the asked type comes first', async () => {
    await approve(plane.orgId, [['amount', 'amount', 'numeric', 'decimal']])
    await approve(plane.orgId, [['amount', 'amount', 'bigint', 'integer']])
    for (const type of ['numeric', 'bigint'])
      expect((await suggest('amount', type))[0]).toMatchObject({ column: 'amount', type })
  })

  test('a tenant with many is answered from an index, with and without pg_trgm', async () => {
    await plane.client.query(
      `insert into approved_mapping select $1, m.id, 'T', 'column' || n, 'column ' || n, 't', 'c' || n, 'text', 'text', now()
       from (select id from migration where org_id = $1 limit 1) m, generate_series(1, 20000) n`,
      [other],
    )
    await plane.client.query('analyze approved_mapping')
    const explained = () =>
      plane.door.read(plane.orgId, async (tx) => {
        const query = await suggestionQuery(tx)
        const rows = await tx.query(
          `explain (analyze, costs off) ${query}`,
          valuesOf({ table: 'Order', columns: [{ column: 'customerId' }] }),
        )
        return rows.map((row) => String(row['QUERY PLAN'])).join('\n')
      })
    const similar = await explained()
    expect(similar).toContain('similarity')
    expect(similar).toMatch(
      /Index (Only )?Scan .*approved_mapping|Bitmap Index Scan on approved_mapping/,
    )
    expect(similar).not.toContain('Seq Scan on approved_mapping')

    await plane.client.query('drop extension pg_trgm')
    const beginning = await explained()
    expect(beginning).toMatch(/Index Cond: .*words.*>=/)
    expect((await suggest('customer'))[0]).toMatchObject({ column: 'customer_id' })
    expect(await suggest('creatd_at')).toEqual([])
  })
})
