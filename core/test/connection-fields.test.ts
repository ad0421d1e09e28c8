import {
  checkPassword,
  readConnectionFields,
  readConnectionName,
  redactedUrl,
} from '@sensei/core/connection-fields'
import { describe, expect, test } from 'vitest'

const good = { engine: 'postgres', host: 'db.example.com', database: 'shop', user: 'app' }
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBfzCCASWgAwIBAgIUGVJcVWl0fDbvRRDTBhCdWqT9iCcwCgYIKoZIzj0EAwIw
-----END CERTIFICATE-----
`

describe('what a connection may say', () => {
  test('host, port, database, user and TLS, verified unless it says otherwise', () => {
    expect(readConnectionFields(good)).toEqual({
      ...good,
      port: 5432,
      tls: { mode: 'verify-full', ca: null },
    })
  })

  test.each([
    '10.0.0.1',
    '::1',
    '2001:db8::7',
    'localhost',
    'a-b.c_d.example.',
    'xn--bcher-kva.example',
  ])('the host %s', (host) => expect(readConnectionFields({ ...good, host }).host).toBe(host))

  test('a name with spaces and letters of any script', () => {
    expect(readConnectionFields({ ...good, database: 'Büro 7', user: 'wörk er' })).toMatchObject({
      database: 'Büro 7',
    })
  })

  test('it is shown without a place for a secret, and what stands in it cannot change its shape', () => {
    const fields = readConnectionFields({ ...good, host: '::1', user: 'a:b@c/', database: 'x?y#z' })
    expect(redactedUrl(fields)).toBe('postgres://a%3Ab%40c%2F@[::1]:5432/x%3Fy%23z')
  })
})

describe('bad input 70: nothing is smuggled into a connection', () => {
  const smuggled: readonly (readonly [string, object])[] = [
    ['options', { options: '-c session_preload_libraries=x' }],
    ['service', { service: 'prod' }],
    ['passfile', { passfile: '/etc/passwd' }],
    ['sslrootcert', { sslrootcert: '/etc/passwd' }],
    ['sslkey', { sslkey: '/etc/passwd' }],
    ['hostaddr', { hostaddr: '127.0.0.1' }],
    ['a URL', { url: 'postgres://a@b/c' }],
    ['a password among the fields', { password: 'canary' }],
    ['__proto__', JSON.parse('{"__proto__": {"host": "x"}}') as object],
    ['application_name', { application_name: 'x' }],
    ['an unknown TLS parameter', { tls: { mode: 'require', cert: '/etc/passwd' } }],
    ['a socket folder as host', { host: '/var/run/postgresql' }],
    ['an abstract socket as host', { host: '@sensei' }],
    ['a list of hosts', { host: 'a.example,b.example' }],
    ['a host with a port', { host: 'a.example:6432' }],
    ['a host with credentials', { host: 'user:secret@a.example' }],
    ['a host with parameters', { host: 'a.example?options=x' }],
    ['a host with a path', { host: 'a.example/../x' }],
    ['a host with a line break', { host: 'a.example\nservice=x' }],
    ['a host with a space', { host: 'a.example service=x' }],
    ['an empty host', { host: '' }],
    ['a dotted nothing', { host: 'a..b' }],
    ['an address in disguise', { host: '2130706433' }],
    ['a hexadecimal address', { host: '0x7f000001' }],
    ['a short address', { host: '127.1' }],
    ['an address with a zone', { host: 'fe80::1%eth0' }],
    ['a connection string as database', { database: 'dbname=x host=/tmp' }],
    ['a URL as database', { database: 'postgres://a@b/c' }],
    ['a database with NUL', { database: 'a\0b' }],
    ['a database of 64 bytes', { database: 'ü'.repeat(32) }],
    ['a user with a line break', { user: 'a\r\nb' }],
    ['half a surrogate pair', { user: 'a\ud800' }],
    ['port 0', { port: 0 }],
    ['port 65,536', { port: 65_536 }],
    ['a port as text', { port: '5432' }],
    ['a file name as CA', { tls: { mode: 'verify-ca', ca: '/etc/passwd' } }],
    ['a CA that is no certificate', { tls: { mode: 'verify-ca', ca: CERTIFICATE } }],
    [
      'a private key as CA',
      {
        tls: {
          mode: 'verify-ca',
          ca: '-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----',
        },
      },
    ],
    ['a CA that nothing verifies with', { tls: { mode: 'require', ca: CERTIFICATE } }],
    ['TLS that may fall back to clear text', { tls: { mode: 'prefer' } }],
    ['another engine', { engine: 'file' }],
  ]

  test.each(smuggled)('%s is refused, and what it said is not repeated', (_, part) => {
    let message = ''
    try {
      readConnectionFields({ ...good, ...part })
      if (Object.hasOwn(part, '__proto__')) throw new Error('passed')
    } catch (error) {
      expect(error).toMatchObject({ code: 'CONNECTION_INVALID' })
      message = (error as Error).message
    }
    expect(message).not.toBe('')
    for (const secret of ['canary', '/etc/passwd', 'secret@']) expect(message).not.toContain(secret)
  })

  test.each([null, 'postgres://a@b/c', [], 7])('%j is no connection', (value) => {
    expect(() => readConnectionFields(value)).toThrow(
      expect.objectContaining({ code: 'CONNECTION_INVALID' }),
    )
  })

  test('negative control: the fields that were attacked pass when they are harmless', () => {
    expect(() => readConnectionFields({ ...good, tls: { mode: 'require' } })).not.toThrow()
  })
})

test('bad input 97: a name with line breaks or escapes is refused, and an unknown key is shown without them', () => {
  for (const name of ['a\r\nb', '\u001b[31mred', '', 'x'.repeat(201)]) {
    expect(() => readConnectionName(name)).toThrow(
      expect.objectContaining({ code: 'CONNECTION_INVALID' }),
    )
  }
  const key = 'x\u001b[31m\r\ny'
  try {
    readConnectionFields({ ...good, [key]: 1 })
    expect.unreachable()
  } catch (error) {
    expect((error as Error).message).toContain(String.raw`x\x1b[31m\x0d\x0ay`)
  }
})

test('a password has a length and no zero bytes', () => {
  for (const bytes of [Buffer.alloc(0), Buffer.from('a\0b'), Buffer.alloc(1_001, 1)]) {
    expect(() => checkPassword(bytes)).toThrow(
      expect.objectContaining({ code: 'CONNECTION_INVALID' }),
    )
  }
  expect(() => checkPassword(Buffer.from('pässword'))).not.toThrow()
})
