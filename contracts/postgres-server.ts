/**
 * A real PostgreSQL server of a test's own, in the run's folder, on a private loopback port. It can be
 * killed and started again over the same data and on the same port.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  chownSync,
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { SenseiError } from '@sensei/core/errors'
import { Client } from 'pg'
import { freePort } from './free-port.ts'
import {
  binariesOf,
  type PostgresVersion,
  type ServerUser,
  serverUser,
} from './postgres-binaries.ts'
import { isAlive, runFolder } from './run-folder.ts'

const run = promisify(execFile)
const startMsMax = 60_000
const stopMsMax = 30_000
const portTriesMax = 5

/** How to reach a server, and nothing that lives: it can be sent between processes. */
export interface ServerAddress {
  readonly version: PostgresVersion
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
}

export interface OwnServer extends ServerAddress {
  /** The process id of the running postmaster. */
  readonly pid: number
  readonly dataFolder: string
  start(): Promise<void>
  /** Fast shutdown: open transactions are rolled back, then a checkpoint. */
  stop(): Promise<void>
  /** SIGKILL to the postmaster and all its backends at once: a power cut, as far as a process can tell. */
  kill9(): Promise<void>
  /** Stops it and removes its data; the end of the run does the same. */
  remove(): Promise<void>
}

export interface ServerOptions {
  readonly version: PostgresVersion
  /** Server settings on top of the defaults, for example `{ max_connections: '20' }`. */
  readonly settings?: Readonly<Record<string, string>>
}

/** Initialises and starts a server; when this returns it accepts connections. */
export async function startPostgres(options: ServerOptions): Promise<OwnServer> {
  const server = new PostgresServer(options)
  await server.initialise()
  for (let attempt = 1; ; attempt++) {
    server.port = await freePort()
    try {
      await server.start()
      return server
    } catch (error) {
      // Another process may take the port between our asking for it and the server's binding it.
      if (attempt >= portTriesMax || !server.log().includes('could not bind')) throw error
    }
  }
}

class PostgresServer implements OwnServer {
  readonly host = '127.0.0.1'
  readonly user = 'postgres'
  readonly password = randomBytes(18).toString('hex')
  readonly version: PostgresVersion
  readonly dataFolder: string
  port = 0
  private readonly folder: string
  private readonly binaries: string
  private readonly settings: Readonly<Record<string, string>>
  private readonly runAs: ServerUser | undefined
  private postmaster: ChildProcess | undefined

  constructor(options: ServerOptions) {
    this.version = options.version
    this.settings = options.settings ?? {}
    this.runAs = serverUser()
    this.binaries = binariesOf(options.version, this.runAs)
    this.folder = mkdtempSync(path.join(runFolder(), `server-${options.version}-`))
    this.dataFolder = path.join(this.folder, 'data')
    if (this.runAs) chownSync(this.folder, this.runAs.uid, this.runAs.gid)
  }

  get pid(): number {
    const pid = this.postmaster?.pid
    if (pid === undefined) throw this.failure('is not running')
    return pid
  }

  async initialise(): Promise<void> {
    const passwordFile = path.join(this.folder, 'password')
    writeFileSync(passwordFile, this.password, { mode: 0o600 })
    if (this.runAs) chownSync(passwordFile, this.runAs.uid, this.runAs.gid)
    const flags = [
      `--pgdata=${this.dataFolder}`,
      `--username=${this.user}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C.UTF-8',
      '--no-sync',
    ]
    const options = { ...this.spawnOptions(), timeout: startMsMax }
    try {
      await run(path.join(this.binaries, 'bin/initdb'), flags, options)
    } catch (error) {
      throw this.failure(`was not initialised: ${String(error)}`)
    } finally {
      rmSync(passwordFile)
    }
  }

  async start(): Promise<void> {
    if (this.postmaster !== undefined) throw this.failure('is already running')
    const log = openSync(this.logFile, 'a')
    // Detached, so that Ctrl-C in a terminal reaches the test run and not its servers.
    const postmaster = spawn(path.join(this.binaries, 'bin/postgres'), this.arguments(), {
      ...this.spawnOptions(),
      detached: true,
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    postmaster.unref()
    this.postmaster = postmaster
    postmaster.once('exit', () => {
      if (this.postmaster === postmaster) this.postmaster = undefined
    })
    await this.untilReady()
  }

  async stop(): Promise<void> {
    const postmaster = this.postmaster
    if (postmaster === undefined) return
    const exited = once(postmaster, 'exit')
    postmaster.kill('SIGINT')
    const inTime = await Promise.race([exited, sleep(stopMsMax, undefined, { ref: false })])
    if (inTime === undefined) throw this.failure(`did not stop within ${stopMsMax} ms`)
  }

  async kill9(): Promise<void> {
    const postmaster = this.postmaster
    if (postmaster === undefined) return
    const exited = once(postmaster, 'exit')
    // Stopped first: a running postmaster would fork new backends while the old ones are listed.
    postmaster.kill('SIGSTOP')
    const backends = childrenOf(this.pid)
    postmaster.kill('SIGKILL')
    for (const pid of backends) killIfThere(pid)
    await exited
    while (backends.some(isAlive)) await sleep(5)
  }

  async remove(): Promise<void> {
    await this.kill9()
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
  }

  log(): string {
    return readFileSync(this.logFile, 'utf8')
  }

  private get logFile(): string {
    return path.join(this.folder, 'log')
  }

  private async untilReady(): Promise<void> {
    const deadline = Date.now() + startMsMax
    while (this.postmaster !== undefined && Date.now() < deadline) {
      if (await accepts(this)) return
      await sleep(30)
    }
    throw this.failure('did not start')
  }

  private arguments(): string[] {
    const settings = {
      listen_addresses: this.host,
      port: String(this.port),
      unix_socket_directories: '',
      shared_buffers: '64MB',
      max_connections: '200',
      ...this.settings,
    }
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    return ['-D', this.dataFolder, ...flags]
  }

  private spawnOptions() {
    return { cwd: '/', env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }, ...this.runAs }
  }

  private failure(what: string): SenseiError {
    let log = ''
    try {
      log = this.log().split('\n').slice(-15).join('\n')
    } catch {
      // It failed before it could write one.
    }
    return new SenseiError('TARGET_UNREACHABLE', `PostgreSQL ${this.version} ${what}\n${log}`)
  }
}

async function accepts(address: ServerAddress): Promise<boolean> {
  const { host, port, user, password } = address
  const client = new Client({ host, port, user, password, database: 'postgres' })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => parentOf(pid) === parent)
}

function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return -1
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It saw its postmaster die and left by itself.
  }
}
