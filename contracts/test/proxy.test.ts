import { Client } from 'pg'
import { expect, test } from 'vitest'
import { startProxy, type Verdict } from '../proxy.ts'
import { freshDatabase, server, urlOf } from '../servers.ts'

test.each<[Verdict, number]>([
  ['forward', 1],
  ['forward and cut', 1],
  ['cut', 0],
])('a COMMIT that the proxy meets with %j leaves %i rows', async (verdict, rows) => {
  const address = await server(18)
  const database = await freshDatabase(address)
  const proxy = await startProxy(address, ({ sql }) => (sql === 'commit' ? verdict : 'forward'))
  const direct = new Client({ connectionString: database.url })
  const proxied = new Client({
    connectionString: urlOf({ ...address, host: proxy.host, port: proxy.port }, database.name),
  })
  proxied.on('error', () => undefined)
  await Promise.all([direct.connect(), proxied.connect()])
  await direct.query('create table t (a text)')
  await proxied.query('begin')
  await proxied.query('insert into t values ($1)', ['x'.repeat(300_000)])
  const replied = await proxied.query('commit').then(
    () => true,
    () => false,
  )
  expect(replied).toBe(verdict === 'forward')
  const settled = async (): Promise<number> => {
    const others = await direct.query(
      'select from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()',
      [database.name],
    )
    return replied ? 0 : (others.rowCount ?? 0)
  }
  await expect.poll(settled, { timeout: 10_000 }).toBe(0)
  expect((await direct.query('select from t')).rowCount).toBe(rows)
  await Promise.all([direct.end(), proxied.end().catch(() => undefined)])
  await proxy.close()
  await database.drop()
})
