/** The description of the API without a server that listens: no route is ever called, so there is no database behind it. */
import { Writable } from 'node:stream'
import { openPlatform } from '@sensei/apps/pillars'
import type { ApiDescription } from './api-changes.ts'
import { LoginAttempts } from './login-attempts.ts'
import { serverLog } from './log.ts'
import { metricsRegistry } from './metrics.ts'
import { buildServer } from './server.ts'

export async function apiDescription(): Promise<ApiDescription> {
  const control = { host: '127.0.0.1', port: 1, user: 'none', password: 'none', database: 'none' }
  const platform = await openPlatform({
    control,
    keyMode: 'live',
    encryption: { kind: 'file', file: '/none' },
  })
  const app = await buildServer({
    log: serverLog(new Writable({ write: (_part, _encoding, done) => done() }), 'silent'),
    platform,
    cursorKey: Buffer.alloc(32),
    attempts: new LoginAttempts(),
    registry: metricsRegistry(() => platform.load),
    trustedProxies: [],
    draining: () => false,
    ping: () => platform.ping(),
  })
  try {
    const { body } = await app.inject({ method: 'GET', url: '/openapi.json' })
    return JSON.parse(body) as ApiDescription
  } finally {
    await app.close()
    await platform.close()
  }
}
