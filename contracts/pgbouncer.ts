/**
 * Debian's PgBouncer in front of one of the tests' servers, pooling transactions: each transaction of a client runs on
 * whichever server connection is free, and what a session set is somebody else's next.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chownSync,
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SenseiError } from '@sensei/core/errors'
import { Client } from 'pg'
import { freePort } from './free-port.ts'
import { serverUser } from './postgres-binaries.ts'
import type { ServerAddress } from './postgres-server.ts'
import { runFolder } from './run-folder.ts'

const binary = '/usr/sbin/pgbouncer'
const startMsMax = 20_000

export interface PgBouncer {
  readonly host: string
  readonly port: number
  close(): Promise<void>
}

export interface PgBouncerOptions {
  readonly server: Pick<ServerAddress, 'host' | 'port'>
  readonly database: string
  /** Who may log in, there as here. */
  readonly user: string
  readonly password: string
  /** Server connections; fewer than clients, so that they are shared. */
  readonly poolSize: number
}

export async function startPgBouncer(options: PgBouncerOptions): Promise<PgBouncer> {
  const folder = mkdtempSync(path.join(runFolder(), 'pgbouncer-'))
  const port = await freePort()
  const file = (name: string, text: string): string => {
    const full = path.join(folder, name)
    writeFileSync(full, text, { mode: 0o600 })
    return full
  }
  const users = file('users', `"${options.user}" "${options.password}"\n`)
  const settings = file('pgbouncer.ini', settingsOf(options, port, users))
  const runAs = serverUser()
  if (runAs) for (const owned of [folder, users, settings]) chownSync(owned, runAs.uid, runAs.gid)
  const log = openSync(path.join(folder, 'log'), 'a')
  // It lives no longer than the process that asked for it, however that one ends.
  const pooler = spawn('setpriv', ['--pdeathsig', 'KILL', binary, settings], {
    cwd: '/',
    stdio: ['ignore', log, log],
    ...runAs,
  })
  closeSync(log)
  pooler.on('error', () => undefined)
  await untilReady(pooler, options, port, path.join(folder, 'log'))
  return {
    host: '127.0.0.1',
    port,
    async close() {
      const exited = once(pooler, 'exit')
      pooler.kill('SIGKILL')
      await exited
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function settingsOf(
  { server, database, poolSize }: PgBouncerOptions,
  port: number,
  users: string,
): string {
  return `[databases]
${database} = host=${server.host} port=${server.port} dbname=${database}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = transaction
default_pool_size = ${poolSize}
max_client_conn = 200
`
}

async function untilReady(
  pooler: ChildProcess,
  { database, user, password }: PgBouncerOptions,
  port: number,
  log: string,
): Promise<void> {
  const deadline = performance.now() + startMsMax
  while (pooler.exitCode === null && performance.now() < deadline) {
    const client = new Client({ host: '127.0.0.1', port, database, user, password })
    client.on('error', () => undefined)
    try {
      await client.connect()
      return await client.end()
    } catch {
      await client.end().catch(() => undefined)
      await sleep(50)
    }
  }
  pooler.kill('SIGKILL')
  throw new SenseiError(
    'CONTROL_UNREACHABLE',
    `PgBouncer did not start\n${readFileSync(log, 'utf8')}`,
  )
}
