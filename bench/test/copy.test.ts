import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { copy } from '../contenders/copy.ts'
import { dataFile } from '../data.ts'
import { blobs } from '../datasets/blobs.ts'
import { orders } from '../datasets/orders.ts'
import { wide } from '../datasets/wide.ts'
import { race } from '../speed.ts'
import { BenchTarget } from '../target.ts'

let target: BenchTarget
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sensei-bench-copy-'))
  target = await BenchTarget.start(15)
})

afterAll(async () => {
  await target.server.remove()
  await rm(folder, { recursive: true })
})

test.each([orders, wide, blobs])('the limit loads every row of $name', async (dataset) => {
  const data = await dataFile(dataset, 200, folder)
  const field = { target, folder, contenders: [copy], say: () => undefined }
  const [result] = await race(field, data, 2)
  expect(result?.failure).toBeUndefined()
  expect(result?.usages.length).toBe(2)
})

test('the limit loads the bytes that are in the file', async () => {
  const data = await dataFile(orders, 3_000, folder)
  const database = 'bench_bytes'
  const targetUrl = await target.freshDatabase(database)
  const job = { data, target, database, targetUrl, folder, sample: false }
  await copy.prepare(job)
  const loaded = await target.withClient(database, (client) =>
    client.query<{ note: string | null }>('select note from orders order by id'),
  )
  const source = new DatabaseSync(data.path, { readOnly: true })
  expect(loaded.rows).toEqual(source.prepare('select note from orders order by id').all())
  source.close()
})

test('a contender that loses a row has no time', async () => {
  const data = await dataFile(orders, 50, folder)
  const field = { target, folder, contenders: [copy], say: () => undefined }
  const [result] = await race(field, { ...data, rows: 51 }, 1)
  expect(result?.failure).toContain('50 of 51 rows arrived')
  expect(result?.usages).toEqual([])
})
