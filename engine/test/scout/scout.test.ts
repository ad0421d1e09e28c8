import { randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { freshDatabase, server } from '@sensei/contracts/servers'
import { expect, test } from 'vitest'
import { openHouse } from '../support/house.ts'
import { sourceFile } from '../support/sources.ts'

test('a copy whose taker was killed before it wrote it down does not stay', async () => {
  const house = await openHouse()
  const database = await freshDatabase(await server(18))
  try {
    const source = sourceFile()
    source.run(`create table t (id integer primary key); insert into t values (1)`)
    const id = randomUUID()
    const folder = `${house.session.privateFolder}/copies/${id}`
    mkdirSync(folder, { recursive: true })
    writeFileSync(`${folder}/sqlite-left.copy`, 'left')
    let seen: readonly string[] = []
    const ends = { sourceUrl: source.url, targetUrl: database.url }
    const outcome = await house.conduct(ends, {
      id,
      options: { validate: false },
      approve: async () => {
        seen = house.copies(id)
        return true
      },
    })
    expect(outcome.error).toBe(null)
    expect(seen).toHaveLength(1)
    expect(seen).not.toContain('sqlite-left.copy')
    expect(house.copies(id)).toEqual([])
  } finally {
    await database.drop()
    await house.close()
  }
}, 120_000)

test('a source without tables is refused with what to do', async () => {
  const house = await openHouse()
  const database = await freshDatabase(await server(18))
  try {
    const source = sourceFile()
    source.run('pragma user_version = 1; create table t (id integer)')
    const ends = { sourceUrl: source.url, targetUrl: database.url }
    const outcome = await house.conduct(ends, { options: { include: ['nothing*'] } })
    expect([outcome.state, outcome.error?.code]).toEqual(['failed', 'USAGE'])
    expect(outcome.error?.message).toContain('--include')
    source.run('drop table t; create view v as select 1; create view w as select 2')
    const bare = await house.conduct(ends, {})
    expect([bare.state, bare.error?.code]).toEqual(['failed', 'USAGE'])
    expect(bare.error?.message).toContain('no tables, only 2 views, which are carried only with')
    source.run('drop view v; drop view w; create virtual table notes using fts5(body)')
    const virtual = await house.conduct(ends, {})
    expect(virtual.error?.message).toContain(
      'only 1 virtual table and 5 shadow tables, which are not carried',
    )
  } finally {
    await database.drop()
    await house.close()
  }
}, 120_000)
