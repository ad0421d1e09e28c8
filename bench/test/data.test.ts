import { createHash } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite'
import { quoteIdent } from '@sensei/core/sql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DATASETS, dataFile } from '../data.ts'
import { orders } from '../datasets/orders.ts'
import { wide } from '../datasets/wide.ts'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sensei-bench-data-'))
})

afterAll(() => rm(folder, { recursive: true }))

function query(path: string, sql: string): readonly SQLOutputValue[][] {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    const statement = database.prepare(sql)
    statement.setReturnArrays(true)
    return statement.all() as unknown as SQLOutputValue[][]
  } finally {
    database.close()
  }
}

function digest(path: string, table: string): string {
  const columns = query(path, `select name from pragma_table_info('${table}')`)
  const line = columns.map(([name]) => `quote(${quoteIdent(String(name))})`).join(` || ',' || `)
  const lines = query(path, `select ${line} from ${quoteIdent(table)} order by id`)
  return createHash('sha256').update(lines.join('\n')).digest('hex')
}

describe('the files of the bench', () => {
  // `big` is `blobs` with larger values.
  const small = DATASETS.filter(({ name }) => name !== 'big')

  test.each(small)('$name has the rows asked for, the same ones each time', async (dataset) => {
    const rows = 40
    const first = await dataFile(dataset, rows, join(folder, 'first'))
    const second = await dataFile(dataset, rows, join(folder, 'second'))
    expect(query(first.path, `select count(*) from ${dataset.table}`)).toEqual([[rows]])
    expect(digest(second.path, dataset.table)).toBe(digest(first.path, dataset.table))
  })

  test('a file is made once and found again', async () => {
    const at = join(folder, 'cache')
    const first = await dataFile(orders, 10, at)
    const again = await dataFile(orders, 10, at)
    expect(again).toEqual(first)
    expect(await readdir(at)).toEqual(['orders-v1-seed42-10.sqlite'])
  })

  test('about one note of orders in a hundred needs every escape that COPY knows', async () => {
    const { path } = await dataFile(orders, 20_000, folder)
    const [[share = 0] = []] = query(
      path,
      `select avg(instr(note, char(9)) > 0 and instr(note, char(10)) > 0 and instr(note, char(13)) > 0
         and instr(note, '\\') > 0 and instr(note, '📦') > 0) from orders where note is not null`,
    )
    expect(Number(share)).toBeGreaterThan(0.005)
    expect(Number(share)).toBeLessThan(0.02)
    expect(query(path, 'select count(*) from orders where not json_valid(meta)')).toEqual([[0]])
    expect(query(path, 'select distinct is_paid from orders order by 1')).toEqual([[0], [1]])
  })

  test('wide has thirty columns and a NULL in some rows of each kind', async () => {
    const { path } = await dataFile(wide, 200, folder)
    expect(query(path, `select count(*) from pragma_table_info('wide')`)).toEqual([[30]])
    const nulls = query(path, 'select sum(i4 is null), sum(t1 is null), sum(m3 is null) from wide')
    expect(nulls[0]?.every((count) => Number(count) > 10)).toBe(true)
    expect(query(path, 'select distinct typeof(ratio), length(code) from wide')).toEqual([
      ['real', 32],
    ])
  })
})
