/** The TLS modes of DATABASE_URL, against a server that has TLS for the name localhost, and one that has none. */
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { serverUser } from '@sensei/contracts/postgres-binaries'
import { type OwnServer, server, startPostgres } from '@sensei/contracts/servers'
import { connect } from '@sensei/postgres/connection'
import { reachable } from '@sensei/postgres/external'
import { afterAll, beforeAll, expect, test } from 'vitest'

let folder: string
let encrypted: OwnServer

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'sensei-control-tls-'))
  chmodSync(folder, 0o755)
  for (const name of ['ca', 'other'])
    openssl(
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.crt`,
    )
  writeFileSync(path.join(folder, 'extensions'), 'subjectAltName = DNS:localhost\n')
  openssl(
    'req',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-subj',
    '/CN=localhost',
    '-keyout',
    'server.key',
    '-out',
    'server.csr',
  )
  openssl(
    'x509',
    '-req',
    '-in',
    'server.csr',
    '-CA',
    'ca.crt',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    'extensions',
    '-out',
    'server.crt',
  )
  const user = serverUser()
  const key = path.join(folder, 'server.key')
  chmodSync(key, 0o600)
  if (user) chownSync(key, user.uid, user.gid)
  const settings = { ssl: 'on', ssl_cert_file: path.join(folder, 'server.crt'), ssl_key_file: key }
  encrypted = await startPostgres({ version: 15, settings })
})

afterAll(async () => {
  await encrypted.remove()
  rmSync(folder, { recursive: true })
})

function openssl(...options: string[]): void {
  const done = spawnSync('openssl', options, { cwd: folder, encoding: 'utf8' })
  expect(done.status, done.stderr).toBe(0)
}

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

const ca = (name: string): string =>
  `sslrootcert=${encodeURIComponent(path.join(folder, `${name}.crt`))}`

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
