import { connect, createServer, type AddressInfo } from 'node:net'
import { freshDatabase, type OwnServer, server, urlOf } from '@sensei/contracts/servers'
import { startTlsServer, type TlsServer } from '@sensei/contracts/tls-server'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openClient } from '../connection.ts'
import { parseTargetUrl } from '../settings.ts'

let tls: TlsServer
let encrypted: OwnServer

beforeAll(async () => {
  tls = await startTlsServer()
  encrypted = tls.server
})

afterAll(() => tls.remove())

async function isEncrypted(host: string, parameters: string): Promise<boolean> {
  const url = `${urlOf({ ...encrypted, host }, 'postgres')}?${parameters}`
  const client = await openClient(parseTargetUrl(url), 'test')
  try {
    const { rows } = await client.query<{ ssl: boolean }>(
      'select ssl from pg_stat_ssl where pid = pg_backend_pid()',
    )
    return rows[0]?.ssl === true
  } finally {
    await client.end()
  }
}

const ca = (name: 'ca' | 'other'): string =>
  `sslrootcert=${encodeURIComponent(tls.authority(name))}`

test.each([
  ['127.0.0.1', () => '', true],
  ['127.0.0.1', () => 'sslmode=disable', false],
  ['127.0.0.1', () => 'sslmode=require', true],
  ['127.0.0.1', () => `sslmode=verify-ca&${ca('ca')}`, true],
  ['localhost', () => `sslmode=verify-full&${ca('ca')}`, true],
])('%s %s', async (host, parameters, expected) => {
  expect(await isEncrypted(host, parameters())).toBe(expected)
})

test.each([
  ['the wrong authority', '127.0.0.1', () => `sslmode=verify-ca&${ca('other')}`],
  ['an authority that nobody named', 'localhost', () => 'sslmode=verify-full'],
  ['another name', '127.0.0.1', () => `sslmode=verify-full&${ca('ca')}`],
  [
    'the wrong authority, also where only encryption was asked for',
    '127.0.0.1',
    () => `sslmode=require&${ca('other')}`,
  ],
])('bad input 74: %s is refused', async (_, host, parameters) => {
  await expect(isEncrypted(host, parameters())).rejects.toMatchObject({
    code: 'TARGET_UNREACHABLE',
    message: expect.stringContaining('sslmode'),
  })
})

test.each(['require', 'verify-ca', 'verify-full'])(
  'bad input 74: with sslmode=%s a server without TLS is refused, not spoken to in clear',
  async (mode) => {
    const plain = await server(15)
    const url = `${urlOf(plain, 'postgres')}?sslmode=${mode}`
    await expect(openClient(parseTargetUrl(url), 'test')).rejects.toMatchObject({
      code: 'TARGET_UNREACHABLE',
    })
  },
)

/** Stands before a server and counts who asks it for TLS. */
async function asked(port: number) {
  let questions = 0
  let behind = port
  const proxy = createServer((client) => {
    const upstream = connect(behind, '127.0.0.1')
    client.once('data', (first) => {
      if (first.length === 8 && first.readUInt32BE(4) === 80_877_103) questions += 1
    })
    client.pipe(upstream).pipe(client)
    client.on('error', () => upstream.destroy())
    upstream.on('error', () => client.destroy())
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  return {
    port: (proxy.address() as AddressInfo).port,
    questions: () => questions,
    lead: (to: number) => {
      behind = to
    },
    close: () => proxy.close(),
  }
}

test('a server that has no TLS is asked for it once, and again when it does not let anybody in', async () => {
  const plain = await server(15)
  const proxy = await asked(plain.port)
  const url = new URL(urlOf(plain, 'postgres'))
  url.port = String(proxy.port)
  const settings = parseTargetUrl(url.href)
  for (let times = 0; times < 3; times += 1) await (await openClient(settings, 'test')).end()
  expect(proxy.questions()).toBe(1)
  // Nothing listens there.
  proxy.lead(1)
  await expect(openClient(settings, 'test')).rejects.toMatchObject({ code: 'TARGET_UNREACHABLE' })
  proxy.lead(plain.port)
  await (await openClient(settings, 'test')).end()
  expect(proxy.questions()).toBe(2)
  proxy.close()
})

test('a session writes values as text in one way, whatever the database prefers', async () => {
  const address = await server(15)
  const database = await freshDatabase(address)
  const owner = new Client({ connectionString: database.url })
  await owner.connect()
  for (const setting of [
    "timezone to 'Asia/Tokyo'",
    'datestyle to German',
    'intervalstyle to sql_standard',
    'bytea_output to escape',
    'statement_timeout to 1000',
    'standard_conforming_strings to off',
    'search_path to elsewhere',
    'default_transaction_isolation to serializable',
  ]) {
    await owner.query(`alter database ${database.name} set ${setting}`)
  }
  await owner.end()
  const client = await openClient(parseTargetUrl(database.url), 'worker')
  const { rows } = await client.query(
    String.raw`select '2024-02-01 00:00+00'::timestamptz::text as instant, '1 day'::interval::text as span,
      '\x00ff'::bytea::text as bytes, '\' as backslash, current_setting('statement_timeout') as timeout,
      current_setting('search_path') as path, current_setting('application_name') as name,
      current_setting('transaction_isolation') as isolation`,
  )
  expect(rows[0]).toEqual({
    instant: '2024-02-01 00:00:00+00',
    span: '1 day',
    bytes: '\\x00ff',
    backslash: '\\',
    timeout: '0',
    path: '""',
    name: 'sensei/worker',
    isolation: 'read committed',
  })
  await client.end()
  await database.drop()
})
