import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { quoteIdent } from '@sensei/core/sql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createShop, type ShopFacts } from '../shop.ts'

let folder: string
let facts: ShopFacts
let shop: DatabaseSync

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sensei-shop-'))
  facts = await createShop(join(folder, 'shop.db'))
  shop = new DatabaseSync(facts.path, { readOnly: true })
})

afterAll(async () => {
  shop.close()
  await rm(folder, { recursive: true })
})

function count(sql: string): number {
  return Number(Object.values(shop.prepare(sql).get() ?? {})[0])
}

function names(sql: string): string[] {
  return shop
    .prepare(sql)
    .all()
    .map((row) => String(Object.values(row)[0]))
}

/** The digest of everything in a file: the text of its schema and every cell with its storage class. */
function contentDigest(path: string): string {
  const database = new DatabaseSync(path, { readOnly: true })
  const digest = createHash('sha256')
  const objects = database.prepare('select type, name, sql from sqlite_schema order by type, name')
  for (const { type, name, sql } of objects.all()) {
    digest.update(`${JSON.stringify([type, name, sql])}\n`)
    if (type !== 'table') continue
    const columns = database.prepare('select name from pragma_table_info(?)').all(String(name))
    const cells = columns.map((column) => `quote(${quoteIdent(String(column.name))})`)
    const lines = database.prepare(
      `select ${cells.join(" || ',' || ")} as line from ${quoteIdent(String(name))}`,
    )
    for (const { line } of lines.iterate()) digest.update(`${String(line)}\n`)
  }
  database.close()
  return digest.digest('hex')
}

describe('the sample shop', () => {
  test('is the same for the same seed and another for another', async () => {
    const make = async (name: string, seed: number) => {
      const path = join(folder, name)
      await createShop(path, { seed, scale: 0.02 })
      return contentDigest(path)
    }
    const first = await make('a.db', 7)
    expect(await make('b.db', 7)).toBe(first)
    expect(await make('c.db', 8)).not.toBe(first)
  })

  test('has at least 14 tables and about 230,000 rows, and says so exactly', () => {
    expect(Object.keys(facts.tables).length).toBeGreaterThanOrEqual(14)
    expect(facts.rows).toBeGreaterThan(220_000)
    expect(facts.rows).toBeLessThan(240_000)
    for (const [table, rows] of Object.entries(facts.tables)) {
      expect([table, count(`select count(*) from ${quoteIdent(table)}`)]).toEqual([table, rows])
    }
  })

  test('is a sound database that nothing was left beside', async () => {
    expect(names('pragma integrity_check')).toEqual(['ok'])
    expect(names('pragma journal_mode')).toEqual(['delete'])
    expect(
      count("select count(*) from pragma_table_list where schema = 'main' and \"type\" = 'table'"),
    ).toBe(Object.keys(facts.tables).length + 2)
  })

  test('takes the place of what stood at its path', async () => {
    const path = join(folder, 'twice.db')
    await createShop(path, { scale: 0.05 })
    const again = await createShop(path, { scale: 0.02 })
    const database = new DatabaseSync(path, { readOnly: true })
    expect(database.prepare('select count(*) as rows from payment').get()).toEqual({
      rows: again.tables.payment,
    })
    database.close()
  })

  test('keeps every kind of oddity at a small scale too', async () => {
    const small = await createShop(join(folder, 'small.db'), { scale: 0.02 })
    expect(small.oddities.stockTexts).toBeGreaterThan(0)
    expect(small.oddities.orphanReviews).toBe(7)
    expect(Object.values(small.oddities.impossibleShipDates).some((rows) => rows > 0)).toBe(true)
  })
})

describe('the oddities of values are there in the numbers given', () => {
  test('texts in a column declared INTEGER', () => {
    const sql = `select count(*) from "Product" where typeof(stock) =`
    expect(count(`${sql} 'text'`)).toBe(facts.oddities.stockTexts)
    expect(count(`${sql} 'null'`)).toBe(facts.oddities.stockNulls)
    expect(facts.oddities.stockTexts).toBeGreaterThan(0)
  })

  test('birthdays in three forms', () => {
    const { birthdays, birthdayNulls } = facts.oddities
    const like = (pattern: string) =>
      count(`select count(*) from "user" where birthday like '${pattern}'`)
    expect(like('____-__-__')).toBe(birthdays.iso)
    expect(like('____/__/__')).toBe(birthdays.slashed)
    expect(like('__.__.____')).toBe(birthdays.dotted)
    expect(count('select count(*) from "user" where birthday is null')).toBe(birthdayNulls)
    const all = Object.values(birthdays).reduce((sum, rows) => sum + rows, birthdayNulls)
    expect(all).toBe(facts.tables.user)
  })

  test('dates that no calendar holds', () => {
    for (const [value, rows] of Object.entries(facts.oddities.impossibleShipDates)) {
      expect(rows).toBeGreaterThan(0)
      expect(count(`select count(*) from "order" where ship_date = '${value}'`)).toBe(rows)
    }
    expect(count('select count(*) from "order" where ship_date is null')).toBe(
      facts.oddities.shipDateNulls,
    )
  })

  test('timestamps with offsets', () => {
    for (const [offset, rows] of Object.entries(facts.oddities.paymentOffsets)) {
      expect(count(`select count(*) from payment where paid_at like '%T%${offset}'`)).toBe(rows)
    }
  })

  test('NULL beside the empty string, and NULL beside the empty blob', () => {
    const { oddities } = facts
    expect(count('select count(*) from "user" where phone is null')).toBe(oddities.phoneNulls)
    expect(count(`select count(*) from "user" where phone = ''`)).toBe(oddities.phoneEmpty)
    expect(count('select count(*) from "order" where note is null')).toBe(oddities.noteNulls)
    expect(count(`select count(*) from "order" where note = ''`)).toBe(oddities.noteEmpty)
    const image = 'select count(*) from product_image where'
    expect(count(`${image} thumbnail is null`)).toBe(oddities.thumbnailNulls)
    expect(count(`${image} typeof(thumbnail) = 'blob' and length(thumbnail) = 0`)).toBe(
      oddities.thumbnailEmpty,
    )
  })

  test('names that look alike and differ in their bytes', () => {
    const all = names('select name from category')
    const alike = new Set(all.map((name) => name.normalize('NFC')))
    expect(new Set(all).size - alike.size).toBe(facts.oddities.normalisationTwins)
  })

  test('rows that equal another in a table without any key', () => {
    const distinct = count('select count(*) from (select distinct * from event_log)')
    expect((facts.tables.event_log ?? 0) - distinct).toBe(facts.oddities.duplicateEvents)
    expect(facts.oddities.duplicateEvents).toBeGreaterThan(0)
    expect(names(`select name from pragma_index_list('event_log') where "unique"`)).toEqual([])
  })

  test('integers that a double cannot hold', () => {
    const kept = count(
      `select count(*) from payment
       where typeof(gateway_ref) = 'integer' and cast(cast(gateway_ref as real) as integer) <> gateway_ref`,
    )
    expect(kept).toBe(facts.oddities.integersBeyondDouble)
  })

  test('decimals by affinity, booleans as 0 and 1, JSON and UUIDs as text', () => {
    expect(names('select distinct typeof(price) from "Product" order by 1')).toEqual([
      'integer',
      'real',
    ])
    expect(names('select distinct newsletter from "user" order by 1')).toEqual(['0', '1'])
    expect(count('select count(*) from "Product" where not json_valid(attributes)')).toBe(0)
    expect(count('select count(*) from payment where length(id) <> 36')).toBe(0)
  })
})

test('the losses that the demo accepts are few, and each touches the rows it says', () => {
  const rows = (where: string) => count(`select count(*) from ${where}`)
  expect(facts.lossRows).toEqual({
    'date-formats-unified:user.birthday': rows(`"user" where birthday not like '____-__-__'`),
    'invalid-date-to-null:order.ship_date': rows('"order" where date(ship_date) is not ship_date'),
    'mixed-to-text:Product.stock': rows(`"Product" where typeof(stock) = 'integer'`),
    'orphans-not-valid:review.review_productId_fkey': rows(`pragma_foreign_key_check('review')`),
    'timestamp-offset:payment.paid_at': rows(`payment where paid_at not like '%Z'`),
  })
  expect(facts.losses).toEqual(Object.keys(facts.lossRows))
})

describe('the oddities of the schema are there', () => {
  test('orphans are the only broken references', () => {
    const broken = shop.prepare('pragma foreign_key_check').all()
    expect(broken.length).toBe(facts.oddities.orphanReviews)
    expect(new Set(broken.map((row) => [row.table, row.parent].join()))).toEqual(
      new Set(['review,Product']),
    )
  })

  test('sequences stand past the largest id', () => {
    for (const [table, last] of Object.entries(facts.oddities.sequences)) {
      expect(count(`select seq from sqlite_sequence where name = '${table}'`)).toBe(last)
      expect(count(`select max(id) from ${quoteIdent(table)}`)).toBeLessThan(last)
    }
  })

  test('views, triggers, virtual tables and their shadows are the ones named', () => {
    const { views } = facts
    const named = names(`select name from sqlite_schema where type = 'view' order by name`)
    expect(named).toEqual([...views.portable, ...views.sqliteOnly].sort())
    for (const view of named) expect(count(`select count(*) from ${view}`)).toBeGreaterThan(0)
    expect(names(`select name from sqlite_schema where type = 'trigger'`)).toEqual(facts.triggers)
    const list = (type: string) =>
      names(`select name from pragma_table_list where type = '${type}' order by name`)
    expect(list('virtual')).toEqual(facts.virtualTables)
    expect(list('shadow')).toEqual(facts.shadowTables)
  })

  test('STRICT, WITHOUT ROWID and generated columns of both kinds', () => {
    const list = (flag: string) =>
      names(
        `select name from pragma_table_list
         where schema = 'main' and type = 'table' and ${flag} order by name`,
      )
    expect(list('strict')).toEqual(['coupon', 'stock_movement'])
    expect(list('wr')).toEqual(['address', 'group_member'])
    const hidden = names(
      `select hidden from pragma_table_xinfo('Product') where hidden > 0 order by 1`,
    )
    expect(hidden).toEqual(['2', '3'])
  })

  test('a table that refers to itself, a cycle of two, and a deferred reference', () => {
    const parents = (table: string) =>
      names(`select "table" from pragma_foreign_key_list('${table}') order by 1`)
    expect(parents('category')).toEqual(['category'])
    expect(parents('employee')).toEqual(['department', 'employee'])
    expect(parents('department')).toEqual(['employee'])
    expect(names(`select sql from sqlite_schema where name = 'department'`)[0]).toContain(
      'initially deferred',
    )
  })
})
