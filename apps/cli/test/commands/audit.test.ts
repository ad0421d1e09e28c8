import { randomUUID } from 'node:crypto'
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { auditTrail, checkpointFile } from '@sensei/apps/audit'
import { loadSigningKey } from '@sensei/apps/keys'
import { openControl, openControlPlane } from '@sensei/apps/pillars'
import { runFolder } from '@sensei/contracts/run-folder'
import { freshDatabase, server } from '@sensei/contracts/servers'
import { publicKeyPem } from '@sensei/core/certificate/ed25519'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type AuditVerifyFlags, verifyAudit } from '../../commands/audit.ts'
import type { Io } from '../../io.ts'

const folder = mkdtempSync(join(runFolder(), 'audit-'))
let env: Record<string, string>
let file: string
let drop: () => Promise<void>

async function verify(flags: Partial<AuditVerifyFlags> = {}) {
  const said: string[] = []
  const io = { env, out: (text: string) => said.push(text) } as unknown as Io
  const exit = await verifyAudit({ output: 'json', ...flags }, io)
  return { exit, text: said.join('\n') }
}

const verifyJson = async (flags: Partial<AuditVerifyFlags> = {}) => {
  const { exit, text } = await verify({ ...flags, output: 'json' })
  return { exit, found: JSON.parse(text) as Record<string, unknown> }
}

beforeAll(async () => {
  const database = await freshDatabase(await server(18))
  env = { DATABASE_URL: database.url, SENSEI_DATA_DIR: folder }
  drop = database.drop
  const plane = await openControlPlane(env)
  file = checkpointFile(plane.privateFolder, env)
  const control = await openControl(plane)
  await control.journal.create({
    id: randomUUID(),
    source: { engine: 'sqlite', url: 'sqlite:/a.db' },
    target: { engine: 'postgres', url: 'postgres://a@b/c' },
    options: {},
    actor: 'test',
  })
  await control.close()
  await (await auditTrail(plane, env)).settle(10_000)
  await plane.close()
})
afterAll(async () => {
  await drop()
  rmSync(folder, { recursive: true, force: true })
})

test('a history that nobody touched is intact', async () => {
  const { exit, found } = await verifyJson()
  expect(exit).toBe(0)
  expect(found).toMatchObject({ status: 'intact', rows: 1, chained: 1, sealed: 1, broken: null })
  const { text } = await verify({ output: 'text' })
  expect(text).toMatch(/^INTACT +1 audit rows, 1 of them linked, 1 under a checkpoint/)
})

test('checkpoints by a key that is not given are no evidence, and a missing file is an error', async () => {
  const other = join(folder, 'other.pem')
  const strange = await loadSigningKey(mkdtempSync(join(folder, 'strange-')), {})
  writeFileSync(other, publicKeyPem(strange))
  const { exit, found } = await verifyJson({ key: other })
  expect(exit).toBe(3)
  expect(found).toMatchObject({
    status: 'broken',
    checkpoints: { read: 0, refused: [{ line: 1 }] },
  })
  await expect(verify({ checkpoints: join(folder, 'none') })).rejects.toMatchObject({
    code: 'FILE_NOT_FOUND',
  })
})

test('without checkpoints the history is no pass', async () => {
  const empty = join(folder, 'empty')
  writeFileSync(empty, '')
  const { exit, found } = await verifyJson({ checkpoints: empty })
  expect(exit).toBe(6)
  expect(found).toMatchObject({ status: 'incomplete', sealed: 0 })
})

test('an edited row is named with its position, and ends with 3', async () => {
  const kept = join(folder, 'kept')
  copyFileSync(file, kept)
  const client = new Client({ connectionString: env['DATABASE_URL'] as string })
  await client.connect()
  await client.query("set session_replication_role = 'replica'")
  await client.query("update audit_log set actor = 'nobody'")
  await client.end()
  const { exit, found } = await verifyJson({ checkpoints: kept })
  expect(exit).toBe(3)
  expect(found).toMatchObject({
    status: 'broken',
    broken: { kind: 'edited', position: 1, shown_at: 1 },
    checkpoints: { file: kept, read: 1 },
  })
  expect((await verify({ output: 'text' })).text).toContain('position 1: edited')
})
