import { randomUUID } from 'node:crypto'
import { server } from '@sensei/contracts/servers'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints, type TestControl, testControl } from '../control-database.ts'
import { murmur2 } from '../murmur2.ts'

/** From the tests of Kafka's own client. */
const KNOWN: readonly (readonly [string, number])[] = [
  ['21', -973_932_308],
  ['foobar', -790_332_482],
  ['a-little-bit-long-string', -985_981_536],
  ['a-little-bit-longer-string', -1_486_304_829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58_897_971],
  ['abc', 479_470_107],
]

describe.each([18, 15] as const)('positions on PostgreSQL %i', (version) => {
  let plane: TestControl
  beforeAll(async () => {
    plane = await testControl(await server(version))
  })
  afterAll(() => plane.close())

  async function inSql(bytes: Uint8Array): Promise<number> {
    const { rows } = await plane.client.query('select murmur2($1) as hash', [Buffer.from(bytes)])
    return rows[0]?.hash
  }

  test.each(KNOWN)('murmur2(%j) is what the Java client computes', async (text, hash) => {
    expect(murmur2(Buffer.from(text))).toBe(hash)
    expect(await inSql(Buffer.from(text))).toBe(hash)
  })

  test('murmur2 in SQL is murmur2 in TypeScript for any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 70 }), async (bytes) => {
        expect(await inSql(bytes)).toBe(murmur2(bytes))
      }),
      { numRuns: 200 },
    )
  })

  test("a migration's partition is the hash of its id's text, as a Kafka producer would choose it", async () => {
    const id = randomUUID()
    await plane.journal.create({ id, ...endpoints, options: {}, actor: 'test' })
    const { rows } = await plane.client.query(
      `select e.partition, o.partition as outbox from migration_event e
       join outbox o on o.event_id = e.id where migration_id = $1`,
      [id],
    )
    const expected = (murmur2(Buffer.from(id)) & 0x7fffffff) % 12
    expect(rows).toEqual([{ partition: expected, outbox: expected }])
  })

  test('a transaction that rolls back leaves no hole', async () => {
    const make = (id: string, fail: boolean) =>
      plane.door.write(plane.orgId, async (tx) => {
        const [source] = await tx.query<{ id: string }>('select id from connection limit 1')
        await tx.query("select from create_migration($1, $2, $2, '{}', $3, '{}', 'test')", [
          id,
          source?.id,
          randomUUID(),
        ])
        if (fail) await tx.query('select 1 / 0')
      })
    await expect(make(randomUUID(), true)).rejects.toMatchObject({ code: '22012' })
    await make(randomUUID(), false)
    const { rows } = await plane.client.query(
      `select count(*) filter (where gap <> 1)::integer as holes from (
         select position - lag(position, 1, 0::bigint) over (partition by partition order by position) as gap
         from outbox) g`,
    )
    expect(rows).toEqual([{ holes: 0 }])
  })
})
