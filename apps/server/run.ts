/**
 * The server as a process runs it: two ports, and an end in order. `stop` takes no new connection, answers what is being
 * asked, says `draining` to whoever asks /readyz meanwhile, and cuts what is still open when its time is over.
 */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { SenseiError } from '@sensei/core/errors'
import type { Logger } from 'pino'
import { LoginAttempts } from './login-attempts.ts'
import {
  countLogEntries,
  countLoginFailures,
  type LogCounts,
  metricsRegistry,
  metricsServer,
} from './metrics.ts'
import type { Platform } from './parts.ts'
import { buildServer } from './server.ts'

export interface RunOptions {
  readonly host: string
  readonly port: number
  readonly metricsPort: number
  /** Addresses or networks whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[]
  readonly cursorKey: Buffer
  readonly log: Logger
  /** Of the entries that organizations find in their logs. */
  readonly logCounts: () => LogCounts
  readonly platform: Platform
}

export interface RunningServer {
  readonly url: string
  readonly metricsUrl: string
  /** True when every answer was given in time. */
  stop(msMax: number): Promise<boolean>
}

export async function runServer(options: RunOptions): Promise<RunningServer> {
  const { host, port, metricsPort, trustedProxies, cursorKey, log, logCounts, platform } = options
  let stopping = false
  const registry = metricsRegistry(() => platform.load)
  countLogEntries(registry, logCounts)
  const app = await buildServer({
    log,
    platform,
    trustedProxies,
    registry,
    cursorKey,
    attempts: new LoginAttempts(countLoginFailures(registry)),
    draining: () => stopping,
    ping: () => platform.ping(),
  })
  const metrics = metricsServer(registry)
  const url = await portTaken(port, app.listen({ host, port }))
  try {
    metrics.listen(metricsPort, host)
    await portTaken(metricsPort, once(metrics, 'listening'))
  } catch (error) {
    await app.close()
    throw error
  }
  const address = metrics.address() as AddressInfo
  return {
    url,
    metricsUrl: `${new URL(url).protocol}//${new URL(url).hostname}:${address.port}/metrics`,
    stop: async (msMax) => {
      stopping = true
      const closed = app.close().then(() => true)
      const inTime = await Promise.race([closed, sleep(msMax, false, { ref: false })])
      if (!inTime) {
        app.server.closeAllConnections()
        await closed
      }
      metrics.close()
      metrics.closeAllConnections()
      return inTime
    },
  }
}

async function portTaken<T>(port: number, listening: Promise<T>): Promise<T> {
  try {
    return await listening
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const why = code === 'EADDRINUSE' ? 'another process has it' : message
    throw new SenseiError('CONFIG_INVALID', `port ${port} cannot be listened on: ${why}`, { cause })
  }
}
