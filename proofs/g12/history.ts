/** A control plane with histories to attack, a key, and a file of checkpoints out of the database's reach. */
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { runFolder } from '@sensei/contracts/run-folder'
import { freshDatabase, type PostgresVersion, server } from '@sensei/contracts/servers'
import { readSigningKey, signBytes } from '@sensei/core/certificate/ed25519'
import { preAuthEncoding } from '@sensei/core/certificate/envelope'
import { FileCheckpoints, readCheckpointFile } from '@sensei/postgres/audit/checkpoints'
import { type Client, type ConnectionSettings, connect } from '@sensei/postgres/door/connection'
import { Door } from '@sensei/postgres/door/door'
import { PostgresJournal } from '@sensei/postgres/record/journal'
import { provision } from '@sensei/postgres/setup/provision'

export interface History {
  readonly serverVersion: string
  /** Of the chainer. */
  readonly settings: ConnectionSettings
  readonly keyPem: string
  readonly file: string
  readonly sink: FileCheckpoints
  /** As a superuser. */
  readonly client: Client
  newTenant(): Promise<string>
  /** So many rows of commands in one transaction. */
  write(orgId: string, rows: number): Promise<void>
  /** A migration with a transition: two audit rows that have their events. */
  migrate(orgId: string): Promise<void>
  readCheckpoints(): Promise<NonNullable<Awaited<ReturnType<typeof readCheckpointFile>>>>
  close(): Promise<void>
}

export async function newHistory(version: PostgresVersion): Promise<History> {
  const address = await server(version)
  const fresh = await freshDatabase(address)
  const { host, port, user, password } = address
  const admin = { host, port, user, password, database: fresh.name }
  const login = { user: `g12_${fresh.name}`, password: randomUUID() }
  const { control } = await provision(admin, login)
  const door = new Door(control)
  const client = await connect(admin)
  const { privateKey } = generateKeyPairSync('ed25519')
  const keyPem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  const folder = mkdtempSync(path.join(runFolder(), 'g12-'))
  const file = path.join(folder, 'audit-checkpoints.jsonl')
  const key = readSigningKey(keyPem)
  return {
    serverVersion: (await client.query('show server_version')).rows[0]?.server_version,
    settings: { ...admin, role: 'sensei_chainer' },
    keyPem,
    file,
    sink: sinkIn(file, keyPem),
    client,
    newTenant: async () => {
      const id = randomUUID()
      await client.query("insert into organization (id, slug, name) values ($1, $2, 'T')", [id, id])
      return id
    },
    write: (orgId, rows) =>
      door.write(orgId, async (tx) => {
        await tx.query(WRITE, [rows])
      }),
    migrate: async (orgId) => {
      const journal = new PostgresJournal(door, orgId)
      const id = randomUUID()
      await journal.create({
        id,
        source: { engine: 'sqlite', url: 'sqlite:/proof.db' },
        target: { engine: 'postgres', url: 'postgres://proof@127.0.0.1/proof' },
        options: {},
        actor: 'proof',
      })
      const step = { migrationId: id, expectedVersion: 1, payload: {}, actor: 'proof' } as const
      await journal.transition({ ...step, event: 'planning_started' })
    },
    readCheckpoints: async () =>
      (await readCheckpointFile(file, [key])) ?? { checkpoints: [], refused: [], tornLine: null },
    close: async () => {
      await door.close()
      await client.end()
      await fresh.drop()
      const last = await connect({ ...admin, database: 'postgres' })
      await last.query(`drop role ${login.user}`)
      await last.end()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export function sinkIn(file: string, keyPem: string): FileCheckpoints {
  const key = readSigningKey(keyPem)
  const sign = async (type: string, payload: Uint8Array) => ({
    keyid: key.keyid,
    bytes: signBytes(preAuthEncoding(type, payload), key),
  })
  return new FileCheckpoints(file, { sign }, async () => [key])
}

const WRITE = `
select record_audit('test.written', jsonb_build_object(
    'amount', (n * 1e29 + 7)::numeric, 'text', repeat('ü', n % 5) || E'\\n"', 'deep', jsonb_build_array(n, null, true)),
  'user:' || n, gen_random_uuid())
from generate_series(1, $1::integer) n`
