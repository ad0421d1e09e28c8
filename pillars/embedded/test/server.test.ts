import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { untilListed } from '@sensei/embedded/postmaster'
import { openControlPlane } from '@sensei/embedded/server'
import { connect } from '@sensei/postgres/door/connection'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'

const USER = join(import.meta.dirname, 'use-control-plane.ts')
const isRoot = process.getuid?.() === 0

interface User {
  readonly process: ChildProcess
  readonly found: string
  readonly port: number
  readonly adminUrl: string
  readonly orgId: string
  leave(): Promise<void>
  kill(): Promise<void>
}

let folder: string
const users: User[] = []

let template: string

/** One initdb for all tests: each begins with a copy of a data folder whose server was stopped. */
beforeAll(async () => {
  template = mkdtempSync(join(tmpdir(), 'sensei-embedded-'))
  const plane = await openControlPlane(template)
  await plane.close()
})

afterAll(() => rmSync(template, { recursive: true, force: true }))

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sensei-embedded-'))
  spawnSync('cp', ['-a', `${template}/.`, folder])
})

function emptied(): void {
  rmSync(folder, { recursive: true })
  mkdirSync(folder, { mode: 0o711 })
}

afterEach(async () => {
  await Promise.all(users.splice(0).map((user) => user.kill()))
  const pid = serverPid()
  if (pid !== null) process.kill(pid, 'SIGKILL')
  await expect.poll(() => (pid === null ? false : isAlive(pid)), { timeout: 10_000 }).toBe(false)
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
})

async function use(identity: { uid?: number; gid?: number } = {}): Promise<User> {
  const child = spawn(process.execPath, [USER, folder], {
    stdio: ['pipe', 'pipe', 'inherit'],
    cwd: '/',
    ...identity,
  })
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout as NonNullable<typeof child.stdout> })
  const [line] = await Promise.race([
    once(lines, 'line'),
    exited.then(([code]) => Promise.reject(new TypeError(`the user process ended with ${code}`))),
  ])
  const user = {
    process: child,
    ...JSON.parse(String(line)),
    async leave() {
      child.stdin?.end()
      await exited
    },
    async kill() {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await exited
    },
  }
  users.push(user)
  return user
}

function serverPid(): number | null {
  try {
    const file = join(folder, 'postgres/data/postmaster.pid')
    return Number(readFileSync(file, 'utf8').split('\n')[0])
  } catch {
    return null
  }
}

function settingsOf(adminUrl: string) {
  const { hostname, port, username, password } = new URL(adminUrl)
  return { host: hostname, port: Number(port), user: username, password, database: 'postgres' }
}

/** How many processes hold the shared lock; while the server recovers, none. */
async function presences(adminUrl: string): Promise<number> {
  try {
    const client = await connect(settingsOf(adminUrl))
    const { rows } = await client.query(
      "select count(*)::integer as held from pg_locks where locktype = 'advisory' and mode = 'ShareLock'",
    )
    await client.end()
    return rows[0]?.held
  } catch {
    return 0
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

describe('the embedded server', () => {
  test('the first one in starts it, a second adopts it, the last one out stops it', async () => {
    const first = await use()
    const pid = serverPid() as number
    const second = await use()
    expect([first.found, second.found]).toEqual(['started', 'adopted'])
    expect(second).toMatchObject({ port: first.port, orgId: first.orgId })
    await first.leave()
    expect(isAlive(pid)).toBe(true)
    await second.leave()
    expect(isAlive(pid)).toBe(false)
    expect(serverPid()).toBe(null)
  })

  test('after SIGKILL of its user the orphan is adopted, and stopped with the last one out', async () => {
    const killed = await use()
    const pid = serverPid() as number
    await killed.kill()
    expect(isAlive(pid)).toBe(true)
    const next = await use()
    expect(next).toMatchObject({ found: 'adopted', port: killed.port, orgId: killed.orgId })
    await next.leave()
    expect(isAlive(pid)).toBe(false)
  })

  test('a user that was killed does not keep the server alive', async () => {
    const stays = await use()
    const killed = await use()
    await killed.kill()
    await sleep(200)
    const pid = serverPid() as number
    await stays.leave()
    expect(isAlive(pid)).toBe(false)
  })

  test('after SIGKILL of the server its file is stale, and the next one starts it anew', async () => {
    const first = await use()
    const pid = serverPid() as number
    await first.kill()
    await first.kill()
    process.kill(pid, 'SIGKILL')
    await expect.poll(() => isAlive(pid)).toBe(false)
    expect(existsSync(join(folder, 'postgres/data/postmaster.pid'))).toBe(true)
    const second = await use()
    expect(second.found).toBe('started')
    expect(serverPid()).not.toBe(pid)
    expect(second.orgId).toBe(first.orgId)
  })

  test('after SIGKILL of the server a process that uses it starts it again', async () => {
    const stays = await use()
    const pid = serverPid() as number
    process.kill(pid, 'SIGKILL')
    await expect.poll(() => isAlive(pid)).toBe(false)
    await expect.poll(() => isAlive(serverPid() ?? -1), { timeout: 25_000 }).toBe(true)
    const next = await use()
    expect(next.found).toBe('adopted')
    await expect.poll(() => presences(next.adminUrl), { timeout: 20_000 }).toBe(2)
    const again = serverPid() as number
    await Promise.all([stays.leave(), next.leave()])
    expect(isAlive(again)).toBe(false)
  })

  test('it comes back on its port, and on another one when that was taken', async () => {
    const first = await use()
    await first.leave()
    const second = await use()
    expect(second.port).toBe(first.port)
    await second.leave()
    const thief = createServer().listen(first.port, '127.0.0.1')
    await once(thief, 'listening')
    const third = await use()
    expect(third.port).not.toBe(first.port)
    await third.leave()
    thief.close()
  })

  test('it waits for its port, which one that was just killed holds a moment longer', async () => {
    const first = await use()
    await first.leave()
    const slow = createServer().listen(first.port, '127.0.0.1')
    await once(slow, 'listening')
    setTimeout(() => slow.close(), 400)
    expect((await use()).port).toBe(first.port)
  })

  test('a crash of one of its processes does not make it forget who is there', async () => {
    const stays = await use()
    const passes = await use()
    const admin = await connect(settingsOf(stays.adminUrl))
    const { rows } = await admin.query('select pg_backend_pid() as pid')
    process.kill(rows[0]?.pid, 'SIGKILL')
    await expect.poll(() => presences(stays.adminUrl), { timeout: 20_000 }).toBe(2)
    const pid = serverPid() as number
    await passes.leave()
    expect(isAlive(pid)).toBe(true)
    await stays.leave()
    expect(isAlive(pid)).toBe(false)
  })

  test('a stale file whose number another process has now is no obstacle', async () => {
    const first = await use()
    await first.leave()
    const file = join(folder, 'postgres/data/postmaster.pid')
    const lines = [
      process.pid,
      join(folder, 'postgres/data'),
      1,
      5432,
      '',
      '127.0.0.1',
      '',
      'ready',
    ]
    writeFileSync(file, `${lines.join('\n')}\n`)
    const second = await use()
    expect(second.found).toBe('started')
    await second.leave()
  })

  test('four processes that start at once in an empty folder share one server', async () => {
    emptied()
    const all = await Promise.all(Array.from({ length: 4 }, () => use()))
    expect(new Set(all.map((user) => user.port)).size).toBe(1)
    expect(new Set(all.map((user) => user.orgId)).size).toBe(1)
    const pid = serverPid() as number
    await Promise.all(all.map((user) => user.leave()))
    expect(isAlive(pid)).toBe(false)
  })

  test('processes that come and go at once never meet a dead server', async () => {
    for (let round = 0; round < 3; round++) {
      const first = await use()
      const [, second] = await Promise.all([first.leave(), use()])
      await second.leave()
    }
    expect(serverPid()).toBe(null)
  })

  test('its passwords are secret, its keys are beside its data, and it speaks scram on loopback only', async () => {
    const plane = await openControlPlane(folder)
    try {
      expect(statSync(plane.privateFolder).mode & 0o777).toBe(0o700)
      for (const name of readdirSync(plane.privateFolder)) {
        expect(statSync(join(plane.privateFolder, name)).mode & 0o777).toBe(0o600)
      }
      expect(plane.privateFolder.startsWith(join(folder, 'postgres'))).toBe(false)
      const admin = { ...plane.control, user: 'postgres', password: 'wrong' }
      await expect(connect(admin)).rejects.toMatchObject({ code: '28P01' })
      const password = new URL(plane.adminUrl).password
      const client = await connect({ ...admin, password })
      const shown = async (name: string) => (await client.query(`show ${name}`)).rows[0]?.[name]
      expect(await shown('password_encryption')).toBe('scram-sha-256')
      expect(await shown('listen_addresses')).toBe('127.0.0.1')
      expect(await shown('unix_socket_directories')).toBe('')
      expect(await shown('server_encoding')).toBe('UTF8')
      expect(await shown('fsync')).toBe('on')
      const roles = await client.query(
        "select rolsuper or rolbypassrls as unbound from pg_roles where rolname = 'sensei'",
      )
      expect(roles.rows).toEqual([{ unbound: false }])
      await client.end()
    } finally {
      await plane.close()
    }
  })

  test('a data folder of another major version is refused by name', async () => {
    writeFileSync(join(folder, 'postgres/data/PG_VERSION'), '17\n')
    await expect(openControlPlane(folder)).rejects.toMatchObject({
      code: 'CONTROL_VERSION',
      message: expect.stringContaining('PostgreSQL 17'),
    })
  })

  test('a folder that is a file is refused with what to do', async () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    await expect(openControlPlane(join(file, 'data'))).rejects.toMatchObject({
      code: 'DATA_DIR_UNUSABLE',
    })
  })

  test.skipIf(!isRoot)('root is told when the server cannot reach the chosen folder', async () => {
    const closed = join(folder, 'closed')
    mkdirSync(closed, { mode: 0o700 })
    await expect(openControlPlane(join(closed, 'data'))).rejects.toMatchObject({
      code: 'DATA_DIR_UNUSABLE',
      message: expect.stringContaining('chmod o+x'),
    })
  })

  test.skipIf(!isRoot)(
    'root runs it as a system user, and an ordinary user as himself',
    async () => {
      const nobody = { uid: 65_534, gid: 65_534 }
      const asRoot = await use()
      expect(ownerOf(serverPid() as number)).not.toBe(0)
      await asRoot.leave()
      emptied()
      chownSync(folder, nobody.uid, nobody.gid)
      const asNobody = await use(nobody)
      expect(asNobody.found).toBe('started')
      expect(ownerOf(serverPid() as number)).toBe(nobody.uid)
      await asNobody.leave()
    },
  )
})

function ownerOf(pid: number): number {
  return statSync(`/proc/${pid}`).uid
}

test('a server that neither lists itself nor ends is not waited for without end', async () => {
  const data = mkdtempSync(join(tmpdir(), 'sensei-unlisted-'))
  const hanging = spawn(process.execPath, ['-e', 'setInterval(() => 0, 1_000)'])
  const ended = once(hanging, 'exit')
  try {
    expect(await untilListed(hanging, data, 200)).toBeNull()
    expect(await ended).toEqual([null, 'SIGKILL'])
  } finally {
    rmSync(data, { recursive: true, force: true })
  }
})
