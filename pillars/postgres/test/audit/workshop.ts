/** An audit history to work on: rows of commands and transitions, a chainer's settings, a sink with a key of its own. */
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { runFolder } from '@sensei/contracts/run-folder'
import { readSigningKey, signBytes } from '@sensei/core/certificate/ed25519'
import { preAuthEncoding } from '@sensei/core/certificate/envelope'
import { FileCheckpoints, readCheckpointFile } from '@sensei/postgres/audit/checkpoints'
import type { Query } from '@sensei/postgres/audit/entries'
import { byOrganization, settleAudit } from '@sensei/postgres/audit/keeper'
import { type AuditReport, verifyAudit } from '@sensei/postgres/audit/verify'
import type { ConnectionSettings } from '@sensei/postgres/door/connection'
import type { TestControl } from '../control-database.ts'

export interface Workshop {
  readonly settings: ConnectionSettings
  readonly file: string
  readonly sink: FileCheckpoints
  readonly query: Query
  /** Rows of commands, so many. */
  write(rows: number, orgId?: string): Promise<void>
  settle(): ReturnType<typeof settleAudit>
  verify(orgId?: string): Promise<AuditReport>
  read(): ReturnType<typeof readCheckpointFile>
  /** As a superuser who knows how: triggers and foreign keys are off. */
  tamper(sql: string, values?: readonly unknown[]): Promise<void>
  remove(): void
}

export function newKey() {
  const { privateKey } = generateKeyPairSync('ed25519')
  return readSigningKey(privateKey.export({ format: 'pem', type: 'pkcs8' }).toString())
}

export function workshop(plane: TestControl, key = newKey()): Workshop {
  const folder = mkdtempSync(join(runFolder(), 'checkpoints-'))
  const file = join(folder, 'audit-checkpoints.jsonl')
  const signer = {
    sign: async (type: string, payload: Uint8Array) => ({
      keyid: key.keyid,
      bytes: signBytes(preAuthEncoding(type, payload), key),
    }),
  }
  const settings = { ...plane.admin, role: 'sensei_chainer' }
  const sink = new FileCheckpoints(file, signer, async () => [key])
  const query: Query = async <R extends object>(text: string, values: readonly unknown[]) =>
    (await plane.client.query(text, [...values])).rows as R[]
  return {
    settings,
    file,
    sink,
    query,
    write: async (rows, orgId = plane.orgId) => {
      for (let row = 0; row < rows; row++) {
        const detail = JSON.stringify({ row, text: `ä "quoted" \n ${'x'.repeat(row % 7)}` })
        const values = ['test.written', detail, 'test', randomUUID()]
        await plane.door.write(orgId, (tx) =>
          tx.query('select record_audit($1, $2, $3, $4)', values),
        )
      }
    },
    settle: () => settleAudit(settings, sink, 10_000),
    verify: async (orgId = plane.orgId) => {
      const found = await readCheckpointFile(file, [key])
      const seals = byOrganization(found?.checkpoints ?? []).get(orgId) ?? []
      return verifyAudit(query, orgId, seals)
    },
    read: () => readCheckpointFile(file, [key]),
    tamper: async (sql, values = []) => {
      await plane.client.query('begin')
      await plane.client.query("set local session_replication_role = 'replica'")
      await plane.client.query(sql, [...values])
      await plane.client.query('commit')
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
