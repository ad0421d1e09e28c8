/**
 * The PostgreSQL servers of the tests. One server per version serves a whole run and is started by the
 * first test that asks for it, so that tests of pure code start nothing:
 *
 *     const { pg18, pg15 } = await servers()
 *     const database = await freshDatabase(pg18)   // …database.url…, then await database.drop()
 *
 * A test that kills or reconfigures its server starts one of its own with `startPostgres`. Roles belong to
 * the whole server: a test that creates one gives it a name of its own and drops it.
 */
import assert from 'node:assert'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { SenseiError } from '@sensei/core/errors'
import { Client } from 'pg'
import type { PostgresVersion } from './postgres-binaries.ts'
import { type ServerAddress, startPostgres } from './postgres-server.ts'

export type { PostgresVersion } from './postgres-binaries.ts'
export {
  type OwnServer,
  type ServerAddress,
  type ServerOptions,
  startPostgres,
} from './postgres-server.ts'

/** Names the socket on which the run's main process answers for its servers (global-setup.ts). */
export const askVariable = 'SENSEI_TEST_SERVERS'

export interface FreshDatabase {
  readonly name: string
  readonly url: string
  drop(): Promise<void>
}

const known = new Map<PostgresVersion, Promise<ServerAddress>>()

/** Both shared servers, of this run. */
export async function servers(): Promise<{ pg18: ServerAddress; pg15: ServerAddress }> {
  const [pg18, pg15] = await Promise.all([server(18), server(15)])
  return { pg18, pg15 }
}

/** One shared server, for a test that needs only this version. */
export function server(version: PostgresVersion): Promise<ServerAddress> {
  const address = known.get(version) ?? askMain(version) ?? startPostgres({ version })
  known.set(version, address)
  return address
}

/** An empty UTF-8 database with a name that no other test has. */
export async function freshDatabase(address: ServerAddress): Promise<FreshDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`
  await asAdmin(address, `create database ${name} template template0`)
  return {
    name,
    url: urlOf(address, name),
    drop: () => asAdmin(address, `drop database if exists ${name} with (force)`),
  }
}

export function urlOf(address: ServerAddress, database: string): string {
  return `postgres://${address.user}:${address.password}@${address.host}:${address.port}/${database}`
}

async function asAdmin(address: ServerAddress, sql: string): Promise<void> {
  const client = new Client({ connectionString: urlOf(address, 'postgres') })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

/** Outside a vitest run nobody answers, and the process starts a server of its own. */
function askMain(version: PostgresVersion): Promise<ServerAddress> | undefined {
  const socketPath = process.env[askVariable]
  return socketPath === undefined ? undefined : ask(socketPath, version)
}

async function ask(socketPath: string, version: PostgresVersion): Promise<ServerAddress> {
  const socket = createConnection(socketPath)
  await once(socket, 'connect')
  socket.end(`${version}\n`)
  let answer = ''
  for await (const part of socket.setEncoding('utf8')) answer += part
  const { address, error } = JSON.parse(answer) as { address?: ServerAddress; error?: string }
  if (error !== undefined) throw new SenseiError('TARGET_UNREACHABLE', error)
  assert(address !== undefined, 'the main process answers with an address or an error')
  return address
}
