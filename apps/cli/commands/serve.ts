/** `sensei serve`: the HTTP API of the control plane, until a signal ends it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { cursorSecret } from '@sensei/apps/cursor-secret'
import type { Platform } from '@sensei/apps/pillars'
import { startServices } from '@sensei/apps/services'
import { cursorKey } from '@sensei/core/cursor'
import { EXIT, type ExitCode, SenseiError } from '@sensei/core/errors'
import type { Io } from '../io.ts'
import { OUTPUT_VERSION } from '../output-json.ts'
import { withPlatform } from '../platform.ts'

export interface ServeFlags {
  readonly host: string
  readonly port: number
  readonly metricsPort: number
  readonly trustedProxy?: readonly string[]
  readonly output: 'text' | 'json'
}

/** What is being answered gets this long after the first signal; the rest of 30 s is for closing what is open. */
const DRAIN_MS_MAX = 25_000
const END_MS_MAX = 29_000

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

export async function serve(flags: ServeFlags, io: Io): Promise<ExitCode> {
  const ended = firstSignal(io)
  const [{ runServer }, { serverLog }, { keptByTenant }] = await Promise.all([
    import('@sensei/server/run'),
    import('@sensei/server/log'),
    import('@sensei/server/tenant-log'),
  ])
  const level = logLevel(io)
  const key = cursorKey(await cursorSecret(io.env))
  await withPlatform(io, async ({ plane, platform }) => {
    const logs = platform.logWriter((dropped) => log.warn({ dropped }, 'log entries were dropped'))
    const log = serverLog(io.stderr, level, keptByTenant(logs))
    const { host, port, metricsPort, trustedProxy: trustedProxies = [] } = flags
    const server = await runServer({
      host,
      port,
      metricsPort,
      trustedProxies,
      cursorKey: key,
      log,
      logCounts: () => logs.counts,
      platform,
    })
    logs.start()
    const services = await startServices(plane, io.env, log)
    const { url, metricsUrl } = server
    if (flags.output === 'json')
      io.out(JSON.stringify({ schema_version: OUTPUT_VERSION, url, metrics_url: metricsUrl }))
    io.say(`Serving ${url} (API: ${url}/openapi.json), metrics on ${metricsUrl}`)
    if (await isNew(platform, plane.orgId)) io.say(FIRST_STEPS)
    io.say(`${await ended}: answering what is open; once more aborts at once`)
    endAtLast()
    if (!(await server.stop(DRAIN_MS_MAX))) io.say('Some requests were cut: their time was over.')
    await services.stop()
    await logs.stop()
  })
  return EXIT.done
}

const FIRST_STEPS = `Nobody can sign in yet. On this machine:
  sensei users create --email you@example.com    the first owner
  sensei api-keys create --name first            a key for the API`

/** Neither a member nor a key. */
async function isNew({ acting }: Platform, orgId: string): Promise<boolean> {
  const members = await acting.users.list(orgId, { limit: 1 })
  return members.length === 0 && (await acting.apiKeys.list(orgId, { limit: 1 })).length === 0
}

/** Resolves with the first signal's name; the second one ends the process there and then. */
function firstSignal(io: Io): Promise<string> {
  return new Promise((resolve) => {
    let seen = false
    for (const name of ['SIGTERM', 'SIGINT'] as const) {
      process.on(name, () => {
        if (seen) process.exit(EXIT.interrupted)
        seen = true
        io.say('')
        resolve(name)
      })
    }
  })
}

/** A database that does not let go must not keep the process beyond its time. */
function endAtLast(): void {
  void sleep(END_MS_MAX, undefined, { ref: false }).then(() => process.exit(EXIT.failed))
}

function logLevel(io: Io): string {
  const level = io.env['LOG_LEVEL'] || 'info'
  if (LEVELS.includes(level)) return level
  throw new SenseiError('CONFIG_INVALID', `LOG_LEVEL is one of ${LEVELS.join(', ')}, not ${level}`)
}
