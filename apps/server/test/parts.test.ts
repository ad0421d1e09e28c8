import { randomUUID } from 'node:crypto'
import type { LogWriter } from '@sensei/apps/pillars'
import { SenseiError } from '@sensei/core/errors'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { SESSION_COOKIE, sessionTokenIn } from '../cookies.ts'
import { holdsKey, serverLog } from '../log.ts'
import { LoginAttempts } from '../login-attempts.ts'
import { wantedVersion } from '../preconditions.ts'
import { problemOf, shownPath } from '../problems.ts'
import { requestId } from '../request-id.ts'
import { keptByTenant } from '../tenant-log.ts'

test.each([
  [undefined, null],
  ['', null],
  [`a=1; ${SESSION_COOKIE}=token; b=2`, 'token'],
  [`${SESSION_COOKIE}=one; ${SESSION_COOKIE}=two`, null],
  [`x${SESSION_COOKIE}=token`, null],
])('of the cookies %j the session is %j', (header, token) => {
  expect(sessionTokenIn(header)).toBe(token)
})

test.each([
  ['/v1/api-keys?key=sns_live_abc', true],
  ['/v1/%73ns%5flive_abc', true],
  ['/v1/SNS_TEST_abc', true],
  ['/v1/migrations?status=running', false],
])('%s holds a key: %s', (address, holds) => {
  expect(holdsKey(address)).toBe(holds)
  expect(shownPath(address)).toBe(holds ? '/[redacted]' : '/v1/migrations')
})

test.each(['trace-1.2_3', 'x'.repeat(128)])('the request id %s is taken over', (id) => {
  expect(requestId({ headers: { 'x-request-id': id } })).toBe(id)
})

test.each(['', 'a b', 'a\r\nb', 'x'.repeat(129), '<b>'])('the request id %j is not', (id) => {
  expect(requestId({ headers: { 'x-request-id': id } })).toMatch(/^[0-9a-f-]{36}$/)
})

test('If-Match takes one strong ETag of a version and nothing else', () => {
  expect(wantedVersion({ headers: { 'if-match': '"7"' } })).toBe(7)
  for (const other of ['*', '7', 'W/"7"', '"7", "8"', '"-1"', '"x"']) {
    expect(() => wantedVersion({ headers: { 'if-match': other } }), other).toThrow('If-Match')
  }
})

test('a line of the log drops secrets by name, cuts keys wherever they stand, and moves no terminal', () => {
  const lines: string[] = []
  const log = serverLog({ write: (line: string) => Boolean(lines.push(line)) }, 'info')
  const key = `sns_live_${'a'.repeat(43)}_bbbbbb`
  log.info(
    { password: 'hunter2', headers: { authorization: `Bearer ${key}`, cookie: 'c=1' }, key },
    `failed for ${key}\r\n\u001b[2J\u009b\u202e`,
  )
  const [line = ''] = lines
  expect(line).not.toMatch(/hunter2|aaaa|c=1/)
  // oxlint-disable-next-line no-control-regex
  expect(line.trimEnd()).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/)
  expect(JSON.parse(line)).toMatchObject({
    key: 'sns_live_[redacted]',
    msg: 'failed for sns_live_[redacted]\r\n\u001b[2J\u009b\u202e',
  })
})

type Kept = readonly [orgId: string, entry: Parameters<LogWriter['add']>[1]]

function kept(): { take: (line: string) => void; entries: Kept[] } {
  const entries: Kept[] = []
  return { entries, take: keptByTenant({ add: (...entry) => void entries.push(entry) }) }
}

const nowhere = { write: () => true }

test('an organization gets the lines that name it, as safe as on stderr, and of them the fields of a list', () => {
  const { take, entries } = kept()
  const log = serverLog(nowhere, 'info', take)
  const [orgId, migrationId] = [randomUUID(), randomUUID()]
  const key = `sns_live_${'a'.repeat(43)}_bbbbbb`
  const url = 'postgres://app:hunter2@db.example.com/shop'
  log.warn(
    { org_id: orgId, migration_id: migrationId, status: 503, stack: 'at x', why: 'y', path: url },
    `failed for ${key} at ${url}`,
  )
  log.warn({ status: 503 }, 'nobody’s')
  log.warn({ org_id: { id: orgId } }, 'nobody’s either')
  expect(entries).toEqual([
    [
      orgId,
      {
        at: expect.any(Date),
        level: 'warn',
        component: 'server',
        message: 'failed for sns_live_[redacted] at postgres://app:[redacted]@db.example.com/shop',
        fields: { status: 503, path: 'postgres://app:[redacted]@db.example.com/shop' },
        migrationId,
      },
    ],
  ])
})

test('negative control: lines that nothing made safe would carry the key and the password on', () => {
  const { take, entries } = kept()
  const key = `sns_live_${'a'.repeat(43)}_bbbbbb`
  const raw = pino({ timestamp: pino.stdTimeFunctions.isoTime }, { write: take })
  raw.info({ org_id: randomUUID() }, `failed for ${key} at postgres://app:hunter2@db/shop`)
  expect(JSON.stringify(entries)).toMatch(new RegExp(`${key}.*hunter2`))
})

test('a fault of ours says nothing about itself', () => {
  const fault = new SenseiError('SNAPSHOT_LOST', 'the file /secret/path is gone')
  expect(problemOf(fault, 'r', '/')).toMatchObject({ status: 500, code: 'INTERNAL' })
  expect(JSON.stringify(problemOf(fault, 'r', '/'))).not.toContain('/secret')
})

test('failed logins are counted, others are not, and who got in before is forgiven', async () => {
  const failures: number[] = []
  const attempts = new LoginAttempts(() => failures.push(1))
  const wrong = () => Promise.reject(new SenseiError('UNAUTHENTICATED', 'wrong'))
  const away = () => Promise.reject(new SenseiError('CONTROL_UNREACHABLE', 'away'))
  const refused = (work: Promise<unknown>) => work.then(String, (error: SenseiError) => error.code)
  for (let n = 0; n < 30; n++) {
    expect(await refused(attempts.count('a@x.com', '10.0.0.1', away))).toBe('CONTROL_UNREACHABLE')
  }
  expect(failures).toEqual([])
  for (let n = 0; n < 10; n++) {
    expect(await refused(attempts.count('a@x.com', '10.0.0.1', wrong))).toBe('UNAUTHENTICATED')
  }
  expect(await refused(attempts.count('A@X.com', '10.0.0.1', wrong))).toBe('RATE_LIMITED')
  expect(failures).toHaveLength(10)
  // From elsewhere the person himself still gets in.
  expect(await refused(attempts.count('a@x.com', '10.0.0.2', () => Promise.resolve('in')))).toBe(
    'in',
  )
})
