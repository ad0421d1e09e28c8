import { randomUUID } from 'node:crypto'
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { auditTrail, checkpointFile } from '@sensei/apps/audit'
import { loadSigningKey } from '@sensei/apps/keys'
import { type ControlAddress, openControl, openControlPlane } from '@sensei/apps/pillars'
import { runFolder } from '@sensei/contracts/run-folder'
import { freshDatabase, server } from '@sensei/contracts/servers'
import { publicKeyPem } from '@sensei/core/certificate/ed25519'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
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

/** Writes one audit row. */
async function migrationOf(address: ControlAddress): Promise<void> {
  const control = await openControl(address)
  await control.journal.create({
    id: randomUUID(),
    source: { engine: 'sqlite', url: 'sqlite:/a.db' },
    target: { engine: 'postgres', url: 'postgres://a@b/c' },
    options: {},
    actor: 'test',
  })
  await control.close()
}

async function sql(text: string, values?: unknown[]): Promise<void> {
  const client = new Client({ connectionString: env['DATABASE_URL'] as string })
  await client.connect()
  try {
    await client.query(text, values)
  } finally {
    await client.end()
  }
}

/** As a superuser who knows how: triggers and foreign keys are off. */
async function tamper(text: string, values?: unknown[]): Promise<void> {
  const client = new Client({ connectionString: env['DATABASE_URL'] as string })
  await client.connect()
  try {
    await client.query("set session_replication_role = 'replica'")
    await client.query(text, values)
  } finally {
    await client.end()
  }
}

beforeAll(async () => {
  const database = await freshDatabase(await server(18))
  env = { DATABASE_URL: database.url, SENSEI_DATA_DIR: folder }
  drop = database.drop
  const plane = await openControlPlane(env)
  file = checkpointFile(plane, env)
  await migrationOf(plane)
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
  expect(found).toMatchObject({
    status: 'intact',
    organizations: [{ slug: 'default', rows: 1, chained: 1, sealed: 1, broken: null }],
  })
  const { text } = await verify({ output: 'text' })
  expect(text).toMatch(/^INTACT +default: 1 audit rows, 1 of them linked, 1 under a checkpoint/)
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
  expect(found).toMatchObject({ status: 'incomplete', organizations: [{ sealed: 0 }] })
})

describe('with a second organization', () => {
  const other = randomUUID()
  const kept = join(folder, 'kept')

  beforeAll(async () => {
    await sql("insert into organization (id, slug, name) values ($1, 'acme', 'Acme')", [other])
    const plane = await openControlPlane(env)
    await migrationOf({ ...plane, orgId: other })
    await (await auditTrail(plane, env)).settle(10_000)
    await plane.close()
    copyFileSync(file, kept)
  })

  test('every organization is verified and has a line of its own, the default one first', async () => {
    const { exit, found } = await verifyJson()
    expect(exit).toBe(0)
    expect(found).toMatchObject({
      status: 'intact',
      organizations: [
        { slug: 'default', status: 'intact', rows: 1, sealed: 1 },
        { slug: 'acme', organization_id: other, status: 'intact', rows: 1, sealed: 1 },
      ],
    })
    const { text } = await verify({ output: 'text' })
    expect(text).toMatch(/^INTACT +default: .*\nINTACT +acme: /)
  })

  test('an edited row of the second is found, which the first one alone does not show', async () => {
    await tamper("update audit_log set actor = 'nobody' where org_id = $1", [other])
    const { exit, found } = await verifyJson({ checkpoints: kept })
    expect(exit).toBe(3)
    expect(found).toMatchObject({
      status: 'broken',
      organizations: [
        { slug: 'default', status: 'intact' },
        {
          slug: 'acme',
          status: 'broken',
          broken: { kind: 'edited', position: 1, shown_at: 1 },
        },
      ],
      checkpoints: { file: kept, read: 2 },
    })
    const { text } = await verify({ output: 'text' })
    expect(text).toMatch(/^INTACT +default: .*\nBROKEN +acme: .*\nFirst broken +position 1: edited/)
    expect((await verifyJson({ checkpoints: kept, organization: 'default' })).exit).toBe(0)
  })

  test('one organization is verified by its short name or its id; an unknown one is an error', async () => {
    for (const organization of ['acme', other]) {
      const { exit, found } = await verifyJson({ checkpoints: kept, organization })
      expect(exit).toBe(3)
      expect(found['organizations']).toMatchObject([{ slug: 'acme', status: 'broken' }])
    }
    const unknown = verify({ organization: 'nobody' })
    await expect(unknown).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(unknown).rejects.toThrow(/There are default, acme/)
  })

  test('an organization that only the checkpoints know was erased', async () => {
    await tamper(
      ['audit_chain', 'audit_position', 'audit_head', 'audit_log', 'migration_event', 'migration']
        .map((table) => `delete from ${table} where org_id = '${other}';`)
        .join(' '),
    )
    const erased = { organization_id: other, broken: { kind: 'truncated', position: 1 } }
    expect(await verifyJson({ checkpoints: kept })).toMatchObject({
      exit: 3,
      found: {
        organizations: [
          { slug: 'default', status: 'intact' },
          { slug: 'acme', ...erased },
        ],
      },
    })
    await tamper("delete from organization where slug = 'acme'")
    expect(await verifyJson({ checkpoints: kept })).toMatchObject({
      exit: 3,
      found: {
        organizations: [
          { slug: 'default', status: 'intact' },
          { slug: null, ...erased },
        ],
      },
    })
    const { exit } = await verifyJson({ checkpoints: kept, organization: other })
    expect(exit).toBe(3)
  })
})

test('an edited row is named with its position, and ends with 3', async () => {
  const kept = join(folder, 'kept-first')
  copyFileSync(file, kept)
  await tamper("update audit_log set actor = 'nobody'")
  const { exit, found } = await verifyJson({ checkpoints: kept, organization: 'default' })
  expect(exit).toBe(3)
  expect(found).toMatchObject({
    status: 'broken',
    organizations: [{ status: 'broken', broken: { kind: 'edited', position: 1, shown_at: 1 } }],
    checkpoints: { file: kept, read: 2 },
  })
  expect((await verify({ output: 'text' })).text).toContain('position 1: edited')
})
