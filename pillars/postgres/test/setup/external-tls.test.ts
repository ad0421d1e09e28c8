/** The TLS modes of DATABASE_URL, against a server that has TLS for the name localhost, and one that has none. */
import { type OwnServer, server } from '@sensei/contracts/servers'
import { startTlsServer, type TlsServer } from '@sensei/contracts/tls-server'
import { connect } from '@sensei/postgres/door/connection'
import { reachable } from '@sensei/postgres/setup/external'
import { afterAll, beforeAll, expect, test } from 'vitest'

let tls: TlsServer
let encrypted: OwnServer

beforeAll(async () => {
  tls = await startTlsServer()
  encrypted = tls.server
})

afterAll(() => tls.remove())

async function isEncrypted(
  host: string,
  parameters: string,
  on = encrypted.port,
  password = encrypted.password,
) {
  const url = `postgres://postgres:${password}@${host}:${on}/postgres?${parameters}`
  const client = await connect(await reachable({ name: 'DATABASE_URL', url }))
  try {
    const { rows } = await client.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()')
    return rows[0]?.ssl as boolean
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
    'the wrong authority where only encryption was asked for',
    '127.0.0.1',
    () => `sslmode=require&${ca('other')}`,
  ],
])('%s is refused', async (_, host, parameters) => {
  await expect(isEncrypted(host, parameters())).rejects.toMatchObject({
    code: 'CONTROL_UNREACHABLE',
    message: expect.stringContaining('sslmode') as string,
  })
})

test.each(['require', 'verify-ca', 'verify-full'])(
  'with sslmode=%s a server without TLS is refused, not spoken to in clear',
  async (mode) => {
    const plain = await server(15)
    await expect(
      isEncrypted('127.0.0.1', `sslmode=${mode}`, plain.port, plain.password),
    ).rejects.toMatchObject({ code: 'CONTROL_UNREACHABLE' })
  },
)

test('without a mode a server without TLS is spoken to in clear', async () => {
  const plain = await server(15)
  expect(await isEncrypted('127.0.0.1', '', plain.port, plain.password)).toBe(false)
})
