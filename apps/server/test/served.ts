/** A server as a person starts it: a process of its own, with a control plane that the test holds open. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { connect as connectSocket } from 'node:net'
import path from 'node:path'
import { keyOrigin } from '@sensei/apps/encryption'
import {
  type ControlPlane,
  openControlPlane,
  openPlatform,
  type Platform,
} from '@sensei/apps/pillars'
import { type PgBouncer, startPgBouncer } from '@sensei/contracts/pgbouncer'
import { runFolder } from '@sensei/contracts/run-folder'
import { freshDatabase, server, urlOf } from '@sensei/contracts/servers'
import type { Principal } from '@sensei/core/principal'
import { SCOPES, type Scope } from '@sensei/core/scopes'
import { Client } from 'pg'

const MAIN = path.resolve(import.meta.dirname, '../../cli/main.ts')

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  // What an answer holds is for each test to look at.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly json: any
}

export interface Call {
  readonly key?: string
  readonly body?: unknown
  readonly raw?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Where the control plane of a test is: on one of the tests' servers, there behind a pooler, or on the embedded one. */
export type Store = (typeof STORES)[number] | (typeof POOLED)[number] | 'the embedded server'

export const STORES = ['PostgreSQL 18', 'PostgreSQL 15'] as const
/** The oldest one behind a pooler of transactions. */
export const POOLED = ['PostgreSQL 18', 'PostgreSQL 15 behind PgBouncer'] as const

interface Given {
  readonly env: Readonly<Record<string, string>>
  close(): Promise<void>
}

/** The address of a database of its own, and of a login that may do no more there than a server needs. */
async function givenStore(store: Store): Promise<Given> {
  if (store === 'the embedded server') return { env: {}, close: () => Promise.resolve() }
  const address = await server(store === 'PostgreSQL 18' ? 18 : 15)
  const database = await freshDatabase(address)
  const login = { user: `web_${database.name}`, password: 'secret-of-the-login' }
  const admin = (text: string) => asAdmin(urlOf(address, 'postgres'), text)
  await admin(`create role ${login.user} login password '${login.password}'`)
  const { host, port } = address
  const pooler: PgBouncer | null = store.endsWith('PgBouncer')
    ? await startPgBouncer({
        server: { host, port },
        database: database.name,
        ...login,
        poolSize: 3,
      })
    : null
  const there = { ...address, ...login, ...(pooler && { host: pooler.host, port: pooler.port }) }
  return {
    env: { DATABASE_URL: urlOf(there, database.name), DATABASE_DIRECT_URL: database.url },
    close: async () => {
      await pooler?.close()
      await database.drop()
      await admin(`drop role ${login.user}`)
    },
  }
}

async function asAdmin<R extends object>(
  url: string,
  text: string,
  values: readonly unknown[] = [],
): Promise<R[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<R>(text, [...values])).rows
  } finally {
    await client.end()
  }
}

/** The control plane of a test file: two organizations that look alike. */
export class Installation {
  readonly env: Record<string, string>
  readonly plane: ControlPlane
  readonly platform: Platform
  /** Beside `plane.orgId`. */
  readonly otherOrgId = randomUUID()

  readonly #given: Given

  private constructor(
    given: Given,
    env: Record<string, string>,
    plane: ControlPlane,
    platform: Platform,
  ) {
    this.#given = given
    this.env = env
    this.plane = plane
    this.platform = platform
  }

  static async open(store: Store = 'the embedded server'): Promise<Installation> {
    const given = await givenStore(store)
    const env = { SENSEI_DATA_DIR: mkdtempSync(path.join(runFolder(), 'data-')), ...given.env }
    const plane = await openControlPlane(env)
    const platform = await openPlatform({
      control: plane.control,
      keyMode: 'live',
      encryption: keyOrigin(plane, env),
    })
    const made = new Installation(given, env, plane, platform)
    await made.sql("insert into organization (id, slug, name) values ($1, 'other', 'Other')", [
      made.otherOrgId,
    ])
    return made
  }

  /** As the administrator, whom row-level security does not bind. */
  async sql<R extends object>(text: string, values: readonly unknown[] = []): Promise<R[]> {
    return asAdmin(this.plane.ownUrl, text, values)
  }

  as(orgId: string): Principal {
    return { orgId, actor: 'operator:test', scopes: SCOPES, by: { kind: 'operator', id: 'test' } }
  }

  async key(
    options: {
      orgId?: string
      scopes?: readonly Scope[]
      allowedIps?: readonly string[]
      expiresAt?: Date
    } = {},
  ): Promise<{ id: string; text: string }> {
    const { orgId = this.plane.orgId, scopes = SCOPES, allowedIps = [], expiresAt = null } = options
    const wanted = { id: randomUUID(), name: 'a key', scopes, allowedIps, expiresAt }
    const { key, text } = await this.platform.acting.apiKeys.create(this.as(orgId), wanted)
    return { id: key.id, text }
  }

  /** The pid of the embedded server's postmaster. */
  postmaster(): number {
    const file = path.join(this.env['SENSEI_DATA_DIR'] ?? '', 'postgres/data/postmaster.pid')
    return Number(readFileSync(file, 'utf8').split('\n')[0])
  }

  async close(): Promise<void> {
    await this.platform.close()
    await this.plane.close()
    await this.#given.close()
  }
}

export class Served {
  readonly url: string
  readonly metricsUrl: string
  readonly child: ChildProcess
  readonly ended: Promise<{ code: number | null; signal: string | null }>
  #said: () => string

  private constructor(
    told: { url: string; metrics_url: string },
    child: ChildProcess,
    ended: Served['ended'],
    said: () => string,
  ) {
    this.url = told.url
    this.metricsUrl = told.metrics_url
    this.child = child
    this.ended = ended
    this.#said = said
  }

  static async start(
    env: Readonly<Record<string, string>>,
    flags: readonly string[] = [],
  ): Promise<Served> {
    const args = [MAIN, 'serve', '--port', '0', '--metrics-port', '0', '--output', 'json', ...flags]
    const child = spawn(process.execPath, args, {
      cwd: runFolder(),
      env: { PATH: process.env['PATH'] ?? '', HOME: runFolder(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    // A test that timed out stops nothing.
    process.once('exit', () => child.kill('SIGKILL'))
    let said = ''
    child.stderr?.setEncoding('utf8').on('data', (part: string) => (said += part))
    const ended = once(child, 'close').then(([code, signal]) => ({ code, signal }))
    const first = await Promise.race([
      once(child.stdout?.setEncoding('utf8') ?? child, 'data').then(([line]) => String(line)),
      ended.then(() => null),
    ])
    if (first === null) throw new TypeError(`the server did not start:\n${said}`)
    return new Served(JSON.parse(first), child, ended, () => said)
  }

  /** All that went to stderr, logs among it. */
  get said(): string {
    return this.#said()
  }

  call(method: string, address: string, { key, body, raw, headers }: Call = {}): Promise<Answer> {
    const content = raw ?? (body === undefined ? undefined : JSON.stringify(body))
    const all = {
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...(content === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    }
    return new Promise((resolve, reject) => {
      const sent = httpRequest(`${this.url}${address}`, { method, headers: all }, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (part: string) => (text += part))
        response.on('end', () => {
          const type = String(response.headers['content-type'])
          const json = type.includes('json') && text !== '' ? JSON.parse(text) : null
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json })
        })
      })
      sent.on('error', reject)
      sent.end(content)
    })
  }

  /** Bytes as they are, for what no HTTP client would send. */
  async send(bytes: string): Promise<string> {
    const { hostname, port } = new URL(this.url)
    const socket = connectSocket(Number(port), hostname).setEncoding('utf8')
    let text = ''
    socket.on('data', (part: string) => (text += part))
    socket.on('error', () => undefined)
    socket.write(bytes)
    await Promise.race([once(socket, 'close'), new Promise((done) => setTimeout(done, 2_000))])
    socket.destroy()
    return text
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGTERM')
    await this.ended
  }
}

export interface Twins {
  readonly home: Installation
  readonly served: Served
  readonly key: string
  /** Of the other organization. */
  readonly otherKey: string
  close(): Promise<void>
}

/** A server, and a key with all scopes for each of the two organizations. */
export async function serveTwins(store?: Store): Promise<Twins> {
  const home = await Installation.open(store)
  const served = await Served.start(home.env)
  const { text: key } = await home.key()
  const { text: otherKey } = await home.key({ orgId: home.otherOrgId })
  const close = async (): Promise<void> => {
    await served.stop()
    await home.close()
  }
  return { home, served, key, otherKey, close }
}
