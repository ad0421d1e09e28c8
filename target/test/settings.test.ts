import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { inspect } from 'node:util'
import { freshDatabase, server, urlOf } from '@sensei/contracts/servers'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { findPassword, passwordFromFile } from '../pgpass.ts'
import { parseTargetUrl, urlWithoutSecrets } from '../settings.ts'
import { openTarget } from '../target.ts'

afterEach(() => vi.unstubAllEnvs())

describe('the URL', () => {
  test('gives structured fields, percent signs decoded', () => {
    const settings = parseTargetUrl(
      'postgresql://a%40b:p%2Fw@[::1]:5433/my%20db?sslmode=require&connect_timeout=3',
    )
    expect(settings).toMatchObject({
      user: 'a@b',
      host: '::1',
      port: 5433,
      database: 'my db',
      tls: 'require',
      connectTimeoutMs: 3_000,
    })
    expect(settings.password()).toBe('p/w')
    expect(urlWithoutSecrets(settings)).toBe('postgres://a%40b@[::1]:5433/my%20db?sslmode=require')
  })

  test('never shows its password', () => {
    const settings = parseTargetUrl('postgres://u:canary@h/d')
    expect(inspect(settings, { showHidden: false, depth: 9 })).not.toContain('canary')
    expect(JSON.stringify(settings)).not.toContain('canary')
    expect(urlWithoutSecrets(settings)).not.toContain('canary')
  })

  test.each([
    'postgres://h/d?options=-c%20role%3Dx',
    'postgres://h/d?service=prod',
    'postgres://h/d?passfile=/etc/passwd',
    'postgres://h/d?host=/var/run/postgresql',
    'postgres://h/d?sslmode=allow',
    'postgres://h/d?connect_timeout=0',
    'mysql://h/d',
    'postgres',
    'postgres://u:100%@h/d',
  ])('bad input 70: %s is refused', (url) => {
    expect(() => parseTargetUrl(url)).toThrow(expect.objectContaining({ code: 'URL_INVALID' }))
  })

  test('the password comes from the URL, the environment, its file, or the password file, in this order', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'sensei-settings-'))
    try {
      const file = path.join(folder, 'pgpass')
      writeFileSync(file, 'h:5432:d:u:from pgpass\n', { mode: 0o600 })
      writeFileSync(path.join(folder, 'secret'), 'from file\n')
      const password = (url = 'postgres://u@h/d'): string | null => parseTargetUrl(url).password()
      vi.stubEnv('PGPASSFILE', file)
      expect(password()).toBe('from pgpass')
      vi.stubEnv('SENSEI_TARGET_PASSWORD_FILE', path.join(folder, 'secret'))
      expect(password()).toBe('from file')
      vi.stubEnv('SENSEI_TARGET_PASSWORD', 'from environment')
      expect(password()).toBe('from environment')
      expect(password('postgres://u:from%20url@h/d')).toBe('from url')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('the password file', () => {
  const question = { host: 'h', port: 5432, database: 'd', user: 'u' }

  test.each([
    ['h:5432:d:u:secret', 'secret'],
    ['*:*:*:*:se:cr\\\\et', 'se:cr\\et'],
    ['# h:5432:d:u:no\nother:5432:d:u:no\n*:*:d:u:yes', 'yes'],
    ['h:5433:d:u:no', null],
    ['h:5432:d:u', null],
  ])('%j gives %j', (text, password) => {
    expect(findPassword(text, question)).toBe(password)
  })

  test('is ignored when others can read it', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'sensei-pgpass-'))
    const file = path.join(folder, 'pgpass')
    writeFileSync(file, '*:*:*:*:secret', { mode: 0o644 })
    expect(passwordFromFile(question, file)).toBeNull()
    rmSync(folder, { recursive: true })
  })
})

describe('what stands in the way of a connection is named, without a secret', () => {
  test('a port where nobody listens', async () => {
    const closed = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => closed.once('listening', resolve))
    const address = closed.address()
    const port = typeof address === 'object' ? address?.port : 0
    await new Promise((resolve) => closed.close(resolve))
    await expect(openTarget(`postgres://u:canary@127.0.0.1:${port}/d`)).rejects.toMatchObject({
      code: 'TARGET_UNREACHABLE',
      exitCode: 5,
      message: expect.stringContaining(`127.0.0.1:${port}`),
    })
  })

  test('a wrong password, a missing one and a missing database', async () => {
    const address = await server(18)
    const fails = async (url: string): Promise<string> => {
      const error = await openTarget(url).then(
        () => expect.fail('it connected'),
        (refused: Error & { code: string }) => refused,
      )
      expect(error.code).toBe('TARGET_UNREACHABLE')
      expect(inspect(error, { depth: 9 })).not.toContain('canary')
      return error.message
    }
    vi.stubEnv('PGPASSFILE', '/nonexistent')
    expect(await fails(urlOf({ ...address, password: 'canary' }, 'postgres'))).toContain(
      'SENSEI_TARGET_PASSWORD',
    )
    const none = `postgres://${address.user}@${address.host}:${address.port}/postgres`
    expect(await fails(none)).toContain('SENSEI_TARGET_PASSWORD')
    expect(await fails(urlOf(address, 'no_such_database'))).toContain('CREATE DATABASE')
    expect(await fails(`${urlOf(address, 'postgres')}?sslmode=require`)).toContain('sslmode')
  })

  test('a target names itself without its password, and its identity by system and database', async () => {
    const address = await server(18)
    const database = await freshDatabase(address)
    const target = await openTarget(database.url)
    expect(target.url).toBe(`postgres://postgres@127.0.0.1:${address.port}/${database.name}`)
    const facts = await target.inspect()
    expect(facts).toMatchObject({ database: database.name, encoding: 'UTF8', role: 'postgres' })
    expect(facts.identity).toContain(facts.systemIdentifier)
    await target.close()
    await database.drop()
  })
})
