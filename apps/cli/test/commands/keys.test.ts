import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runFolder } from '@sensei/contracts/run-folder'
import { freshDatabase, server } from '@sensei/contracts/servers'
import { readPublicKey } from '@sensei/core/certificate/ed25519'
import { scopesOfRole } from '@sensei/core/scopes'
import { sampleStatement } from '@sensei/core/test/certificate/sample'
import { checkpointFile } from '@sensei/apps/audit'
import { keyOrigin } from '@sensei/apps/encryption'
import { machineSigner } from '@sensei/apps/keys'
import { openControlPlane } from '@sensei/apps/pillars'
import { Connections } from '@sensei/postgres/secrets/connections'
import { Door } from '@sensei/postgres/door/door'
import { KeyRing } from '@sensei/postgres/secrets/key-ring'
import { Vault } from '@sensei/postgres/secrets/vault'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { verifyAudit } from '../../commands/audit.ts'
import { verifyCertificateFile } from '../../commands/certificate.ts'
import { exportKeys, type KeysRotateFlags, rotateKeys } from '../../commands/keys.ts'
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

async function rotate(
  more: Record<string, string> = {},
  which: Pick<KeysRotateFlags, 'encryption' | 'signing'> = { encryption: true },
) {
  const out: string[] = []
  const io = {
    env: { ...env, ...more },
    out: (text: string) => out.push(text),
    say: () => undefined,
  }
  const exit = await rotateKeys({ ...which, output: 'json' }, io as unknown as Io)
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

test('a rotated signing key leaves checkpoints and certificates valid, and is told from the new one', async () => {
  expect(await audit()).toMatchObject({ exit: 0 })
  const signer = machineSigner(join(folder, 'private'), env)
  const before = await signer.sign(sampleStatement())
  const { exit, told } = await rotate({}, { signing: true })
  expect(exit).toBe(0)
  expect(told).toEqual({ schema_version: 1, key_id: told['key_id'], previous: before.keyId })
  const after = await signer.sign(sampleStatement())
  expect(after.keyId).toBe(told['key_id'])

  const certificate = join(folder, 'before.json')
  writeFileSync(certificate, before.envelope)
  const rows = (await audit()).found
  expect(rows).toMatchObject({ status: 'intact', checkpoints: { refused: [] } })
  const plane = await openControlPlane(env)
  await plane.close()
  expect(signersOf(checkpointFile(plane, env))).toEqual(new Set([before.keyId, after.keyId]))
  expect(await verified(certificate)).toBe(0)

  const current = await exported({})
  const old = await exported({ keyId: before.keyId })
  expect(readPublicKey(current.text).keyid).toBe(after.keyId)
  expect(readPublicKey(old.text).keyid).toBe(before.keyId)
  expect(await exported({ keyId: 'f'.repeat(64) })).toMatchObject({ exit: 2 })

  // Without its public key nothing of it counts: it is the key id that lets it through.
  const trusted = join(folder, 'private', 'keys', 'trusted', `${before.keyId}.pem`)
  renameSync(trusted, `${trusted}.away`)
  expect(await verified(certificate)).toBe(3)
  expect(await audit()).toMatchObject({ exit: 3, found: { status: 'broken' } })
  renameSync(`${trusted}.away`, trusted)
  expect(await audit()).toMatchObject({ exit: 0 })
})

test('a rotation of the signing key stands in the audit log with both ids', async () => {
  const { told } = await rotate({}, { signing: true })
  expect((await rotations())[0]).toEqual({
    actor: expect.stringMatching(/^user:/),
    detail: { key_id: told['key_id'], previous: told['previous'] },
  })
})

test('a signing key that is given is not replaced, and nothing is recorded', async () => {
  const before = await rotations()
  const given = rotate({ SENSEI_SIGNING_KEY_FILE: '/keys/own.pem' }, { signing: true })
  await expect(given).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  expect(await rotations()).toEqual(before)
})

test('without saying which of the keys, or with both, nothing is rotated', async () => {
  const io = { env } as unknown as Io
  for (const flags of [{}, { encryption: true, signing: true }]) {
    const refused = rotateKeys({ ...flags, output: 'json' }, io)
    await expect(refused).rejects.toMatchObject({ code: 'USAGE' })
  }
})

/** What the audit log says of them, newest first. */
async function rotations(): Promise<unknown[]> {
  const client = new Client({ connectionString: env['DATABASE_URL'] as string })
  await client.connect()
  try {
    const { rows } = await client.query(
      "select actor, detail from audit_log where action = 'signing_key.rotated' order by recorded_at desc",
    )
    return rows
  } finally {
    await client.end()
  }
}

async function audit() {
  const out: string[] = []
  const io = { env, out: (text: string) => out.push(text) } as unknown as Io
  const exit = await verifyAudit({ output: 'json' }, io)
  return { exit, found: JSON.parse(out.join('')) as Record<string, unknown> }
}

async function exported(flags: { keyId?: string }) {
  const out: string[] = []
  const io = { env, out: (text: string) => out.push(text), say: () => undefined }
  const dataDir = join(folder, 'private')
  const exit = await exportKeys({ ...flags, dataDir, output: 'text' }, io)
  return { exit, text: out.join('\n') }
}

function verified(file: string) {
  const io = { env, out: () => undefined, say: () => undefined } as unknown as Io
  const dataDir = join(folder, 'private')
  return verifyCertificateFile({ file, keyFile: undefined, output: 'json', dataDir }, io)
}

function signersOf(file: string): Set<string> {
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  return new Set(
    lines.flatMap((line) => {
      const { signatures } = JSON.parse(line) as { signatures: { keyid: string }[] }
      return signatures.map(({ keyid }) => keyid)
    }),
  )
}
