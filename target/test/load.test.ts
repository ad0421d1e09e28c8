import {
  type FreshDatabase,
  freshDatabase,
  type ServerAddress,
  servers,
} from '@sensei/contracts/servers'
import type { Run, Target } from '@sensei/core/ports/target'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTarget } from '../target.ts'
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

const people = table('people', [
  column('id', 'bigint', { nullable: false }),
  column('name', 'text', { nullable: false }),
])

describe.each(['18', '15'])('on PostgreSQL %s', (version) => {
  let database: FreshDatabase
  let target: Target
  let client: Client
  let run: Run

  beforeAll(async () => {
    const both = await servers()
    const server: ServerAddress = version === '18' ? both.pg18 : both.pg15
    database = await freshDatabase(server)
    target = await openTarget(database.url)
    client = new Client({ connectionString: database.url })
    await client.connect()
    const epoch = await target.takeOver('m-1')
    run = { migrationId: 'm-1', epoch, snapshot: 'snapshot-1' }
    await target.builder.createTables(run, plan([people]))
  })

  afterAll(async () => {
    await client.end()
    await target.close()
    await database.drop()
  })

  async function rows(): Promise<string[]> {
    const found = await client.query<{ line: string }>(
      `select id || ':' || name as line from people order by id`,
    )
    return found.rows.map((row) => row.line)
  }

  test('a chunk and its ledger row arrive together, and a second load reads nothing', async () => {
    const loader = await target.openLoader(run, 'worker-1')
    const chunk = { number: 1, range: null, rowsEstimated: 3 }
    const batches = [
      batch([tuple(int8(1), text('ann')), tuple(int8(2), text('bob'))]),
      batch([tuple(int8(3), text('cyd'))]),
    ]
    const receipt = await loader.load(request(people, batches, { chunk }))
    expect(receipt).toEqual({
      migrationId: 'm-1',
      table: 'people',
      step: 'chunk 1 of people',
      kind: 'chunk',
      rowsRead: 3,
      rowsWritten: 3,
      rowsRejected: 0,
      snapshot: 'snapshot-1',
      epoch: run.epoch,
    })
    const unread = request(people, [], {
      chunk,
      read: () => expect.fail('the chunk is in already'),
    })
    expect(await loader.load(unread)).toEqual(receipt)
    await loader.close()
    expect(await rows()).toEqual(['1:ann', '2:bob', '3:cyd'])
    const receipts = await collect(target.ledger.receipts('m-1'))
    expect(receipts.map((each) => each.step)).toEqual([
      'chunk 1 of people',
      'schema public',
      'table people',
    ])
    const holders = await client.query('select from sensei.fence_holder where label = $1', [
      'worker-1',
    ])
    expect(holders.rowCount).toBe(0)
  })

  test('rows that PostgreSQL refuses are kept with key, column and reason, and the others arrive', async () => {
    await client.query('truncate people')
    const loader = await target.openLoader(run, 'worker-1')
    const bad = tuple(int8(12), Buffer.from([0x61, 0xff]))
    const nothing = tuple(int8(15), null)
    const good = (id: number): Buffer => tuple(int8(id), text(`n${id}`))
    const batches = [
      batch(
        [good(10), good(11), bad, good(13)],
        [{ ordinal: 1, column: 'name', reason: 'no such day' }],
      ),
      batch([good(14), nothing, good(16)]),
    ]
    const chunk = { number: 2, range: null, rowsEstimated: 7 }
    const receipt = await loader.load(request(people, batches, { chunk }))
    expect(receipt).toMatchObject({ rowsRead: 8, rowsWritten: 5, rowsRejected: 3 })
    expect(await rows()).toEqual(['10:n10', '11:n11', '13:n13', '14:n14', '16:n16'])
    const rejects = await collect(target.ledger.rejects('m-1'))
    expect(rejects.map(({ key, column: name, code }) => [key, name, code])).toEqual([
      ['key 1', 'name', 'unfit'],
      ['key 3', 'name', '22021'],
      ['key 6', 'name', '23502'],
    ])
    expect(rejects[2]?.raw).toEqual([{ column: 'id', class: 'integer', value: '6' }])
    await loader.close()
  })
})
