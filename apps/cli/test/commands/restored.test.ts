/** A control plane comes back from a dump; what pillars/postgres/README.md says about that. */
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { auditTrail } from '@sensei/apps/audit'
import { examineControlPlane, openControl, openControlPlane } from '@sensei/apps/pillars'
import { binariesOf } from '@sensei/contracts/postgres-binaries'
import { runFolder } from '@sensei/contracts/run-folder'
import { startPostgres } from '@sensei/contracts/servers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { verifyAudit } from '../../commands/audit.ts'
import type { Io } from '../../io.ts'

type Server = Awaited<ReturnType<typeof startPostgres>>

const folder = mkdtempSync(join(runFolder(), 'restored-'))
const older = join(folder, 'older.dump')
const newest = join(folder, 'newest.dump')
let first: Server
let second: Server

const envOf = ({ host, port, user, password }: Server, database: string) => ({
  DATABASE_URL: `postgres://${user}:${password}@${host}:${port}/${database}`,
  SENSEI_DATA_DIR: folder,
  // Kept when the server was lost.
  SENSEI_AUDIT_CHECKPOINTS: join(folder, 'checkpoints.jsonl'),
})

/** A program of PostgreSQL's own, against that server. */
function run(server: Server, program: string, args: readonly string[], input?: string) {
  const { host, port, user, password } = server
  const env = {
    ...process.env,
    PGHOST: host,
    PGPORT: String(port),
    PGUSER: user,
    PGPASSWORD: password,
  }
  const file = join(binariesOf(15, undefined), 'bin', program)
  return spawnSync(file, args, { env, input, encoding: 'utf8' })
}

function succeed(...call: Parameters<typeof run>): string {
  const { status, stdout, stderr } = run(...call)
  expect(stderr.replace(/^NOTICE.*\n/gm, '')).toBe('')
  expect(status).toBe(0)
  return stdout
}

async function migrationOn(env: Record<string, string>): Promise<void> {
  const plane = await openControlPlane(env)
  try {
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
  } finally {
    await plane.close()
  }
}

async function verify(env: Record<string, string>) {
  const out: string[] = []
  const io = { env, out: (text: string) => out.push(text) } as unknown as Io
  const exit = await verifyAudit({ output: 'json' }, io)
  return { exit, found: JSON.parse(out.join('')) as Record<string, unknown> }
}

beforeAll(async () => {
  first = await startPostgres({ version: 15 })
  second = await startPostgres({ version: 15 })
  succeed(first, 'createdb', ['control'])
  const env = envOf(first, 'control')
  await migrationOn(env)
  succeed(first, 'pg_dump', ['-Fc', '-f', older, 'control'])
  await migrationOn(env)
  succeed(first, 'pg_dump', ['-Fc', '-f', newest, 'control'])
  const roles = succeed(first, 'pg_dumpall', ['--roles-only', '--no-role-passwords'])
  run(second, 'psql', ['-q', '-d', 'postgres'], roles)
}, 120_000)

afterAll(async () => {
  await first?.remove()
  await second?.remove()
  rmSync(folder, { recursive: true, force: true })
})

test('restored on another server it is as it was: no drift, an intact history, and it goes on', async () => {
  succeed(second, 'createdb', ['control'])
  succeed(second, 'pg_restore', ['-d', 'control', newest])
  const env = envOf(second, 'control')
  const findings = await examineControlPlane(env)
  expect(findings.filter(({ ok }) => !ok)).toEqual([])
  expect(await verify(env)).toMatchObject({ exit: 0, found: { organizations: [{ rows: 2 }] } })
  await migrationOn(env)
  expect(await verify(env)).toMatchObject({ exit: 0, found: { organizations: [{ rows: 3 }] } })
})

test('an older backup is told from the truth by the checkpoints', async () => {
  succeed(second, 'createdb', ['older'])
  succeed(second, 'pg_restore', ['-d', 'older', older])
  const env = envOf(second, 'older')
  expect(await verify(env)).toMatchObject({
    exit: 3,
    found: { organizations: [{ slug: 'default', rows: 1, broken: { kind: 'truncated' } }] },
  })
  const fresh = { ...env, SENSEI_AUDIT_CHECKPOINTS: join(folder, 'fresh.jsonl') }
  await migrationOn(fresh)
  expect(await verify(fresh)).toMatchObject({ exit: 0, found: { organizations: [{ rows: 2 }] } })
})

test('a dump by the owner of the tables is refused, not silently empty', () => {
  const { status, stderr } = run(first, 'pg_dump', ['--role', 'sensei_owner', 'control'])
  expect(status).not.toBe(0)
  expect(stderr).toMatch(/affected by row-level security|permission denied/)
})
