import { existsSync } from 'node:fs'
import { Client } from 'pg'
import { expect, test } from 'vitest'
import { freshDatabase, servers, startPostgres, urlOf } from '../servers.ts'

async function query(url: string, sql: string): Promise<unknown> {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    const { rows } = await client.query({ text: sql, rowMode: 'array' })
    return rows.at(-1)?.[0]
  } finally {
    await client.end()
  }
}

test('the shared servers are PostgreSQL 18 and 15, in UTF-8', async () => {
  const { pg18, pg15 } = await servers()
  for (const [server, major] of [
    [pg18, 18],
    [pg15, 15],
  ] as const) {
    const database = await freshDatabase(server)
    expect(await query(database.url, 'show server_version')).toMatch(new RegExp(`^${major}\\.`))
    expect(await query(database.url, 'show server_encoding')).toBe('UTF8')
    await database.drop()
    await expect(query(database.url, 'select 1')).rejects.toMatchObject({ code: '3D000' })
  }
})

test('a wrong password is refused', async () => {
  const { pg18 } = await servers()
  const wrong = urlOf({ ...pg18, password: 'wrong' }, 'postgres')
  await expect(query(wrong, 'select 1')).rejects.toMatchObject({ code: '28P01' })
})

test('a server that was killed with SIGKILL comes back with what it had committed', async () => {
  const server = await startPostgres({ version: 18 })
  const url = urlOf(server, 'postgres')
  await query(url, 'create table kept as select 7 as id')
  const open = new Client({ connectionString: url })
  open.on('error', () => undefined)
  await open.connect()
  await open.query('begin; insert into kept values (8)')
  await server.kill9()
  await expect(query(url, 'select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  await server.start()
  expect(await query(url, 'select sum(id)::int from kept')).toBe(7)
  await server.stop()
  await server.start()
  expect(await query(url, 'select sum(id)::int from kept')).toBe(7)
  await server.remove()
  expect(existsSync(server.dataFolder)).toBe(false)
})
