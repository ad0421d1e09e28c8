import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { connect, createServer, type AddressInfo } from 'node:net'
import path from 'node:path'
import { serverUser } from '@sensei/contracts/postgres-binaries'
import {
  freshDatabase,
  type OwnServer,
  server,
  startPostgres,
  urlOf,
} from '@sensei/contracts/servers'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openClient } from '../connection.ts'
import { parseTargetUrl } from '../settings.ts'

let folder: string
let encrypted: OwnServer

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'sensei-tls-'))
  chmodSync(folder, 0o755)
  authority('ca')
  authority('other')
  certificate('server')
  const user = serverUser()
  chmodSync(path.join(folder, 'server.key'), 0o600)
  if (user) chownSync(path.join(folder, 'server.key'), user.uid, user.gid)
  encrypted = await startPostgres({
    version: 15,
    settings: {
      ssl: 'on',
      ssl_cert_file: path.join(folder, 'server.crt'),
      ssl_key_file: path.join(folder, 'server.key'),
    },
  })
})

afterAll(async () => {
  await encrypted.remove()
  rmSync(folder, { recursive: true })
})

function openssl(...options: string[]): void {
  const done = spawnSync('openssl', options, { cwd: folder, encoding: 'utf8' })
  expect(done.status, done.stderr).toBe(0)
}

function authority(name: string): void {
  const self = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-subj',
    `/CN=${name}`,
  ]
  openssl(...self, '-keyout', `${name}.key`, '-out', `${name}.crt`)
}

/** For the name localhost, and not for 127.0.0.1. */
function certificate(name: string): void {
  writeFileSync(path.join(folder, 'extensions'), 'subjectAltName = DNS:localhost\n')
  const request = ['req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=localhost']
  openssl(...request, '-keyout', `${name}.key`, '-out', `${name}.csr`)
  const signed = ['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.crt', '-CAkey', 'ca.key']
  openssl(
    ...signed,
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    'extensions',
    '-out',
    `${name}.crt`,
  )
}

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
