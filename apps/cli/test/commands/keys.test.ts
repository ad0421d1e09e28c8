import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { runFolder } from '@sensei/contracts/run-folder'
import { freshDatabase, server } from '@sensei/contracts/servers'
import { scopesOfRole } from '@sensei/core/scopes'
import { keyOrigin } from '@sensei/apps/encryption'
import { openControlPlane } from '@sensei/apps/pillars'
import { Connections } from '@sensei/postgres/connections'
import { Door } from '@sensei/postgres/door'
import { KeyRing } from '@sensei/postgres/key-ring'
import { Vault } from '@sensei/postgres/vault'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { rotateKeys } from '../../commands/keys.ts'
import type { Io } from '../../io.ts'

const folder = mkdtempSync(join(runFolder(), 'rotate-'))
let env: Record<string, string>
let drop: () => Promise<void>

beforeAll(async () => {
  const database = await freshDatabase(await server(18))
  env = { DATABASE_URL: database.url, SENSEI_DATA_DIR: folder }
  drop = database.drop
})
afterAll(async () => {
  await drop()
  rmSync(folder, { recursive: true, force: true })
})

async function rotate(more: Record<string, string> = {}) {
  const out: string[] = []
  const io = {
    env: { ...env, ...more },
    out: (text: string) => out.push(text),
    say: () => undefined,
  }
  const exit = await rotateKeys({ encryption: true, output: 'json' }, io as unknown as Io)
  return { exit, told: JSON.parse(out.join('')) as Record<string, unknown> }
}

/** Stores a connection, or reads its password back, as a process with that environment would. */
async function withConnections<T>(
  more: Record<string, string>,
  use: (connections: Connections, orgId: string) => Promise<T>,
): Promise<T> {
  const plane = await openControlPlane({ ...env, ...more })
  const door = new Door(plane.control)
  try {
    const ring = new KeyRing(keyOrigin(plane, { ...env, ...more }))
    return await use(new Connections(door, new Vault(ring)), plane.orgId)
  } finally {
    await door.close()
    await plane.close()
  }
}

const fields = { engine: 'postgres', host: 'db.example.com', database: 'a', user: 'b' }
const id = randomUUID()
const passwordOf = (more: Record<string, string> = {}) =>
  withConnections(more, (connections, orgId) =>
    connections.withPassword(orgId, id, async (_, bytes) => bytes?.toString()),
  )

test('a rotation makes a new key, throws the old one away, and every secret still opens', async () => {
  await withConnections({}, (connections, orgId) =>
    connections.create(
      {
        orgId,
        actor: 'operator:test',
        scopes: scopesOfRole('owner'),
        by: { kind: 'operator', id: 'test' },
      },
      { id, name: 'a', fields, password: Buffer.from('one') },
    ),
  )
  const keys = join(folder, 'private', 'encryption-keys')
  const [file = ''] = readdirSync(keys)
  const before = readFileSync(join(keys, file), 'utf8')
  const { exit, told } = await rotate()
  expect(exit).toBe(0)
  expect(told).toMatchObject({ rewrapped: 1, kept: [] })
  const after = readFileSync(join(keys, file), 'utf8')
  expect(after.trim().split('\n')).toHaveLength(1)
  expect(after).not.toContain(before.trim())
  expect(await passwordOf()).toBe('one')
})

test('keys that are given are taken in their order, and the file of keys is left alone', async () => {
  const keys = join(folder, 'private', 'encryption-keys')
  const [file = ''] = readdirSync(keys)
  const own = readFileSync(join(keys, file), 'utf8').trim()
  const next = `given:${randomBytes(32).toString('base64')}`
  const { exit, told } = await rotate({ SENSEI_ENCRYPTION_KEY: `${next},${own}` })
  expect(exit).toBe(0)
  expect(told).toMatchObject({ key_id: 'given', rewrapped: 1 })
  expect(await passwordOf({ SENSEI_ENCRYPTION_KEY: next })).toBe('one')
  await expect(passwordOf()).rejects.toMatchObject({ code: 'ENCRYPTION_KEY_UNKNOWN' })
})

test('without saying which keys nothing is rotated', async () => {
  const io = { env } as unknown as Io
  await expect(rotateKeys({ output: 'json' }, io)).rejects.toMatchObject({ code: 'USAGE' })
})
