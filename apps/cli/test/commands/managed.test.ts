/** What the chainer and the keeper of keys need of a server that lends no superuser. */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { runFolder } from '@sensei/contracts/run-folder'
import { startPostgres } from '@sensei/contracts/servers'
import { Client } from 'pg'
import { expect, test } from 'vitest'
import { verifyAudit } from '../../commands/audit.ts'
import { rotateKeys } from '../../commands/keys.ts'
import type { Io } from '../../io.ts'

test.each([18, 15] as const)(
  'on PostgreSQL %i a login without superuser rotates keys, and its audit rows are linked, signed and verified',
  async (version) => {
    const own = await startPostgres({ version })
    const folder = mkdtempSync(join(runFolder(), 'managed-'))
    try {
      const { host, port, user, password } = own
      const admin = new Client({ host, port, user, password, database: 'postgres' })
      await admin.connect()
      await admin.query("create role managed login createrole password 'managed'")
      await admin.query('create database managed owner managed template template0')
      await admin.end()
      const env = {
        DATABASE_URL: `postgres://managed:managed@${host}:${port}/managed`,
        SENSEI_DATA_DIR: folder,
      }
      const out: string[] = []
      const said: string[] = []
      const io = {
        env,
        out: (text: string) => out.push(text),
        say: (text: string) => said.push(text),
      } as unknown as Io
      expect(await rotateKeys({ encryption: true, output: 'json' }, io)).toBe(0)
      expect(said).toEqual([])
      expect(await verifyAudit({ output: 'json' }, io)).toBe(0)
      expect(JSON.parse(out[1] ?? '')).toMatchObject({
        status: 'intact',
        organizations: [{ rows: 1, sealed: 1 }],
      })
    } finally {
      await own.remove()
      rmSync(folder, { recursive: true, force: true })
    }
  },
  90_000,
)
