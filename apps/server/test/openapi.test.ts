import { Writable } from 'node:stream'
import { openPlatform, type Platform } from '@sensei/apps/pillars'
import fastify, { type FastifyInstance } from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { authenticateRequests } from '../auth.ts'
import { LoginAttempts } from '../login-attempts.ts'
import { serverLog } from '../log.ts'
import { metricsRegistry } from '../metrics.ts'
import { buildServer } from '../server.ts'

let platform: Platform
let app: FastifyInstance

/** Nothing here asks the database: that there is none at this port is part of the test. */
beforeAll(async () => {
  const control = { host: '127.0.0.1', port: 1, user: 'x', password: 'x', database: 'x' }
  const encryption = { kind: 'file', file: '/nowhere' } as const
  platform = await openPlatform({ control, keyMode: 'live', encryption })
  app = await buildServer({
    log: serverLog(new Writable({ write: (_part, _encoding, done) => done() }), 'silent'),
    platform,
    cursorKey: Buffer.alloc(32),
    attempts: new LoginAttempts(),
    registry: metricsRegistry(() => platform.load),
    trustedProxies: [],
    draining: () => false,
    ping: () => platform.ping(),
  })
})

afterAll(async () => {
  await app?.close()
  await platform?.close()
})

interface Operation {
  readonly operationId: string
  readonly security?: readonly object[]
  readonly responses: Readonly<Record<string, { content?: Record<string, object> }>>
}

async function description() {
  const { body } = await app.inject({ method: 'GET', url: '/openapi.json' })
  return JSON.parse(body) as {
    openapi: string
    paths: Record<string, Record<string, Operation>>
    components: { schemas: Record<string, object> }
  }
}

async function operations(): Promise<[string, Operation][]> {
  const { paths } = await description()
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      one,
    ]),
  )
}

test('the operations are these, by names that clients are generated from', async () => {
  const named = Object.fromEntries(
    (await operations()).map(([route, { operationId }]) => [operationId, route]),
  )
  expect(named).toEqual({
    getHealth: 'GET /healthz',
    getReadiness: 'GET /readyz',
    getOrganization: 'GET /v1/organization',
    changeOrganization: 'PATCH /v1/organization',
    listMembers: 'GET /v1/members',
    addMember: 'POST /v1/members',
    getMember: 'GET /v1/members/{id}',
    changeMemberRole: 'PATCH /v1/members/{id}',
    removeMember: 'DELETE /v1/members/{id}',
    listApiKeys: 'GET /v1/api-keys',
    createApiKey: 'POST /v1/api-keys',
    getApiKey: 'GET /v1/api-keys/{id}',
    revokeApiKey: 'DELETE /v1/api-keys/{id}',
    logIn: 'POST /v1/sessions',
    listSessions: 'GET /v1/sessions',
    logOut: 'DELETE /v1/sessions/current',
    revokeSession: 'DELETE /v1/sessions/{id}',
    listConnections: 'GET /v1/connections',
    createConnection: 'POST /v1/connections',
    getConnection: 'GET /v1/connections/{id}',
    changeConnection: 'PATCH /v1/connections/{id}',
    removeConnection: 'DELETE /v1/connections/{id}',
    listMigrations: 'GET /v1/migrations',
    getMigration: 'GET /v1/migrations/{id}',
    listMigrationEvents: 'GET /v1/migrations/{id}/events',
    listAgents: 'GET /v1/migrations/{id}/agents',
    listPlans: 'GET /v1/migrations/{id}/plans',
    getPlan: 'GET /v1/migrations/{id}/plans/{version}',
    diffPlans: 'GET /v1/migrations/{id}/plans/{version}/diff',
    suggestMappings: 'GET /v1/migrations/{id}/suggestions',
    listLossyMappings: 'GET /v1/plans/lossy-mappings',
    listDeclaredLosses: 'GET /v1/plans/declared-losses',
    countMigrationsBySource: 'GET /v1/plans/sources',
    searchLogs: 'GET /v1/logs',
    searchAuditLog: 'GET /v1/audit-log',
    reportThroughput: 'GET /v1/reports/throughput',
    reportFailures: 'GET /v1/reports/failures',
    reportPhases: 'GET /v1/reports/phases',
    reportRows: 'GET /v1/reports/rows',
  })
})

test('it is OpenAPI 3.1, every reference leads somewhere, and nothing is described that nobody uses', async () => {
  const found = await description()
  expect(found.openapi).toBe('3.1.0')
  const refs = JSON.stringify(found).matchAll(/"#\/components\/schemas\/([^"]+)"/g)
  const used = new Set(Array.from(refs, ([, name]) => name))
  expect(used).toEqual(new Set(Object.keys(found.components.schemas)))
})

test('every operation under /v1 says that it may answer with problems, and all but the login that they are for whom it knows', async () => {
  for (const [route, { operationId, security, responses }] of await operations()) {
    if (!route.includes('/v1/')) continue
    for (const status of [400, 401, 403, 503]) {
      expect(Object.keys(responses[status]?.content ?? {}), `${route} ${status}`).toEqual([
        'application/problem+json',
      ])
    }
    expect([operationId, security]).toEqual([operationId, operationId === 'logIn' ? [] : undefined])
  }
})

test('whoever sends no credential gets 401 from every operation under /v1, before anything is read', async () => {
  for (const [route, { operationId }] of await operations()) {
    const [method = '', path = ''] = route.split(' ')
    if (!path.startsWith('/v1/') || operationId === 'logIn') continue
    const url = path.replace('{id}', 'no id at all')
    const { statusCode } = await app.inject({ method: method as 'GET', url, payload: '{' })
    expect([route, statusCode]).toEqual([route, 401])
  }
})

test('the description of each problem is where its type says', async () => {
  const { body, headers } = await app.inject({ method: 'GET', url: '/v1/nothing' })
  expect(headers['content-type']).toBe('application/problem+json')
  const problem = JSON.parse(body)
  expect(problem).toMatchObject({ status: 404, code: 'NOT_FOUND', instance: '/v1/nothing' })
  const described = await app.inject({ method: 'GET', url: problem.type })
  expect(JSON.parse(described.body)).toEqual({
    code: 'NOT_FOUND',
    title: 'Not found',
    status: 404,
    retryable: false,
  })
  const none = await app.inject({ method: 'GET', url: '/problems/constructor' })
  expect(none.statusCode).toBe(404)
})

test('every answer has the headers that keep it from being run, framed or kept', async () => {
  for (const url of ['/healthz', '/v1/members', '/nowhere', '/bad%zz']) {
    const { headers } = await app.inject({ method: 'GET', url })
    expect(headers, url).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    })
    expect(headers['content-security-policy']).toContain("default-src 'none'")
    expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
  }
})

test('a route that does not say who may ask is not served', () => {
  const open = fastify()
  authenticateRequests(open, { platform })
  expect(() => open.get('/open', () => 'open')).toThrow('does not say who may ask')
  expect(() => open.get('/known', { config: { access: 'anyone' } }, () => 'open')).not.toThrow()
})
