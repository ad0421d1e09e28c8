/**
 * Connections of an organization: fields that anybody with the scope may see, and a password that nobody sees again. It is
 * bound to the row and to the version at which it was set, so a ciphertext from elsewhere, or from before, does not open.
 */
import {
  checkPassword,
  type ConnectionFields,
  readConnectionFields,
  readConnectionName,
  redactedUrl,
} from '@sensei/core/connection-fields'
import { isSenseiError, SenseiError } from '@sensei/core/errors'
import type { Principal } from '@sensei/core/principal'
import { requireScope } from '@sensei/core/scopes'
import { sql } from 'kysely'
import { command } from '../door/commands.ts'
import type { TenantDoor, Tx } from '../door/door.ts'
import { keyRetired } from './rewrap.ts'
import { typed } from '../door/typed.ts'
import type { SealedSecret, Vault } from './vault.ts'

export interface NewConnection {
  /** A uuid of version 7: lists go by it. */
  readonly id: string
  readonly name: string
  /** As they came from outside; checked here. */
  readonly fields: unknown
  /** Taken over, and wiped before this returns. Null: a server that asks for none. */
  readonly password: Buffer | null
}

export interface ConnectionChange {
  readonly name?: string
  readonly fields?: unknown
  /** As above; absent: the one that is there stays. */
  readonly password?: Buffer | null
}

export interface StoredConnection {
  readonly id: string
  readonly name: string
  readonly fields: ConnectionFields
  /** Without any secret. */
  readonly url: string
  readonly hasPassword: boolean
  readonly version: number
  readonly createdAt: string
  readonly updatedAt: string
}

export interface ConnectionPage {
  /** The id of the last one that was seen. */
  readonly after?: string
  readonly limit?: number
}

const PAGE_MAX = 200
const NOW = sql<Date>`clock_timestamp()`

/** A key that is retired at this very moment is met once; a second time needs a second rotation. */
const SEALINGS_MAX = 3

export class Connections {
  readonly #door: TenantDoor
  readonly #vault: Vault

  constructor(door: TenantDoor, vault: Vault) {
    this.#door = door
    this.#vault = vault
  }

  async create(
    by: Principal,
    { id, name, fields, password }: NewConnection,
  ): Promise<StoredConnection> {
    return wiping(password, async () => {
      requireScope(by.scopes, 'connections:write')
      const wanted = { name: readConnectionName(name), fields: readConnectionFields(fields) }
      return this.#sealing(by.orgId, { id, version: 1, password }, (sealed) =>
        command(
          this.#door,
          { orgId: by.orgId, actor: by.actor, action: 'connection.created' },
          async (tx) => {
            await typed(tx)
              .insertInto('connection')
              .values({ org_id: by.orgId, id, ...columns(wanted) })
              .execute()
            if (sealed !== null) await storeSecret(tx, by.orgId, id, { version: 1, sealed })
            return { connection_id: id, ...shown(wanted) }
          },
          (tx) => connection(tx, id),
        ),
      )
    })
  }

  /** By their ids. */
  async list(
    by: Pick<Principal, 'orgId' | 'scopes'>,
    { after, limit = 50 }: ConnectionPage = {},
  ): Promise<readonly StoredConnection[]> {
    requireScope(by.scopes, 'connections:read')
    return this.#door.read(by.orgId, async (tx) => {
      const rows = await connections(tx)
        .$if(after !== undefined, (query) => query.where('c.id', '>', after ?? ''))
        .orderBy('c.id')
        .limit(Math.max(1, Math.min(limit, PAGE_MAX)))
        .execute()
      return rows.map(toConnection)
    })
  }

  /** Throws CONNECTION_NOT_FOUND. */
  async get(by: Pick<Principal, 'orgId' | 'scopes'>, id: string): Promise<StoredConnection> {
    requireScope(by.scopes, 'connections:read')
    return this.#door.read(by.orgId, (tx) => connection(tx, id))
  }

  /**
   * Throws VERSION_CONFLICT when it is not at `version` any more. Other fields need the password again, or none: otherwise
   * whoever may change a connection could send the stored password to a server of his own.
   */
  async update(
    by: Principal,
    id: string,
    { version, change }: { readonly version: number; readonly change: ConnectionChange },
  ): Promise<StoredConnection> {
    return wiping(change.password, async () => {
      requireScope(by.scopes, 'connections:write')
      const before = await this.#door.read(by.orgId, (tx) => connection(tx, id))
      const wanted = {
        name: change.name === undefined ? before.name : readConnectionName(change.name),
        fields: change.fields === undefined ? before.fields : readConnectionFields(change.fields),
      }
      refuseRedirected(before, wanted.fields, change)
      const next = version + 1
      const password = change.password ?? null
      return this.#sealing(by.orgId, { id, version: next, password }, (sealed) =>
        command(
          this.#door,
          { orgId: by.orgId, actor: by.actor, action: 'connection.updated' },
          async (tx) => {
            const { engine: _, ...changed } = columns(wanted)
            await moveTo(tx, { id, version }, { ...changed, version: next })
            if (change.password === null) await dropSecret(tx, id)
            if (sealed !== null) await storeSecret(tx, by.orgId, id, { version: next, sealed })
            const secret =
              change.password === undefined ? 'kept' : sealed === null ? 'removed' : 'set'
            return { connection_id: id, ...shown(wanted), password: secret }
          },
          (tx) => connection(tx, id),
        ),
      )
    })
  }

  /** Its secret is gone with this; what migrations say of it stays. */
  async remove(by: Principal, id: string): Promise<void> {
    requireScope(by.scopes, 'connections:write')
    await command(
      this.#door,
      { orgId: by.orgId, actor: by.actor, action: 'connection.deleted' },
      async (tx) => {
        const { name, version } = await connection(tx, id)
        await moveTo(tx, { id, version }, { version: version + 1, deleted_at: NOW })
        await dropSecret(tx, id)
        return { connection_id: id, name }
      },
      async () => undefined,
    )
  }

  /**
   * Lends the password for as long as `use` runs, then wipes it; null where there is none. For processes that connect,
   * never for an answer to anybody.
   */
  async withPassword<T>(
    orgId: string,
    id: string,
    use: (fields: ConnectionFields, password: Buffer | null) => Promise<T>,
  ): Promise<T> {
    const { fields, password } = await this.#open(orgId, id)
    return wiping(password, () => use(fields, password))
  }

  /** A rotation may take a key away between reading a row and opening it: then the row has another one by now. */
  async #open(orgId: string, id: string) {
    for (let before: string | null = null; ; ) {
      const { fields, row } = await this.#door.read(orgId, (tx) => secretRow(tx, id))
      if (row === null) return { fields, password: null }
      const { version, ...sealed } = row
      try {
        return {
          fields,
          password: await this.#vault.open(sealed, { orgId, connectionId: id, version }),
        }
      } catch (error) {
        if (!isSenseiError(error, 'ENCRYPTION_KEY_UNKNOWN') || before === sealed.keyId) throw error
        before = sealed.keyId
      }
    }
  }

  /** Sealed outside of the transaction: wrapping may be a question to a service far away. */
  async #sealing<T>(
    orgId: string,
    secret: { readonly id: string; readonly version: number; readonly password: Buffer | null },
    write: (sealed: SealedSecret | null) => Promise<T>,
  ): Promise<T> {
    const { id: connectionId, version, password } = secret
    for (let sealings = 1; ; sealings++) {
      const sealed =
        password === null
          ? null
          : (checkPassword(password),
            await this.#vault.seal(password, { orgId, connectionId, version }))
      try {
        return await write(sealed)
      } catch (error) {
        if (isNamed(error, '23505', 'connection_named')) throw nameTaken(error)
        const retired = isNamed(error, '23503', 'connection_secret_key_id_key_live_fkey')
        if (!retired) throw error
        if (sealings === SEALINGS_MAX) throw keyRetired(sealed?.keyId ?? '')
      }
    }
  }
}

type Columns = Readonly<Partial<Record<'name' | 'engine' | 'url' | 'fields', string>>>

interface Wanted {
  readonly name: string
  readonly fields: ConnectionFields
}

function columns({ name, fields }: Wanted) {
  return {
    name,
    engine: fields.engine,
    url: redactedUrl(fields),
    fields: JSON.stringify(fields),
  } satisfies Columns
}

function shown({ name, fields }: Wanted) {
  return { name, url: redactedUrl(fields), tls: fields.tls.mode }
}

function refuseRedirected(
  before: StoredConnection,
  fields: ConnectionFields,
  { password }: ConnectionChange,
): void {
  const same = JSON.stringify(before.fields) === JSON.stringify(fields)
  if (same || password !== undefined || !before.hasPassword) return
  throw new SenseiError(
    'CONNECTION_INVALID',
    'password: was given for another server or user; give it again, or remove it',
    { details: { field: 'password' } },
  )
}

async function moveTo(
  tx: Tx,
  { id, version }: { readonly id: string; readonly version: number },
  values: Columns & { readonly version: number; readonly deleted_at?: typeof NOW },
): Promise<void> {
  const { numUpdatedRows } = await typed(tx)
    .updateTable('connection')
    .set({ ...values, updated_at: NOW })
    .where('id', '=', id)
    .where('version', '=', version)
    .where('name', 'is not', null)
    .where('deleted_at', 'is', null)
    .executeTakeFirst()
  if (numUpdatedRows === 1n) return
  const { version: now } = await connection(tx, id)
  throw new SenseiError(
    'VERSION_CONFLICT',
    `connection ${id} is at version ${now}, not ${version}: look at it again`,
  )
}

async function storeSecret(
  tx: Tx,
  orgId: string,
  connectionId: string,
  { version, sealed }: { readonly version: number; readonly sealed: SealedSecret },
): Promise<void> {
  await tx.query('insert into encryption_key (id) values ($1) on conflict (id) do nothing', [
    sealed.keyId,
  ])
  await tx.query(
    `insert into connection_secret (org_id, connection_id, version, key_id, wrapped_key, ciphertext)
     values ($1, $2, $3, $4, $5, $6)
     on conflict (org_id, connection_id) do update set version = excluded.version, key_id = excluded.key_id,
       wrapped_key = excluded.wrapped_key, ciphertext = excluded.ciphertext, updated_at = clock_timestamp()`,
    [orgId, connectionId, version, sealed.keyId, sealed.wrappedKey, sealed.ciphertext],
  )
}

async function dropSecret(tx: Tx, connectionId: string): Promise<void> {
  await tx.query('delete from connection_secret where connection_id = $1', [connectionId])
}

async function secretRow(tx: Tx, id: string) {
  const { fields } = await connection(tx, id)
  const [row] = await tx.query<{
    version: number
    key_id: string
    wrapped_key: Buffer
    ciphertext: Buffer
  }>(
    'select version, key_id, wrapped_key, ciphertext from connection_secret where connection_id = $1',
    [id],
  )
  if (row === undefined) return { fields, row: null }
  const { version, key_id: keyId, wrapped_key: wrappedKey, ciphertext } = row
  return { fields, row: { version, keyId, wrappedKey, ciphertext } }
}

type Row = Awaited<ReturnType<ReturnType<typeof connections>['execute']>>[number]

function connections(tx: Tx) {
  return typed(tx)
    .selectFrom('connection as c')
    .leftJoin('connection_secret as s', (join) =>
      join.onRef('s.org_id', '=', 'c.org_id').onRef('s.connection_id', '=', 'c.id'),
    )
    .select([
      'c.id',
      'c.name',
      'c.fields',
      'c.url',
      'c.version',
      'c.created_at',
      'c.updated_at',
      's.version as secret_version',
    ])
    .where('c.name', 'is not', null)
    .where('c.deleted_at', 'is', null)
}

async function connection(tx: Tx, id: string): Promise<StoredConnection> {
  const row = await connections(tx).where('c.id', '=', id).executeTakeFirst()
  if (row !== undefined) return toConnection(row)
  throw new SenseiError('CONNECTION_NOT_FOUND', `there is no connection ${id}`)
}

function toConnection(row: Row): StoredConnection {
  return {
    id: row.id,
    name: row.name ?? '',
    fields: readConnectionFields(row.fields),
    url: row.url,
    hasPassword: row.secret_version !== null,
    version: row.version,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  }
}

async function wiping<T>(secret: Buffer | null | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } finally {
    secret?.fill(0)
  }
}

function isNamed(error: unknown, state: string, constraint: string): boolean {
  const { code, constraint: found } = error as { code?: unknown; constraint?: unknown }
  return code === state && found === constraint
}

function nameTaken(cause: unknown): SenseiError {
  return new SenseiError(
    'CONNECTION_EXISTS',
    'another connection has this name: choose another one',
    {
      cause,
    },
  )
}
